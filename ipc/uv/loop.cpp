#include "ipc/uv/loop.h"

#include "ipc/uv/handle.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

namespace moult::uv {

namespace {

using Action = std::function<void()>;

// Calls a copy of the action, so that the callback may set a new one or destroy its owner.
void call(const Action& action) {
  const Action copy = action;
  if (copy) copy();
}

}  // namespace

Loop::Loop() : loop_(std::make_unique<uv_loop_s>()) {
  MOULT_CHECK(uv_loop_init(loop_.get()) == 0, "cannot make an event loop (out of descriptors?)");
  background_ = std::make_unique<Background>(loop_.get());
}

Loop::~Loop() {
  uv_run(loop_.get(), UV_RUN_DEFAULT);  // close callbacks and background jobs still under way
  background_.reset();
  uv_run(loop_.get(), UV_RUN_DEFAULT);
  MOULT_CHECK(uv_loop_close(loop_.get()) == 0, "a handle is open at the end of the loop");
}

void Loop::run() { uv_run(loop_.get(), UV_RUN_DEFAULT); }

void Loop::stop() { uv_stop(loop_.get()); }

SteadyTime Loop::now() const { return SteadyTime(Milliseconds(uv_now(loop_.get()))); }

// ---- Timer

struct Timer::Block : HandleBlock<uv_timer_t, Action> {};

Timer::Timer(Loop& loop) : block_(new Block) { uv_timer_init(loop.raw(), block_); }

Timer::~Timer() { CloseHandle<uv_timer_t, Action>()(block_); }

void Timer::start(Milliseconds delay, Action on_time) {
  block_->state = std::move(on_time);
  uv_update_time(block_->loop);  // the round may have begun long ago
  const auto wait = static_cast<std::uint64_t>(std::max<Milliseconds::rep>(delay.count(), 0));
  uv_timer_start(
      block_, [](uv_timer_t* timer) { call(state_of<Action>(timer)); }, wait, 0);
}

void Timer::start_repeating(Milliseconds period, Action on_time) {
  block_->state = std::move(on_time);
  const auto wait = static_cast<std::uint64_t>(period.count());
  uv_timer_start(
      block_, [](uv_timer_t* timer) { call(state_of<Action>(timer)); }, wait, wait);
}

void Timer::stop() { uv_timer_stop(block_); }

bool Timer::is_active() const { return uv_is_active(reinterpret_cast<const uv_handle_t*>(block_)) != 0; }

// ---- BeforeWait

struct BeforeWaitState {
  Action action;
  uv_idle_t* spinner = nullptr;
};
struct BeforeWait::Block : HandleBlock<uv_prepare_t, BeforeWaitState> {};
struct BeforeWait::Spinner : HandleBlock<uv_idle_t, Action> {};

BeforeWait::BeforeWait(Loop& loop, Action action) : block_(new Block), spinner_(new Spinner) {
  uv_prepare_init(loop.raw(), block_);
  uv_idle_init(loop.raw(), spinner_);
  block_->state = {std::move(action), spinner_};
}

BeforeWait::~BeforeWait() {
  CloseHandle<uv_prepare_t, BeforeWaitState>()(block_);
  CloseHandle<uv_idle_t, Action>()(spinner_);
}

// libuv calls those that were started before it came to them: who was asked by another one's action has its
// turn in the next round, before which the loop must not wait.
void BeforeWait::request() {
  uv_idle_start(spinner_, [](uv_idle_t*) {});
  uv_prepare_start(block_, [](uv_prepare_t* prepare) {
    do {
      uv_prepare_stop(prepare);
      uv_idle_stop(state_of<BeforeWaitState>(prepare).spinner);
      state_of<BeforeWaitState>(prepare).action();
    } while (uv_is_active(reinterpret_cast<uv_handle_t*>(prepare)) != 0);
  });
}

// ---- NextRound

struct NextRound::Block : HandleBlock<uv_idle_t, Action> {};

NextRound::NextRound(Loop& loop, Action action) : block_(new Block) {
  block_->state = std::move(action);
  uv_idle_init(loop.raw(), block_);
}

NextRound::~NextRound() { CloseHandle<uv_idle_t, Action>()(block_); }

void NextRound::request() {
  uv_idle_start(block_, [](uv_idle_t* idle) {
    uv_idle_stop(idle);
    state_of<Action>(idle)();
  });
}

// ---- Poll

struct Poll::Block : HandleBlock<uv_poll_t, Poll::Callback> {};

Poll::Poll(Loop& loop, int fd, Callback on_ready) : block_(new Block) {
  block_->state = std::move(on_ready);
  const int status = uv_poll_init(loop.raw(), block_, fd);
  MOULT_CHECK(status == 0, "descriptor cannot be polled");
}

Poll::~Poll() { CloseHandle<uv_poll_t, Callback>()(block_); }

void Poll::set(int events) {
  if (events == events_) return;
  events_ = events;
  if (events == 0) {
    uv_poll_stop(block_);
    return;
  }
  // libuv stops a handle after POLLERR, so a later set() with the same events must start it anew.
  uv_poll_start(block_, events, [](uv_poll_t* poll, int status, int ready) {
    // No copy of the callback on this path: it is the hot one. The block lives until its close
    // callback, which libuv runs later, so destroying the owner in here is safe.
    state_of<Poll::Callback>(poll)(status < 0 ? Poll::kError : ready);
  });
}

// ---- Signal

struct Signal::Block : HandleBlock<uv_signal_t, Action> {};

Signal::Signal(Loop& loop, int number, Action on_signal) : block_(new Block) {
  uv_signal_init(loop.raw(), block_);
  block_->state = std::move(on_signal);
  uv_signal_start(
      block_, [](uv_signal_t* signal, int) { call(state_of<Action>(signal)); }, number);
}

Signal::~Signal() { CloseHandle<uv_signal_t, Action>()(block_); }

// ---- Async

struct Async::Block : HandleBlock<uv_async_t, Action> {};

Async::Async(Loop& loop, Action on_wake) : block_(new Block) {
  block_->state = std::move(on_wake);
  uv_async_init(loop.raw(), block_, [](uv_async_t* async) { call(state_of<Action>(async)); });
}

Async::~Async() { CloseHandle<uv_async_t, Action>()(block_); }

void Async::wake() { uv_async_send(block_); }

// ---- Process

struct Process::Block : uv_process_t {
  std::function<void(ExitStatus)> on_exit;
  bool owned = true;
  bool running = false;

  void close() {
    uv_close(reinterpret_cast<uv_handle_t*>(static_cast<uv_process_t*>(this)), [](uv_handle_t* handle) {
      delete static_cast<Block*>(reinterpret_cast<uv_process_t*>(handle));
    });
  }
};

Result<std::unique_ptr<Process>> Process::spawn(Loop& loop, const SpawnSpec& spec,
                                                std::function<void(ExitStatus)> on_exit) {
  std::vector<char*> arguments;
  for (const std::string& argument : spec.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  std::vector<char*> environment;
  for (const std::string& variable : spec.environment)
    environment.push_back(const_cast<char*>(variable.c_str()));
  environment.push_back(nullptr);
  std::vector<uv_stdio_container_t> stdio(spec.fds.size());
  for (std::size_t i = 0; i < spec.fds.size(); ++i) {
    stdio[i].flags = spec.fds[i] < 0 ? UV_IGNORE : UV_INHERIT_FD;
    if (spec.fds[i] >= 0) stdio[i].data.fd = spec.fds[i];
  }
  uv_process_options_t options{};
  options.file = arguments[0];
  options.args = arguments.data();
  options.env = environment.data();
  options.cwd = spec.folder.empty() ? nullptr : spec.folder.c_str();
  options.stdio = stdio.data();
  options.stdio_count = static_cast<int>(stdio.size());
  options.flags = spec.own_session ? UV_PROCESS_DETACHED : 0;
  options.exit_cb = [](uv_process_t* process, std::int64_t code, int signal) {
    auto* block = static_cast<Block*>(process);
    block->running = false;
    if (!block->owned) {
      block->close();
      return;
    }
    const auto announce = std::move(block->on_exit);
    if (announce) announce(ExitStatus{static_cast<int>(code), signal});
  };

  auto* block = new Block{};
  block->on_exit = std::move(on_exit);
  const int status = uv_spawn(loop.raw(), block, &options);
  std::unique_ptr<Process> process(new Process(block));
  if (status != 0) {
    return fail(no_task_error(fmt::format("cannot start {}", spec.arguments[0]), -status));
  }
  block->running = true;
  return process;
}

Process::~Process() {
  block_->on_exit = nullptr;
  if (!block_->running) {
    block_->close();
    return;
  }
  block_->owned = false;
  uv_process_kill(block_, SIGKILL);
}

int Process::pid() const { return block_->pid; }

bool Process::is_running() const { return block_->running; }

void Process::kill(int signal) {
  if (block_->running) uv_process_kill(block_, signal);
}

// ---- background work

void run_in_background(Loop& loop, Errand errand, std::function<void()> work, std::function<void()> on_done) {
  loop.background().add(std::move(errand), std::move(work), std::move(on_done));
}

}  // namespace moult::uv
