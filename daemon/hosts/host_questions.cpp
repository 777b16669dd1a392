#include "daemon/hosts/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

// What is asked of a host and answered by it, beside the life that host.cpp has.

namespace moult {

namespace {

constexpr Milliseconds kAnswerDeadline{5'000};
constexpr std::size_t kQuestionsMax = 256;
constexpr std::size_t kPartsMax = 20'000;  // what a host may send twice over

}  // namespace

template <typename Event, typename Command>
void Host::ask(Command command, Answer<Event> answer) {
  command.ask = note_question([answer = std::move(answer)](Result<HostEvent> event) {
    if (!event) return answer(fail(std::move(event.error())));
    if (auto* const wanted = std::get_if<Event>(&*event)) return answer(std::move(*wanted));
    answer(fail(Error{ErrorCode::protocol, fmt::format("a host answered with no \"{}\"", Event::kName)}));
  });
  if (command.ask != 0) send(command);
}

void Host::ask_calls(Answer<CallsEvent> answer) { ask(CallsCommand{}, std::move(answer)); }

void Host::ask_stack(StackCommand whose, Answer<StackEvent> answer) {
  ask(std::move(whose), std::move(answer));
}

void Host::ask_loaded(std::uint64_t interp, bool packages, Answer<LoadedEvent> answer) {
  ask(LoadedCommand{0, interp, packages}, std::move(answer));
}

void Host::ask_kill(const std::string& call, Answer<KilledEvent> answer) {
  ask(KillCommand{0, call}, std::move(answer));
}

void Host::ask_imports(std::uint64_t interp, Answer<ImportsEvent> answer) {
  ask(ImportsCommand{0, interp}, std::move(answer));
}

void Host::ask_to_stay(std::uint64_t interp, Answer<StayedEvent> answer) {
  ask(StayCommand{0, interp}, std::move(answer));
}

std::uint64_t Host::note_question(Answer<HostEvent> answer) {
  if (state_ == State::gone || state_ == State::leaving) {
    answer(fail(Error{ErrorCode::failed, fmt::format("host {} is ending", number_)}));
    return 0;
  }
  if (questions_.size() >= kQuestionsMax) {
    answer(fail(Error{ErrorCode::failed,
                      fmt::format("host {} has {} questions to answer already", number_, kQuestionsMax)}));
    return 0;
  }
  const std::uint64_t number = ++last_ask_;
  questions_[number] = {Steady::now() + kAnswerDeadline, std::move(answer)};
  if (!question_deadline_.is_active()) watch_questions();
  return number;
}

// A late answer finds nobody.
void Host::answer(std::uint64_t ask, HostEvent event) {
  const auto found = questions_.find(ask);
  if (found == questions_.end()) return;
  if (auto* const imports = std::get_if<ImportsEvent>(&event)) {
    std::vector<ModuleNote>& parts = found->second.imports;
    if (parts.size() < kPartsMax)
      std::move(imports->modules.begin(), imports->modules.end(), std::back_inserter(parts));
    if (imports->more) return;
    imports->modules = std::move(parts);
  }
  const auto question = questions_.extract(found);
  question.mapped().answer(std::move(event));
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
