#pragma once

#include "ipc/base/fd.h"
#include "ipc/uv/loop.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace moult {

// Takes the records of ipc/PROTOCOL.md "Log pipe" apart, whatever pieces they come in. Pure.
class LogRecords {
 public:
  using Sink = std::function<void(char stream, std::string_view line)>;

  // False: the bytes are no records of ours; nothing more can be read from this pipe.
  bool feed(std::string_view bytes, const Sink& sink);

 private:
  std::string pending_;
};

// The reading end of one interpreter's log pipe. Owned by its Interpreter; loop thread only. Ends
// when the pipe's writers are gone.
class LogPipe {
 public:
  LogPipe(uv::Loop& loop, Fd read_end, LogRecords::Sink sink);

  // Takes what is in the pipe now: before its owner goes.
  void drain() { read(1 << 20); }

 private:
  void read(std::size_t most);

  Fd fd_;
  LogRecords records_;
  LogRecords::Sink sink_;
  std::unique_ptr<uv::Poll> poll_;
};

}  // namespace moult
