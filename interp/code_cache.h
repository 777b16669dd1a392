#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace moult {

// Compiled sources of snapshots (marshalled code), by path and content, so that a new generation
// compiles only what has changed. One per host, owned by main, used by all interpreters, which are
// of one Python version. Bounded: when it is full it begins anew.
class CodeCache {
 public:
  // `hash` is the content's, from the snapshot.
  std::optional<std::string> find(std::string_view path, std::string_view hash);
  void keep(std::string_view path, std::string_view hash, std::string_view code);

 private:
  static constexpr std::size_t kMostBytes = 32u << 20;
  struct Entry {
    std::string hash;
    std::string code;
  };

  std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace moult
