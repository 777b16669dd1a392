#include "daemon/serve/script_call.h"

#include "ipc/function_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace moult {

namespace {

CallError too_large() {
  return {"too_large", 413, "PayloadTooLarge",
          fmt::format("the result is larger than the {} MiB that a script can be given",
                      ScriptCall::kResultMax >> 20)};
}

}  // namespace

ScriptCall::ScriptCall(std::uint64_t number, Order order, Done done)
    : order_(std::move(order)), done_(std::move(done)) {
  call_.client = this;
  call_.deadline = order_.deadline;
  headers_.push_back({"codec", "json"});
  if (order_.deadline != SteadyTime::max()) {
    deadline_text_ = encode_deadline(order_.deadline);
    headers_.push_back({"deadline", deadline_text_});
  }
  const bool streams = order_.arguments.size() > lane::kInlineBodyMax;
  call_.head.call = number;
  call_.head.flags = static_cast<std::uint8_t>(lane::kCall | (streams ? lane::kBodyStreams : 0));
  call_.head.content_length = order_.arguments.size();
  call_.head.method = "CALL";
  call_.head.target = order_.function;
  call_.head.path_info = order_.app;
  call_.headers = headers_;
  if (!streams) call_.body = order_.arguments;
}

ScriptCall::~ScriptCall() {
  if (call_.target != nullptr) call_.target->cancel(call_);
}

void ScriptCall::start(CallTarget& target) { target.submit(call_); }

void ScriptCall::on_head(Call&, const lane::Head& head, std::string_view body, End end) {
  reason_ = head.reason;
  collect(body, end);
}

void ScriptCall::on_chunk(Call&, std::string_view data, End end) { collect(data, end); }

void ScriptCall::collect(std::string_view data, End end) {
  if (is_over()) return;
  if (body_.size() + data.size() > kResultMax) {
    if (call_.target != nullptr) call_.target->cancel(call_);
    finish({.result = {}, .error = too_large(), .failure = {}});
    return;
  }
  body_.append(data);
  if (end == End::no) return;
  ScriptOutcome outcome;
  if (reason_ == "value") {
    outcome.result = std::move(body_);
  } else if (reason_ == "stream") {
    StreamItems items = read_stream(body_);
    outcome.result = std::move(items.list);
    outcome.error = std::move(items.error);
  } else {
    outcome.error = decode_call_error(reason_, body_);
  }
  finish(std::move(outcome));
}

void ScriptCall::on_file(Call& call, Fd, std::uint64_t, std::uint64_t, End) {
  if (call.target != nullptr) call.target->cancel(call);
  on_failure(call, CallFailure::app_error, "the answer to a call of a function was a file");
}

void ScriptCall::on_want_body(Call&) {
  if (call_.target == nullptr) return;
  const std::string_view piece = std::string_view(order_.arguments).substr(sent_, lane::kChunkMax);
  sent_ += piece.size();
  call_.target->send_body(call_, piece, sent_ == order_.arguments.size() ? End::yes : End::no, false);
}

void ScriptCall::on_failure(Call&, CallFailure failure, std::string_view detail) {
  finish({.result = {}, .error = error_of(failure, order_.app, detail), .failure = failure});
}

void ScriptCall::finish(ScriptOutcome outcome) {
  if (is_over()) return;
  outcome.generation = call_.generation;
  std::exchange(done_, nullptr)(std::move(outcome));
}

StreamItems read_stream(std::string_view body) {
  StreamItems items;
  items.list = "[";
  while (const auto item = take_item(body)) {
    if (item->kind == StreamItem::kError) {
      const auto [reason, error] = split_item_fault(item->bytes);
      items.error = decode_call_error(reason, error);
      return items;
    }
    if (items.list.size() > 1) items.list += ',';
    items.list += item->bytes;
  }
  items.list += ']';
  if (!body.empty())
    items.error = CallError{"raised", 500, "InternalError", "the stream broke off in an item"};
  return items;
}

ScriptCalls::ScriptCalls(uv::Loop& loop, CallNumbers& numbers)
    : numbers_(numbers),
      burial_(loop, [this] { std::erase_if(calls_, [](const auto& call) { return call->is_over(); }); }) {}

std::uint64_t ScriptCalls::call(CallTarget& target, ScriptCall::Order order, ScriptCall::Done done) {
  const std::uint64_t number = numbers_.next();
  calls_.push_back(std::make_unique<ScriptCall>(number, std::move(order),
                                                [this, done = std::move(done)](ScriptOutcome outcome) {
                                                  burial_.request();
                                                  done(std::move(outcome));
                                                }));
  calls_.back()->start(target);
  return number;
}

void ScriptCalls::cancel(std::uint64_t number) {
  std::erase_if(calls_, [&](const auto& call) { return call->number() == number; });
}

}  // namespace moult
