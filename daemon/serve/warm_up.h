#pragma once

#include "daemon/serve/call.h"
#include "daemon/serve/generation.h"
#include "ipc/uv/loop.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace moult {

// Sends the warm-up requests to a generation that does not serve yet, one after the other. A status
// of 500 or above, or a failure, is a rejection. Owned by the attempt; destroyed when it has answered
// or when the attempt ends first.
class WarmUp final : public CallClient, private CallTarget {
 public:
  using Done = std::function<void(std::optional<Rejection>)>;

  WarmUp(uv::Loop& loop, Generation& generation, std::vector<std::string> targets, std::string script_name,
         Done done);
  ~WarmUp() override;
  void start();
  // The generation may take a call that it did not take before.
  void on_room();

 private:
  void on_head(Call& call, const lane::Head& head, std::string_view body, End end) override;
  void on_chunk(Call& call, std::string_view data, End end) override;
  void on_file(Call& call, Fd file, std::uint64_t offset, std::uint64_t length, End end) override;
  void on_want_body(Call& call) override;
  void on_failure(Call& call, CallFailure failure, std::string_view detail) override;
  void submit(Call&) override {}
  void cancel(Call&) override {}
  void send_body(Call&, std::string_view, End, bool) override {}
  void pause(Call&) override {}
  void resume(Call&) override {}

  void next();
  void on_end(End end);
  void finish(std::optional<Rejection> rejection);

  Generation& generation_;
  std::vector<std::string> targets_;
  std::string script_name_;
  Done done_;
  std::size_t at_ = 0;
  Call call_;
  std::string path_;
  std::string query_;
  int status_ = 0;
  std::string body_;
  bool answered_ = false;
  uv::Timer soon_;  // the verdict is given from the loop, never from inside a worker's packet
};

}  // namespace moult
