#include "daemon/hosts/host.h"

#include "ipc/base/count_of.h"

#include <fmt/format.h>

#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace moult {

namespace {

constexpr std::size_t kEventMax = 128 * 1024;
constexpr std::size_t kOutgoingMax = 1024;  // commands; a host that takes none for so long is dead
constexpr Milliseconds kBootDeadline{30'000};
constexpr Milliseconds kLeaveDeadline{5'000};
constexpr int kEventsPerRound = 64;
constexpr int kLastRounds = 64;  // of a host that has ended, whose channel holds no more
constexpr std::size_t kChildOutputsMax = 64;
constexpr Milliseconds kFloodTold{5'000};

std::string how_it_ended(uv::ExitStatus status) {
  if (status.signal != 0)
    return fmt::format("was ended by signal {} ({})", status.signal, ::strsignal(status.signal));
  return fmt::format("exited with status {}", status.code);
}

// One packet and the descriptor that came with it, as recvmsg(2) returns.
ssize_t receive_event(int channel, std::vector<char>& packet, Fd& descriptor) {
  iovec slice{packet.data(), packet.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &slice;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) return size;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    int number = -1;
    std::memcpy(&number, CMSG_DATA(header), sizeof number);
    descriptor = Fd(number);
  }
  return size;
}

// What an event that has no such member belongs to: 0.
InterpNumber interp_of(const HostEvent& event) {
  return std::visit(
      [](const auto& what) -> InterpNumber {
        if constexpr (requires { what.interp; }) return what.interp;
        return 0;
      },
      event);
}

std::uint64_t ask_of(const HostEvent& event) {
  return std::visit(
      [](const auto& what) -> std::uint64_t {
        if constexpr (requires { what.ask; }) return what.ask;
        return 0;
      },
      event);
}

// ETOOMANYREFS: descriptors that other hosts have not taken yet (unix(7)); they soon will.
bool is_channel_full(int number) {
  return number == EAGAIN || number == EWOULDBLOCK || number == ENOBUFS || number == ETOOMANYREFS;
}

}  // namespace

Host::Host(uv::Loop& loop, Log& log, Owner& owner, int number, HostKey key)
    : loop_(loop),
      log_(log),
      owner_(owner),
      number_(number),
      key_(std::move(key)),
      started_(Steady::now()),
      deadline_(loop),
      question_deadline_(loop),
      packet_(kEventMax),
      flood_told_(loop) {}

Host::~Host() = default;

Result<> Host::start(HostLauncher& launcher, const CodePlace& code_place) {
  MOULT_ASSIGN(LaunchedHost launched,
               launcher.launch(key_, code_place, [this](uv::ExitStatus status) { on_exit(status); }));
  process_ = std::move(launched.process);
  channel_ = std::move(launched.channel);
  channel_poll_ =
      std::make_unique<uv::Poll>(loop_, channel_.get(), [this](int events) { on_channel(events); });
  channel_poll_->set(uv::Poll::kReadable);
  output_ = std::make_unique<HostOutput>(
      loop_, std::move(launched.output),
      [this](std::string_view line) {
        owner_.on_host_output(*this, dedicated ? last_source_ : OutputSource(), line);
      },
      [] {});
  deadline_.start(kBootDeadline, [this] {
    log_.error("a host did not start within 30 s", {{"host", number_}, {"pid", pid()}});
    kill();
  });
  return {};
}

std::uint64_t Host::make(MakeCommand command, std::vector<Fd> descriptors, InterpreterListener& listener) {
  const std::uint64_t interp = next_interp_++;
  command.interp = interp;
  command.mode = key_.mode;
  command.spec.host = number_;
  listeners_[interp] = &listener;
  sources_[interp] = last_source_ = {command.app, command.generation};
  ++made_count;
  send(command, std::move(descriptors));
  return interp;
}

void Host::load(const LoadCommand& command, Fd snapshot) {
  std::vector<Fd> descriptors;
  descriptors.push_back(std::move(snapshot));
  if (const auto source = sources_.find(command.interp); source != sources_.end()) {
    source->second.generation = command.generation;
    last_source_ = source->second;
  }
  send(command, std::move(descriptors));
}

void Host::retire(std::uint64_t interp, Seconds timeout) { send(RetireCommand{interp, timeout}); }

void Host::interrupt(std::uint64_t interp, std::uint64_t call) { send(InterruptCommand{interp, call}); }

void Host::route(const std::string& app, const std::vector<std::uint64_t>& interps) {
  send(RouteCommand{app, interps});
}

void Host::drain(std::uint64_t interp) { send(DrainCommand{interp}); }

void Host::give_back(std::uint64_t interp) { send(GiveBackCommand{interp}); }

void Host::forget(std::uint64_t interp) {
  sources_.erase(interp);
  stalled_alone_.erase(interp);
  if (listeners_.erase(interp) != 0 && listeners_.empty() && state_ != State::gone)
    owner_.on_host_empty(*this);
}

void Host::leave() {
  if (state_ == State::leaving || state_ == State::gone) return;
  send(ExitCommand{});
  state_ = State::leaving;
  deadline_.start(kLeaveDeadline, [this] { kill(); });
}

void Host::dismiss() {
  if (state_ == State::gone) return;
  state_ = State::leaving;
  kill();
}

void Host::kill() {
  if (process_) process_->kill(SIGKILL);
}

int Host::pid() const { return process_ ? process_->pid() : 0; }

std::uint64_t Host::resident_bytes() const {
  return state_ == State::gone || pid() == 0 ? 0 : moult::resident_bytes(pid());
}

void Host::send(const HostCommand& command, std::vector<Fd> descriptors) {
  // One that is being killed for a full queue gets nothing more.
  if (state_ == State::gone || outgoing_.size() > kOutgoingMax) return;
  outgoing_.push_back({encode_command(command), std::move(descriptors)});
  if (outgoing_.size() > kOutgoingMax) {
    log_.error("a host takes no commands", {{"host", number_}});
    kill();
    return;
  }
  flush();
}

void Host::flush() {
  while (!outgoing_.empty()) {
    Outgoing& next = outgoing_.front();
    iovec slice{next.packet.data(), next.packet.size()};
    msghdr message{};
    message.msg_iov = &slice;
    message.msg_iovlen = 1;
    std::vector<char> control(CMSG_SPACE(sizeof(int) * next.descriptors.size()));
    if (!next.descriptors.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof(int) * next.descriptors.size());
      unsigned char* at = CMSG_DATA(header);
      for (const Fd& fd : next.descriptors) {
        const int number = fd.get();
        std::memcpy(at, &number, sizeof number);
        at += sizeof number;
      }
    }
    if (::sendmsg(channel_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
      if (errno == EINTR) continue;
      if (is_channel_full(errno)) {
        channel_poll_->set(uv::Poll::kReadable | uv::Poll::kWritable);
        return;
      }
      if (errno != EPIPE && errno != ECONNRESET) {
        log_.error(fmt::format("cannot send to a host: {}", std::strerror(errno)), {{"host", number_}});
        kill();
      }
      return;  // the process is ending: on_exit tells
    }
    outgoing_.pop_front();
  }
  channel_poll_->set(uv::Poll::kReadable);
}

void Host::on_channel(int events) {
  if ((events & uv::Poll::kWritable) != 0) flush();
  read_events();
}

bool Host::read_events() {
  for (int taken = 0; taken < kEventsPerRound; ++taken) {
    Fd descriptor;
    const ssize_t size = receive_event(channel_.get(), packet_, descriptor);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && is_channel_full(errno)) return false;
    if (size <= 0) {
      // It closed the channel: it is ending, or has gone mad. on_exit does the rest.
      channel_poll_->set(0);
      deadline_.start(kLeaveDeadline, [this] { kill(); });
      return false;
    }
    const auto event = decode_event({packet_.data(), static_cast<std::size_t>(size)});
    if (!event) {
      log_.error(event.error().message, {{"host", number_}});
      continue;
    }
    dispatch(*event, std::move(descriptor));
  }
  return true;
}

void Host::dispatch(const HostEvent& event, Fd descriptor) {
  if (std::holds_alternative<BootedEvent>(event)) {
    if (state_ != State::starting) return;
    state_ = State::ready;
    deadline_.stop();
    owner_.on_host_ready(*this);
    return;
  }
  if (floods(event)) return;
  if (const auto* notice = std::get_if<NoticeEvent>(&event); notice != nullptr && notice->interp == 0) {
    log_.warning(notice->text, {{"host", number_}});
    return;
  }
  if (const auto* caller = std::get_if<CallerEvent>(&event)) {
    // The kernel drops a descriptor that our full table cannot take; the host sees its lane closed.
    if (descriptor) owner_.on_caller(*this, caller->interp, std::move(descriptor));
    return;
  }
  if (const auto* output = std::get_if<OutputEvent>(&event)) {
    if (descriptor) take_output(output->interp, std::move(descriptor));
    return;
  }
  if (const auto* tainted = std::get_if<TaintedEvent>(&event)) {
    owner_.on_host_tainted(*this, tainted->why);
    return;
  }
  if (const auto* stalled = std::get_if<StalledEvent>(&event)) {
    const SteadyTime since = Steady::now() - std::chrono::duration_cast<Steady::duration>(stalled->seconds);
    if (!stalled->alone) {
      stalled_since_ = since;
    } else if (listeners_.contains(stalled->interp)) {
      stalled_alone_[stalled->interp] = {since};
    }
    owner_.on_host_stalled(*this, *stalled);
    return;
  }
  if (const auto* revived = std::get_if<RevivedEvent>(&event)) {
    if (revived->interp == 0) stalled_since_.reset();
    stalled_alone_.erase(revived->interp);
    owner_.on_host_revived(*this, *revived);
    return;
  }
  if (const auto* crashed = std::get_if<CrashedEvent>(&event)) {
    crashed_ = crashed->interp;
    return;
  }
  // Answers carry the number of their question, nothing else does.
  if (const std::uint64_t ask = ask_of(event); ask != 0) {
    answer(ask, event);
    return;
  }
  // A process of one app ends with it.
  if (std::holds_alternative<RetiredEvent>(event) && dedicated && state_ == State::ready) {
    state_ = State::leaving;
    deadline_.start(kLeaveDeadline, [this] { kill(); });
  }
  if (std::holds_alternative<MadeEvent>(event)) memory.on_made(resident_bytes(), age());
  const auto listener = listeners_.find(interp_of(event));
  if (listener != listeners_.end()) listener->second->on_event(event);
}

Host::Stall Host::stall_of(std::uint64_t interp) const {
  if (stalled_since_) return {*stalled_since_, trouble};
  const auto stall = stalled_alone_.find(interp);
  return stall == stalled_alone_.end() ? Stall() : stall->second;
}

void Host::explain_stall(std::uint64_t interp, const std::string& why) {
  if (const auto stall = stalled_alone_.find(interp); stall != stalled_alone_.end())
    stall->second.trouble = why;
}

OutputSource Host::source_of(std::uint64_t interp) const {
  const auto source = sources_.find(interp);
  return source == sources_.end() ? OutputSource() : source->second;
}

// The children of an interpreter write here. They may outlive it: what they say is still its app's, and
// without a reader they would be ended by SIGPIPE.
void Host::take_output(std::uint64_t interp, Fd read_end) {
  const auto source = sources_.find(interp);
  if (source == sources_.end() || child_outputs_.size() >= kChildOutputsMax || !set_nonblocking(read_end))
    return;
  const std::uint64_t number = next_output_++;
  child_outputs_[number] = std::make_unique<HostOutput>(
      loop_, std::move(read_end),
      [this, whose = source->second](std::string_view line) { owner_.on_host_output(*this, whose, line); },
      [this, number] { child_outputs_.erase(number); });
}

// What an app can bring about as often as it likes must not keep the loop from anything else.
bool Host::floods(const HostEvent& event) {
  const bool at_will =
      std::holds_alternative<AsksEvent>(event) || std::holds_alternative<NoticeEvent>(event) ||
      std::holds_alternative<ProcessWideEvent>(event) || std::holds_alternative<RefusedEvent>(event);
  if (!at_will || event_allowance_.take(Steady::now())) return false;
  if (!flood_told_.is_active()) flood_told_.start(kFloodTold, [this] { tell_flood(); });
  return true;
}

void Host::tell_flood() {
  if (const std::uint64_t dropped = event_allowance_.take_dropped(); dropped > 0) {
    log_.warning(fmt::format("{} of apps dropped: more than {} in a second", count_of(dropped, "message"),
                             kAskedEvents),
                 {{"host", number_}});
  }
}

void Host::on_exit(uv::ExitStatus status) {
  for (int round = 0; round < kLastRounds && read_events(); ++round) {  // its last words
  }
  output_->drain();
  for (const auto& [number, output] : child_outputs_) output->drain();
  channel_poll_->set(0);
  flood_told_.stop();
  tell_flood();
  deadline_.stop();
  outgoing_.clear();
  question_deadline_.stop();
  const bool expected = state_ == State::leaving;
  state_ = State::gone;
  std::string how = how_it_ended(status);
  if (!expected) how += owner_.on_host_dying(*this, how, status.signal == SIGKILL);
  give_up_questions(SteadyTime::max(), Error{ErrorCode::failed, fmt::format("host {} {}", number_, how)});
  // Listeners forget themselves while they are told, so walk over a copy of the numbers.
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, listener] : listeners_) numbers.push_back(number);
  for (const std::uint64_t number : numbers) {
    if (const auto found = listeners_.find(number); found != listeners_.end())
      found->second->on_host_gone(how);
  }
  owner_.on_host_gone(*this, how, expected);
}

}  // namespace moult
