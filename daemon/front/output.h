#pragma once

#include "ipc/base/fd.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace moult::http {

// A region of a file that is to be sent. The descriptor is shared with the background job that
// brings the file's pages into memory.
struct FileRegion {
  std::shared_ptr<const Fd> file;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::uint64_t in_memory =
      0;  // bytes from `offset` on that were read before, so that sendfile will not wait
};

// What waits to be written to one client, in order: bytes and regions of files. Nothing is copied
// that the socket takes at once. One per connection, loop thread.
class Output {
 public:
  enum class State {
    empty,       // all of it is with the kernel
    blocked,     // wait until the socket is writable
    needs_file,  // wait until next_read() was done in the background, then file_read()
    closed,      // the client has gone, or a file is shorter than it was
  };

  // Writes the slices, after what waits already.
  State send(int fd, std::span<const std::string_view> slices);
  // Queues without writing; flush() does.
  void queue(std::string_view bytes);
  void queue_file(FileRegion region);
  State flush(int fd);

  bool is_empty() const { return first_ == segments_.size(); }
  std::size_t waiting_bytes() const { return waiting_bytes_; }  // files not counted
  bool has_file() const { return waiting_files_ > 0; }
  std::uint64_t written() const { return written_; }  // in all

  // The window of the first file that must be in memory next; only with State::needs_file.
  FileRegion next_read() const;
  void file_read(std::uint64_t size);

  static constexpr std::uint64_t kFileWindow = 1u << 20;

 private:
  struct Segment {
    std::string bytes;
    std::size_t sent = 0;
    std::optional<FileRegion> region;
  };
  State flush_bytes(int fd, Segment& segment, bool more);
  State flush_file(int fd, FileRegion& region);
  void pop();

  std::vector<Segment> segments_;
  std::size_t first_ = 0;  // segments before it are done
  std::size_t waiting_bytes_ = 0;
  std::size_t waiting_files_ = 0;
  std::uint64_t written_ = 0;
};

// Reads a window of a file, so that its pages are in memory. False: it is no regular file, from which
// sendfile could wait for ever. Blocks: background thread.
bool read_into_memory(const FileRegion& window);

}  // namespace moult::http
