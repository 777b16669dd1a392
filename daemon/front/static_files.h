#pragma once

#include "daemon/front/request_head.h"
#include "ipc/base/fd.h"
#include "ipc/uv/loop.h"

#include <cstdint>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace moult::http {

// A regular file that was found below a static folder. A value, made in the background.
struct StaticFile {
  std::shared_ptr<const Fd> file;  // null: not found, or not to be served
  std::uint64_t size = 0;
  std::uint64_t in_memory = 0;  // bytes at its start that were read ahead
  std::time_t modified = 0;
  std::string etag;  // quoted
};

// Opens `root`/`relative` when it is a regular file inside the folder, symlinks resolved. Blocks.
StaticFile open_static(const std::string& root, const std::string& relative);

// Which static folder serves `path_info`, and what below it; root empty: none does.
struct StaticMatch {
  std::string_view root;
  std::string_view relative;
};
StaticMatch find_static(const std::map<std::string, std::string>& folders, std::string_view path_info);

// False for what no file can be called by: "", "..", ".", empty segments, NUL.
bool is_safe_relative(std::string_view relative);

std::string_view content_type(std::string_view path);

// How to answer: whole, a part, not at all. Pure.
struct StaticAnswer {
  int status = 200;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string headers;  // lines, Content-Length included where there is one
};
StaticAnswer plan_static(const StaticFile& file, std::string_view path, const RequestHead& request);

// One range of RFC 9110 section 14.1.2 against `size` bytes.
struct ByteRange {
  enum class Kind { whole, part, unsatisfiable } kind = Kind::whole;  // whole: ignore the header
  std::uint64_t first = 0;
  std::uint64_t length = 0;
};
ByteRange parse_range(std::string_view value, std::uint64_t size);

// Opening a file for a connection that may go away meanwhile: it clears `on_done` then.
struct StaticJob {
  std::function<void(StaticFile)> on_done;
};
std::shared_ptr<StaticJob> open_static_in_background(uv::Loop& loop, std::string root, std::string relative,
                                                     std::function<void(StaticFile)> on_done);

}  // namespace moult::http
