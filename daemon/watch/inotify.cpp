#include "daemon/watch/inotify.h"

#include <fmt/format.h>

#include <sys/inotify.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace moult {

namespace {

constexpr std::size_t kKeptMax = 4096;
constexpr std::size_t kReadSize = 64 * 1024;
// Per wake-up, so that a storm of events leaves time for requests; the rest comes in the next round.
constexpr int kReadsAtOnce = 4;

}  // namespace

int InotifyAdder::add(const std::string& path, std::uint32_t mask) const {
  // Several listeners may watch one inode with different masks: the watch is their union.
  const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), mask | IN_MASK_ADD);
  return watch < 0 ? -errno : watch;
}

Inotify::Inotify(uv::Loop& loop) : self_(std::make_shared<Inotify*>(this)) {
  Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd) {
    problem_ = errno == EMFILE ? "no inotify instance is left (fs.inotify.max_user_instances)"
                               : fmt::format("inotify: {}", std::strerror(errno));
    return;
  }
  adder_ = std::make_shared<const InotifyAdder>(std::move(fd));
  poll_ = std::make_unique<uv::Poll>(loop, adder_->fd(), [this](int) { on_readable(); });
  poll_->set(uv::Poll::kReadable);
  mounts_ = std::make_unique<Mounts>(loop, [this](const std::vector<std::string>& points) {
    for (InotifyListener* listener : all_listeners()) listener->on_mounts(points);
  });
}

Inotify::~Inotify() { *self_ = nullptr; }

void Inotify::on_readable() {
  alignas(inotify_event) char buffer[kReadSize];
  for (int i = 0; i < kReadsAtOnce; ++i) {
    const ssize_t size = ::read(adder_->fd(), buffer, sizeof buffer);
    if (size <= 0) return;  // EAGAIN, or EINTR: the descriptor is still readable then
    dispatch(std::span(buffer, static_cast<std::size_t>(size)));
  }
}

void Inotify::dispatch(std::span<const char> buffer) {
  while (buffer.size() >= sizeof(inotify_event)) {
    inotify_event raw{};
    std::memcpy(&raw, buffer.data(), sizeof raw);
    const std::size_t size = sizeof raw + raw.len;
    if (size > buffer.size()) return;
    const char* name = buffer.data() + sizeof raw;
    deliver({raw.wd, raw.mask, std::string_view(name, ::strnlen(name, raw.len))});
    buffer = buffer.subspan(size);
  }
}

void Inotify::deliver(const InotifyEvent& event) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    overflow();
    return;
  }
  const auto found = listeners_.find(event.watch);
  if (found == listeners_.end()) {
    if (jobs_ == 0) return;
    if (kept_.size() < kKeptMax) {
      kept_.push_back({event.watch, event.mask, std::string(event.name)});
    } else {
      overflow();
    }
    return;
  }
  // A listener may stop listening meanwhile, even another one's owner may.
  const std::vector<Hearing> hearing = found->second;
  for (const Hearing& one : hearing) {
    const auto still = listeners_.find(event.watch);
    if (still == listeners_.end()) break;
    const auto is_it = [&one](const Hearing& other) { return other.listener == one.listener; };
    if (std::any_of(still->second.begin(), still->second.end(), is_it)) one.listener->on_inotify(event);
  }
  // The kernel has removed the watch: its folder is gone, or its file system was unmounted.
  if ((event.mask & IN_IGNORED) != 0) listeners_.erase(event.watch);
}

void Inotify::overflow() {
  for (InotifyListener* listener : all_listeners()) listener->on_overflow();
}

// For what they only note, to look again later: none of them goes while all are told.
std::vector<InotifyListener*> Inotify::all_listeners() const {
  std::vector<InotifyListener*> all = busy_;
  for (const auto& [watch, hearing] : listeners_) {
    for (const Hearing& one : hearing) all.push_back(one.listener);
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

void Inotify::job_begins(InotifyListener& listener) {
  ++jobs_;
  busy_.push_back(&listener);
}

void Inotify::job_ends(InotifyListener& listener) {
  if (const auto found = std::find(busy_.begin(), busy_.end(), &listener); found != busy_.end())
    busy_.erase(found);
  if (--jobs_ > 0) return;
  const std::vector<Kept> kept = std::exchange(kept_, {});
  for (const Kept& event : kept) deliver({event.watch, event.mask, event.name});
  remove_unused();
}

void Inotify::leave(InotifyListener& listener) {
  std::erase(busy_, &listener);
  std::vector<int> watches;
  for (const auto& [watch, hearing] : listeners_) {
    for (const Hearing& one : hearing) {
      if (one.listener == &listener)
        watches.insert(watches.end(), static_cast<std::size_t>(one.count), watch);
    }
  }
  for (const int watch : watches) forget(watch, listener);
}

void Inotify::listen(int watch, InotifyListener& listener) {
  std::vector<Hearing>& hearing = listeners_[watch];
  const auto known = std::find_if(hearing.begin(), hearing.end(),
                                  [&listener](const Hearing& one) { return one.listener == &listener; });
  if (known != hearing.end()) {
    ++known->count;
  } else {
    hearing.push_back({&listener, 1});
  }
}

void Inotify::forget(int watch, InotifyListener& listener) {
  const auto found = listeners_.find(watch);
  if (found == listeners_.end()) return;
  std::vector<Hearing>& hearing = found->second;
  const auto known = std::find_if(hearing.begin(), hearing.end(),
                                  [&listener](const Hearing& one) { return one.listener == &listener; });
  if (known == hearing.end() || --known->count > 0) return;
  hearing.erase(known);
  if (!hearing.empty()) return;
  listeners_.erase(found);
  discard(watch);
}

void Inotify::discard(int watch) {
  unused_.push_back(watch);
  if (jobs_ == 0) remove_unused();
}

void Inotify::remove_unused() {
  for (const int watch : unused_) {
    // EINVAL: the kernel was faster. Numbers are not used again soon (inotify_add_watch counts up).
    if (!listeners_.contains(watch)) ::inotify_rm_watch(adder_->fd(), watch);
  }
  unused_.clear();
}

}  // namespace moult
