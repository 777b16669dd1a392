#include "daemon/hosts/host.h"

#include <fmt/format.h>

#include <algorithm>

// What is asked of a host and answered by it, beside the life that host.cpp has.

namespace moult {

namespace {

constexpr Milliseconds kAnswerDeadline{5'000};
constexpr std::size_t kQuestionsMax = 256;
constexpr std::size_t kPartsMax = 20'000;  // what a host may send twice over

}  // namespace

void Host::ask_calls(Answer answer) {
  ask(std::move(answer), [](std::uint64_t number) { return encode_calls(number); });
}

void Host::ask_stack(StackCommand whose, Answer answer) {
  ask(std::move(answer), [&whose](std::uint64_t number) {
    whose.ask = number;
    return encode_stack(whose);
  });
}

void Host::ask_loaded(std::uint64_t interp, bool packages, Answer answer) {
  ask(std::move(answer),
      [interp, packages](std::uint64_t number) { return encode_loaded(number, interp, packages); });
}

void Host::ask_kill(const std::string& call, Answer answer) {
  ask(std::move(answer), [&call](std::uint64_t number) { return encode_kill(number, call); });
}

void Host::ask_imports(std::uint64_t interp, Answer answer) {
  ask(std::move(answer), [interp](std::uint64_t number) { return encode_imports(number, interp); });
}

void Host::ask_to_stay(std::uint64_t interp, Answer answer) {
  ask(std::move(answer), [interp](std::uint64_t number) { return encode_stay(number, interp); });
}

void Host::ask(Answer answer, const std::function<std::string(std::uint64_t)>& encode) {
  if (state_ == State::gone || state_ == State::leaving) {
    answer(fail(Error{ErrorCode::failed, fmt::format("host {} is ending", number_)}));
    return;
  }
  if (questions_.size() >= kQuestionsMax) {
    answer(fail(Error{ErrorCode::failed,
                      fmt::format("host {} has {} questions to answer already", number_, kQuestionsMax)}));
    return;
  }
  const std::uint64_t number = ++last_ask_;
  questions_[number] = {Steady::now() + kAnswerDeadline, std::move(answer)};
  if (!question_deadline_.is_active()) watch_questions();
  send(encode(number));
}

// A late answer finds nobody.
void Host::answer(const HostEvent& event) {
  if (event.more) {
    const auto found = questions_.find(event.ask);
    if (found == questions_.end()) return;
    std::vector<ModuleNote>& parts = found->second.imports;
    if (parts.size() < kPartsMax) parts.insert(parts.end(), event.imports.begin(), event.imports.end());
    return;
  }
  auto question = questions_.extract(event.ask);
  if (!question) return;
  HostEvent whole = event;
  std::vector<ModuleNote>& parts = question.mapped().imports;
  whole.imports.insert(whole.imports.begin(), parts.begin(), parts.end());
  question.mapped().answer(std::move(whole));
}

void Host::watch_questions() {
  if (questions_.empty()) return;
  const auto wait = std::chrono::ceil<Milliseconds>(questions_.begin()->second.deadline - Steady::now());
  question_deadline_.start(std::max(wait, Milliseconds(0)), [this] {
    give_up_questions(Steady::now(),
                      Error{ErrorCode::timed_out, fmt::format("host {} has not answered within {} s", number_,
                                                              kAnswerDeadline.count() / 1000)});
    watch_questions();
  });
}

void Host::give_up_questions(SteadyTime asked_until, const Error& error) {
  // An answer may ask the next one.
  while (!questions_.empty() && questions_.begin()->second.deadline <= asked_until) {
    const auto question = questions_.extract(questions_.begin());
    question.mapped().answer(fail(error));
  }
}

}  // namespace moult
