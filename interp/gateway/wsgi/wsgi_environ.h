#pragma once

#include "interp/py/attach.h"
#include "interp/py/ref.h"
#include "ipc/lane.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace moult {

// What the environs of all requests of one worker share.
struct EnvironFacts {
  std::string app;
  std::uint64_t generation = 0;
  bool multithread = false;
  bool multiprocess = false;
  PyObject* errors = nullptr;        // borrowed: wsgi.errors
  PyObject* file_wrapper = nullptr;  // borrowed: a type
};

// Builds WSGI environs (PEP 3333) as copies of a template. One per worker, on its thread; it holds
// Python objects, so it is destroyed while its interpreter is attached. Keys are interned once, and
// the last value of each header is kept: the headers of one client hardly change.
class EnvironBuilder {
 public:
  EnvironBuilder(const py::Attached& py, const EnvironFacts& facts);

  // Null with an exception pending.
  py::Ref build(const py::Attached& py, const lane::Request& request, PyObject* input);

 private:
  struct Remembered {
    py::Ref key;
    std::string text;
    py::Ref value;
    std::uint64_t last_request = 0;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  bool add_header(const py::Attached& py, PyObject* environ, const lane::Header& header);
  bool set(PyObject* environ, Remembered& item, std::string_view text);
  Remembered* header_slot(std::string_view name);

  static constexpr std::size_t kMostHeaderNames = 256;
  static constexpr std::size_t kLongestRemembered = 1024;

  py::Ref template_;
  Remembered method_, script_name_, path_info_, query_, target_, server_name_, server_port_, remote_addr_,
      remote_port_, content_length_, protocol_, scheme_, call_;
  py::Ref input_key_, warmup_key_;
  std::unordered_map<std::string, Remembered, Hash, std::equal_to<>> headers_;
  Remembered overflow_;
  std::uint64_t serial_ = 0;
};

}  // namespace moult
