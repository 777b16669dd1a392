#include "interp/host/last_words.h"

#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>

namespace moult::last_words {

namespace {

constexpr std::array kDeadly = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr std::size_t kStack = 64 * 1024;  // faulthandler's dump runs on it as well

struct Slot {
  std::atomic<PyInterpreterState*> interpreter = nullptr;
  std::atomic<InterpNumber> interp = 0;
};

std::array<Slot, 256> interpreters;
std::array<struct sigaction, kDeadly.size()> before;
int daemon_channel = -1;
pid_t host_pid = 0;

// Nothing but what signal-safety(7) allows from here on, and reads of Python's own variables.

PyInterpreterState* interpreter_here() {
  PyThreadState* state = nullptr;
#if PY_VERSION_HEX >= 0x030C0000
  state = _PyThreadState_UncheckedGet();
#endif
  if (state == nullptr) state = PyGILState_GetThisThreadState();
  return state != nullptr ? state->interp : nullptr;
}

void say(InterpNumber interp) {
  char packet[64] = "{\"event\":\"crashed\",\"interp\":";
  std::size_t size = std::strlen(packet);
  char digits[24];
  std::size_t count = 0;
  for (; interp != 0 && count < sizeof digits; interp /= 10)
    digits[count++] = static_cast<char>('0' + interp % 10);
  while (count > 0) packet[size++] = digits[--count];
  packet[size++] = '}';
  static_cast<void>(!::send(daemon_channel, packet, size, MSG_NOSIGNAL | MSG_DONTWAIT));
}

void on_signal(int signal, siginfo_t* info, void*) {
  // A process that the app forked has no say.
  PyInterpreterState* const here = ::getpid() == host_pid ? interpreter_here() : nullptr;
  for (const Slot& slot : interpreters) {
    if (here == nullptr || slot.interpreter.load() != here) continue;
    say(slot.interp.load());
    break;
  }
  for (std::size_t i = 0; i < kDeadly.size(); ++i) {
    if (kDeadly[i] == signal) ::sigaction(signal, &before[i], nullptr);
  }
  // A fault comes again by itself; what was sent (abort() sends itself one) does not.
  if (info->si_code <= 0) static_cast<void>(::raise(signal));
}

}  // namespace

void install(int channel) {
  daemon_channel = channel;
  host_pid = ::getpid();
  struct sigaction ours {};
  ours.sa_sigaction = on_signal;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (std::size_t i = 0; i < kDeadly.size(); ++i) ::sigaction(kDeadly[i], &ours, &before[i]);
}

void enter(PyInterpreterState* interpreter, InterpNumber interp) {
  for (Slot& slot : interpreters) {
    PyInterpreterState* none = nullptr;
    if (!slot.interpreter.compare_exchange_strong(none, interpreter)) continue;
    slot.interp = interp;
    return;
  }
}

void leave(PyInterpreterState* interpreter) {
  for (Slot& slot : interpreters) {
    PyInterpreterState* it = interpreter;
    if (slot.interpreter.compare_exchange_strong(it, nullptr)) return;
  }
}

Stack::Stack() : room_(std::make_unique<char[]>(kStack)) {
  stack_t stack{};
  stack.ss_sp = room_.get();
  stack.ss_size = kStack;
  ::sigaltstack(&stack, nullptr);
}

Stack::~Stack() {
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  ::sigaltstack(&none, nullptr);
}

}  // namespace moult::last_words
