#pragma once

#include "daemon/serve/call.h"
#include "daemon/serve/call_error.h"
#include "ipc/uv/loop.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// What came of a call that the control socket asked for.
struct ScriptOutcome {
  std::string result;  // JSON text; a stream is a list. Without meaning when there is an error
  std::optional<CallError> error;
  std::optional<CallFailure> failure;  // when the daemon had to answer itself
  std::uint64_t generation = 0;        // that served it; 0: none did
};

// One call of a function by the control socket, its arguments and its result as JSON. Owned by
// ScriptCalls; loop thread only. Ends with `done`, or without a word when it is destroyed before.
class ScriptCall final : public CallClient {
 public:
  // Larger results are errors.
  static constexpr std::size_t kResultMax = 16u << 20;

  struct Order {
    std::string app;
    std::string function;
    std::string arguments;  // JSON text: a list or an object
    SteadyTime deadline = SteadyTime::max();
  };
  using Done = std::function<void(ScriptOutcome)>;

  ScriptCall(std::uint64_t number, Order order, Done done);
  ~ScriptCall() override;
  ScriptCall(const ScriptCall&) = delete;
  ScriptCall& operator=(const ScriptCall&) = delete;

  void start(CallTarget& target);  // may end it
  bool is_over() const { return !done_; }
  std::uint64_t number() const { return call_.head.call; }

  void on_head(Call& call, const lane::Head& head, std::string_view body, End end) override;
  void on_chunk(Call& call, std::string_view data, End end) override;
  void on_file(Call& call, Fd file, std::uint64_t offset, std::uint64_t length, End end) override;
  void on_want_body(Call& call) override;
  void on_failure(Call& call, CallFailure failure, std::string_view detail) override;

 private:
  void collect(std::string_view data, End end);
  void finish(ScriptOutcome outcome);

  Order order_;
  Done done_;  // null: it is over
  Call call_;
  std::vector<lane::Header> headers_;
  std::string deadline_text_;
  std::size_t sent_ = 0;  // of the arguments
  std::string reason_;
  std::string body_;
};

// What the body of a `stream` answer holds, as a JSON list, or the error that ended it. Pure.
struct StreamItems {
  std::string list;
  std::optional<CallError> error;
};
StreamItems read_stream(std::string_view body);

// The calls of the control socket that are under way. Owned by Calls; loop thread only.
class ScriptCalls {
 public:
  ScriptCalls(uv::Loop& loop, CallNumbers& numbers);

  // The number of the call, for cancel(). `done` may be called before this returns.
  std::uint64_t call(CallTarget& target, ScriptCall::Order order, ScriptCall::Done done);
  void cancel(std::uint64_t number);

 private:
  CallNumbers& numbers_;
  std::vector<std::unique_ptr<ScriptCall>> calls_;
  uv::BeforeWait burial_;
};

}  // namespace moult
