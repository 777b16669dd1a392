#pragma once

#include "daemon/serve/call.h"
#include "daemon/serve/call_error.h"
#include "ipc/base/log.h"
#include "ipc/uv/loop.h"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace moult {

// Who answers calls of functions, by the names of apps. Implemented by the daemon.
class CallDirectory {
 public:
  virtual ~CallDirectory() = default;
  virtual CallTarget* find(const std::string& app) const = 0;  // null: there is no such app
  virtual std::vector<std::string> names() const = 0;
};

class CallLane;

// What the caller lanes of a daemon have in common. Owned by CallLanes; loop thread.
struct CallLaneShared {
  uv::Loop& loop;
  Log& log;
  const CallDirectory& apps;
  CallNumbers& numbers;
  std::vector<char> in = std::vector<char>(lane::kPacketMax);  // used in turn, as are those of workers
  std::vector<char> out = std::vector<char>(lane::kPacketMax);
  std::function<void(CallLane&)> on_closed{};  // to be destroyed, but not from inside this
};

// The daemon's end of one caller lane: takes calls of functions from an interpreter, one at a time, and
// carries each to the app that it names and the answer back. Owned by CallLanes; loop thread only. Ends
// when the host closes the lane or breaks the order of its frames; a call under way is cancelled then.
class CallLane final : public CallClient {
 public:
  CallLane(CallLaneShared& shared, int host, Fd lane);
  ~CallLane() override;

  int host() const { return host_; }
  bool is_closed() const { return !lane_; }
  void close();

  void on_head(Call& call, const lane::Head& head, std::string_view body, End end) override;
  void on_chunk(Call& call, std::string_view data, End end) override;
  void on_file(Call& call, Fd file, std::uint64_t offset, std::uint64_t length, End end) override;
  void on_want_body(Call& call) override;
  void on_failure(Call& call, CallFailure failure, std::string_view detail) override;

 private:
  void on_ready(int events);
  void on_packet(std::string_view packet);
  void on_request(std::string_view packet);
  void on_body(const lane::Chunk& chunk);
  void on_abort(const lane::Chunk& chunk);
  bool take_headers(const lane::Request& request);
  void fail(const CallError& error);
  void send(std::string_view prefix, std::string_view data);
  void flush();
  void broken(std::string_view why);

  CallLaneShared& shared_;
  int host_;
  Fd lane_;
  std::unique_ptr<uv::Poll> poll_;
  Call call_;
  std::string request_;  // the packet that the call's texts are slices of
  std::string app_;
  std::vector<lane::Header> headers_;
  std::uint64_t number_ = 0;  // the host's own for the call under way
  bool active_ = false;       // a request came whose answer has not ended
  bool wants_body_ = false;
  bool head_sent_ = false;
  bool paused_ = false;
  std::deque<std::string> unsent_;  // frames that the host was too slow for; the call is paused meanwhile
};

}  // namespace moult
