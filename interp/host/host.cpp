#include "interp/host/host.h"

#include "ipc/host_protocol.h"

#include <fmt/format.h>

#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>

namespace moult {

namespace {

constexpr std::size_t kMostDescriptors = 253;  // SCM_MAX_FD of Linux
constexpr std::size_t kPacketMax = 128 * 1024;

struct Packet {
  std::string_view text;  // empty: the daemon has gone
  std::vector<Fd> descriptors;
};

Packet receive(int channel, std::span<char> buffer) {
  iovec slice{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &slice;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = 0;
  do {
    size = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  Packet packet;
  if (size <= 0) return packet;
  packet.text = {buffer.data(), static_cast<std::size_t>(size)};
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      packet.descriptors.emplace_back(fd);
    }
  }
  return packet;
}

// Of "h1-12": 12; 0 names no call.
std::uint64_t number_of(std::string_view call) {
  std::uint64_t number = 0;
  const std::string_view digits = call.substr(std::min(call.size(), call.find('-') + 1));
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

}  // namespace

void Host::command() {
  const auto buffer = std::make_unique_for_overwrite<char[]>(kPacketMax);
  for (;;) {
    Packet packet = receive(channel_, {buffer.get(), kPacketMax});
    if (packet.text.empty()) obey(ExitCommand{});
    auto command = decode_command(packet.text);
    if (!command) {
      services_.events.tell(NoticeEvent{0, "error", command.error().message});
      continue;
    }
    const auto obey_it = [&](auto& what) {
      if constexpr (requires { obey(std::move(what), std::move(packet.descriptors)); }) {
        obey(std::move(what), std::move(packet.descriptors));
      } else {
        obey(std::move(what));
      }
    };
    std::visit(obey_it, *command);
  }
}

void Host::take_turns(bool heartbeat_waits) {
  const std::scoped_lock lock(mutex_);
  const bool is_alone = homes_.size() == 1 && !homes_.begin()->second->has_scratches();
  if (homes_.empty() || (is_alone && !heartbeat_waits)) return;
  for (const auto& [interp, home] : homes_) home->take_turn();
}

StalledEvent Host::find_holder() {
  for (const auto& home : homes()) {
    if (auto holder = home->holder()) return std::move(*holder);
  }
  return {};
}

void Host::look_for_stalls() {
  if constexpr (PY_VERSION_HEX >= 0x030E0000) {
    for (const auto& home : homes()) home->look_for_stall();
  }
}

bool Host::tick() {
  bool more = false;
  for (const auto& home : homes()) more = home->tick() || more;
  return more;
}

// Of a `make` or `load` whose descriptors did not all arrive: the kernel drops those that a full table cannot
// take (MSG_CTRUNC, unix(7)). A spare that does not get its code is told to retire by the daemon.
void Host::reject_barren(InterpNumber interp, std::size_t wanted, std::size_t came) {
  const std::string why =
      fmt::format("{} of {} descriptors arrived in the host: Too many open files", came, wanted);
  services_.events.tell(RejectedEvent{interp, "descriptors", why, why});
  if (!find(interp)) services_.events.tell(RetiredEvent{interp, Seconds(0)});
}

void Host::obey(MakeCommand make, std::vector<Fd> descriptors) {
  const std::size_t wanted = static_cast<std::size_t>(std::max(make.threads, 1)) + 4;
  if (make.threads < 1 || descriptors.size() != wanted) {
    return reject_barren(make.interp, wanted, descriptors.size());
  }
  number_ = make.spec.host;
  const InterpNumber interp = make.interp;
  MakeOrder order{std::move(make),           0,
                  std::move(descriptors[0]), std::move(descriptors[1]),
                  std::move(descriptors[2]), std::move(descriptors[3])};
  order.lanes.assign(std::move_iterator(descriptors.begin() + 4), std::move_iterator(descriptors.end()));
  auto home = std::make_shared<Home>(services_, std::move(order));
  {
    const std::scoped_lock lock(mutex_);
    homes_[interp] = home;
  }
  home->start([this, interp] {
    const std::scoped_lock lock(mutex_);
    homes_.erase(interp);
  });
}

void Host::obey(LoadCommand load, std::vector<Fd> descriptors) {
  if (descriptors.size() != 1) return reject_barren(load.interp, 1, descriptors.size());
  if (const auto home = find(load.interp)) home->give_code({std::move(load), std::move(descriptors[0])});
}

void Host::obey(LoadedCommand loaded) {
  if (const auto home = find(loaded.interp)) {
    home->tell_loaded(loaded);
  } else {
    services_.events.tell(LoadedEvent{loaded.ask, {}, {}, "there is no such interpreter"});
  }
}

void Host::obey(RetireCommand retire) {
  if (const auto home = find(retire.interp)) home->retire(retire.timeout);
}

void Host::obey(InterruptCommand interrupt) {
  if (const auto home = find(interrupt.interp)) home->interrupt(interrupt.call);
}

void Host::obey(StackCommand stack) {
  unsigned long thread = 0;
  if (!stack.call.empty()) {
    const CallBook::Found found = services_.book.find(number_of(stack.call));
    if (found.thread) {
      stack.interp = found.target->number;
      thread = found.thread->thread();
    }
  }
  if (const auto home = find(stack.interp)) {
    home->tell_stack(stack, thread);
  } else {
    services_.events.tell(
        StackEvent{stack.ask, stack.interp, stack.call.empty() ? "there is no such interpreter" : ""});
  }
}

void Host::obey(RouteCommand route) {
  std::vector<std::shared_ptr<Entrance>> entrances;
  for (const InterpNumber interp : route.interps) {
    if (const auto home = find(interp)) entrances.push_back(home->entrance());
  }
  services_.directory.set(route.app, std::move(entrances));
}

void Host::obey(DrainCommand drain) {
  if (const auto home = find(drain.interp)) {
    home->drain();
  } else {
    services_.events.tell(DrainedEvent{drain.interp});
  }
}

void Host::obey(CallsCommand calls) {
  CallsEvent event{calls.ask, {}};
  const SteadyTime now = Steady::now();
  services_.book.look([&](const EnteredCall& call) {
    event.calls.push_back({fmt::format("h{}-{}", number_, call.number), call.target->app,
                           call.target->generation, call.target->number, call.function.data(),
                           call.caller != nullptr ? call.caller->app : "", now - call.began, call.depth});
  });
  services_.events.tell(event);
}

void Host::obey(KillCommand kill) {
  const CallBook::Found found = services_.book.find(number_of(kill.call));
  services_.events.tell(KilledEvent{kill.ask, found.thread != nullptr});
  if (!found.thread) return;
  // It waits for GILs.
  services_.errands.run([found, &turns = services_.turns] {
    const Turns::Wanted wanted(turns);
    found.thread->interrupt(found.at, {0, found.number});
  });
}

void Host::obey(ImportsCommand imports) {
  if (const auto home = find(imports.interp)) {
    home->tell_imports(imports.ask);
  } else {
    services_.events.tell(ImportsEvent{imports.ask, {}, 0, "there is no such interpreter"});
  }
}

void Host::obey(StayCommand stay) {
  if (const auto home = find(stay.interp)) home->stay();
  services_.events.tell(StayedEvent{stay.ask});
}

void Host::obey(GiveBackCommand give_back) {
  for (const auto& home : homes()) {
    if (give_back.interp == 0 || home == find(give_back.interp)) home->give_back_calls();
  }
}

void Host::obey(ExitCommand) { ::_exit(0); }

std::vector<std::shared_ptr<Home>> Host::homes() {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<Home>> homes;
  for (const auto& [number, home] : homes_) homes.push_back(home);
  return homes;
}

std::shared_ptr<Home> Host::find(InterpNumber interp) {
  const std::scoped_lock lock(mutex_);
  const auto found = homes_.find(interp);
  if (found != homes_.end()) return found->second;
  for (const auto& [number, home] : homes_) {
    if (auto scratch = home->find(interp)) return scratch;
  }
  return nullptr;
}

}  // namespace moult
