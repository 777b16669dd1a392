#include "daemon/serve/warm_up.h"

#include <fmt/format.h>

namespace moult {

namespace {

constexpr std::size_t kBodyExcerpt = 2000;
const lane::Header kHeaders[] = {{"host", "localhost"}, {"user-agent", "moult-warmup"}};

}  // namespace

WarmUp::WarmUp(uv::Loop& loop, Generation& generation, std::vector<std::string> targets,
               std::string script_name, Done done)
    : generation_(generation),
      targets_(std::move(targets)),
      script_name_(std::move(script_name)),
      done_(std::move(done)),
      soon_(loop) {}

WarmUp::~WarmUp() {
  if (call_.flight != nullptr) call_.flight->abort();
}

void WarmUp::start() { next(); }

void WarmUp::on_room() {
  if (!answered_ && call_.target == nullptr) next();
}

void WarmUp::next() {
  if (at_ == targets_.size()) {
    finish(std::nullopt);
    return;
  }
  const std::string& target = targets_[at_];
  const std::size_t question = target.find('?');
  path_ = target.substr(0, question);
  query_ = question == std::string::npos ? "" : target.substr(question + 1);
  call_.client = this;
  call_.tied = true;
  call_.head = {};
  call_.head.call = at_ + 1;
  call_.head.flags = lane::kWarmup;
  call_.head.method = "GET";
  call_.head.target = target;
  call_.head.script_name = script_name_;
  call_.head.path_info = path_;
  call_.head.query = query_;
  call_.head.server_name = "localhost";
  call_.head.server_port = "80";
  call_.head.remote_addr = "127.0.0.1";
  call_.headers = kHeaders;
  call_.head_seen = false;
  status_ = 0;
  body_.clear();
  if (generation_.start(call_, 0)) call_.target = this;  // else on_room comes
}

void WarmUp::on_head(Call&, const lane::Head& head, std::string_view body, End end) {
  status_ = head.status;
  body_.append(body.substr(0, kBodyExcerpt));
  on_end(end);
}

void WarmUp::on_chunk(Call&, std::string_view data, End end) {
  if (body_.size() < kBodyExcerpt) body_.append(data.substr(0, kBodyExcerpt - body_.size()));
  on_end(end);
}

void WarmUp::on_file(Call&, Fd, std::uint64_t, std::uint64_t, End end) { on_end(end); }

void WarmUp::on_want_body(Call&) {}

void WarmUp::on_failure(Call&, CallFailure failure, std::string_view detail) {
  if (failure == CallFailure::app_moving) return;  // what refuses the interpreter is told of the generation
  finish(Rejection{
      "warmup", fmt::format("warm-up request {} failed", targets_[at_]), std::string(detail), {}, 0, {}});
}

void WarmUp::on_end(End end) {
  if (end == End::no) return;
  if (status_ >= 500) {
    finish(Rejection{"warmup",
                     fmt::format("warm-up request {} was answered with {}", targets_[at_], status_),
                     body_,
                     {},
                     0,
                     {}});
    return;
  }
  ++at_;  // the worker tells next that it is idle
}

void WarmUp::finish(std::optional<Rejection> rejection) {
  if (answered_) return;
  answered_ = true;
  soon_.start(Milliseconds(0), [this, rejection = std::move(rejection)] { done_(rejection); });
}

}  // namespace moult
