#include "interp/threads/forked.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <array>
#include <atomic>
#include <csignal>
#include <vector>

namespace moult::forked {

namespace {

constexpr int kSignals = 32;  // the first real-time one, which nobody of us uses

struct Descriptor {
  int number = -1;
  ino_t inode = 0;  // the number may be another file's by then
};

struct State {
  std::mutex mutex;
  std::array<struct sigaction, kSignals> before{};
  std::array<struct sigaction, kSignals> after{};
  std::vector<Descriptor> descriptors;
  std::vector<std::mutex*> held;
  sigset_t mask{};  // of the thread that forks
  int dead = -1;    // a socket without a peer
  std::atomic<bool> is_child = false;
};

State& state() {
  static State* const only = new State;  // a fork may come until the very end
  return *only;
}

void note(std::array<struct sigaction, kSignals>& actions) {
  for (int signal = 1; signal < kSignals; ++signal) {
    ::sigaction(signal, nullptr, &actions[static_cast<std::size_t>(signal)]);
  }
}

void prepare() {
  state().mutex.lock();
  for (std::mutex* const mutex : state().held) mutex->lock();
  // A signal to the child waits until it has the right handlers.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &state().mask);
}

void release() {
  const sigset_t mask = state().mask;
  for (std::mutex* const mutex : state().held) mutex->unlock();
  state().mutex.unlock();
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

// Between fork and what the app does then: nothing that allocates.
void in_child() {
  State& own = state();
  own.is_child = true;
  for (int signal = 1; signal < kSignals; ++signal) {
    const auto& before = own.before[static_cast<std::size_t>(signal)];
    const auto& after = own.after[static_cast<std::size_t>(signal)];
    struct sigaction now {};
    if (before.sa_handler == after.sa_handler || ::sigaction(signal, nullptr, &now) != 0) continue;
    if (now.sa_handler == after.sa_handler) ::sigaction(signal, &before, nullptr);
  }
  for (const Descriptor& descriptor : own.descriptors) {
    struct stat found {};
    if (::fstat(descriptor.number, &found) != 0 || found.st_ino != descriptor.inode) continue;
    ::dup3(own.dead, descriptor.number, O_CLOEXEC);
  }
  release();
}

}  // namespace

void signals_are_pythons() { note(state().before); }

void signals_are_ours() {
  State& own = state();
  note(own.after);
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0) {
    ::close(pair[0]);
    own.dead = pair[1];
  }
  ::pthread_atfork(&prepare, &release, &in_child);
}

void close_in_child(int descriptor) {
  struct stat found {};
  if (::fstat(descriptor, &found) != 0) return;
  const std::scoped_lock lock(state().mutex);
  state().descriptors.push_back({descriptor, found.st_ino});
}

void hold(std::mutex& mutex) {
  const std::scoped_lock lock(state().mutex);
  state().held.push_back(&mutex);
}

bool is_child() { return state().is_child.load(std::memory_order_relaxed); }

}  // namespace moult::forked
