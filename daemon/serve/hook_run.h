#pragma once

#include "daemon/serve/call.h"
#include "daemon/serve/generation.h"
#include "ipc/uv/loop.h"

#include <functional>
#include <string>
#include <string_view>

namespace moult {

enum class Hook { handoff, adopt, ready };
std::string_view to_string(Hook hook);

// What became of one hook of a generation.
struct HookOutcome {
  enum class Kind {
    done,
    failed,  // it raised, took too long, or what it gave cannot be carried: `failure` says which
    lost,    // the generation went before it answered
  };
  Kind kind = Kind::done;
  std::string state{};  // of handoff: a payload, for the adopt of another generation
  Rejection failure{};  // stage is the hook's name
};

// Has the hooks of an app's generations run, as calls on their workers: handoff once, in line with
// the app's own calls; adopt and ready in each interpreter, one after the other. One per attempt or
// roll-back, one hook at a time. Owned by the Moulting; loop thread only. Destroyed before a
// generation that it was given is retired; what still runs then is interrupted.
class HookRun final : public CallClient, private CallTarget {
 public:
  struct Limits {
    Milliseconds handoff_timeout;  // for a call of handoff or adopt
    std::size_t state_max;         // bytes
  };
  // `done` is called from the loop, once for each hook, and may begin the next.
  using Done = std::function<void(HookOutcome)>;

  // `last_call`: the number of the last call of this kind, kept for all runs of an app.
  HookRun(uv::Loop& loop, std::string app, Limits limits, std::uint64_t& last_call);
  ~HookRun() override;

  void hand_off(Generation& from, CallTarget& line, Done done);
  void adopt(Generation& to, std::string state, Done done);
  void ready(Generation& generation, Done done);

  Hook hook() const { return hook_; }
  // A generation may take a call that it did not take before.
  void on_room(const Generation& generation);
  // Its host has gone, or it is about to be retired.
  void on_generation_lost(const Generation& generation);

 private:
  void on_head(Call& call, const lane::Head& head, std::string_view body, End end) override;
  void on_chunk(Call& call, std::string_view data, End end) override;
  void on_file(Call& call, Fd file, std::uint64_t offset, std::uint64_t length, End end) override;
  void on_want_body(Call& call) override;
  void on_failure(Call& call, CallFailure failure, std::string_view detail) override;
  void submit(Call&) override {}
  void cancel(Call& call) override;
  void send_body(Call&, std::string_view, End, bool) override {}
  void pause(Call&) override {}
  void resume(Call&) override {}

  void begin(Hook hook, Generation& generation, std::string body, Done done);
  void prepare_call();
  void call_next();
  void collect(std::string_view data, End end);
  void on_answer();
  void let_go();
  void fail(std::string error, std::string detail = {});
  void finish(HookOutcome outcome);

  std::string app_;
  Limits limits_;
  std::uint64_t& last_call_;
  Hook hook_ = Hook::handoff;
  Generation* generation_ = nullptr;  // null: nothing runs
  std::size_t at_ = 0;                // its interpreter
  bool wants_worker_ = false;
  std::string target_;
  std::string body_;
  std::size_t body_sent_ = 0;
  std::string reason_;
  std::string answer_;
  Call call_;
  HookOutcome outcome_;
  Done done_;
  uv::Timer limit_;
  uv::Timer soon_;  // the next step is made from the loop, never from inside a worker's packet
};

}  // namespace moult
