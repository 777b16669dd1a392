#include "interp/host/worker.h"

#include "interp/host/last_words.h"
#include "interp/py/error.h"
#include "interp/py/interpreter.h"
#include "interp/threads/errands.h"
#include "interp/threads/forked.h"

#include <fmt/format.h>

#include <sys/resource.h>
#include <unistd.h>
#include <chrono>
#include <thread>
#include <utility>

namespace moult {

namespace {

using namespace std::chrono_literals;

// A call that took longer is looked at: has its thread slept, or did it compute?
constexpr Steady::duration kSlow = 50us;
// One that took so long is taken for one that slept when nobody has looked before it.
constexpr Steady::duration kLong = 1ms;
// No answer waits longer for others while calls are fast, and no other interpreter for the GIL that they
// share.
constexpr Steady::duration kHeld = 100us;
// The GIL is free for so long then, or nobody who waits would get it.
constexpr Steady::duration kFree = 20us;
// A thread that wants the GIL back in a call of its own asks where nobody hears it (Turns); it gets it so
// often.
constexpr int kHoldsOfOthers = 10;

long times_slept() {
  rusage used{};
  return ::getrusage(RUSAGE_THREAD, &used) == 0 ? used.ru_nvcsw : 0;
}

void call_boot(const py::Attached& py, const char* module, const char* function, const char* argument) {
  const py::Ref callable = py::boot_function(py, module, function);
  const py::Ref result = !callable ? py::Ref()
                         : argument == nullptr
                             ? py::Ref::steal(PyObject_CallNoArgs(callable.get()))
                             : py::Ref::steal(PyObject_CallFunction(callable.get(), "s", argument));
  PyErr_Clear();
}

}  // namespace

Worker::Worker(std::size_t index, WorkerLane& lane, WorkerShared& shared)
    : index_(index), lane_(lane), shared_(shared) {}

Worker::~Worker() = default;

std::string Worker::name() const { return fmt::format("moult-worker-{}", index_); }

Result<> Worker::start() {
  join();  // the one before
  left_ = false;
  auto thread = start_thread([this] { run(); });
  if (!thread) left_ = true;
  MOULT_ASSIGN(thread_, std::move(thread));
  return {};
}

void Worker::run() {
  const last_words::Stack stack;
  PyThreadState* const state = PyThreadState_New(shared_.interpreter);
  std::optional<WsgiServer> server;
  {
    const Turns::Wanted wanted(shared_.turns);
    const py::AttachScope scope(state);
    call_boot(scope.token(), "shutdown", "adopt_host_thread", name().c_str());
    const WorkerLanes lanes{lane_, shared_.batch};
    server.emplace(scope.token(), lanes, shared_.callable, shared_.types, shared_.facts, shared_.natives);
    call_server_.emplace(lanes, shared_.natives);
    const std::scoped_lock lock(mutex_);
    thread_id_ = PyThread_get_thread_ident();
    calls_ = shared_.natives.book.here_shared();
    calls_->scope.interp = shared_.natives.interp;
  }
  shared_.batch.arrive();
  serve_lane(state, *server);
  std::optional<Turns::Wanted> wanted(std::in_place, shared_.turns);
  PyEval_RestoreThread(state);
  {
    const auto py = py::Attached::by_caller();
    server.reset();
    call_server_.reset();
    call_boot(py, "shutdown", "dismiss_host_thread", nullptr);
  }
  PyThreadState_Clear(state);
  PyThreadState_DeleteCurrent();
  // Not at the end of the thread: whoever joins it may hold the GIL that this needs.
  calls_->give_states_back();
  wanted.reset();
  buffer_.reset();
  {
    const std::scoped_lock lock(mutex_);
    thread_id_ = 0;
  }
  left_ = true;
  shared_.on_left();
}

void Worker::serve_lane(PyThreadState* state, WsgiServer& server) {
  while (shared_.batch.wait(index_)) {
    waiting_ = shared_.batch.first();
    shared_.turns.call_begins();
    shared_.turns.waits(shared_.share);
    {
      const py::AttachScope scope(state);
      shared_.turns.has_it(shared_.share);
      waiting_ = 0;
      serve_queue(scope.token(), server);
    }
    shared_.turns.leaves(shared_.share);
    shared_.turns.call_ends();
  }
}

// Until the queue is empty, with the GIL kept between the calls.
void Worker::serve_queue(const py::Attached& py, WsgiServer& server) {
  BatchLane& batch = shared_.batch;
  SteadyTime began = Steady::now();
  SteadyTime held = began;
  std::optional<long> slept;  // before this call, once one was slow
  while (const auto frame = batch.claim(index_, buffer_, began)) {
    if (batch.is_hot(began)) flush(py, batch);  // what waits does not wait for this call
    const auto request = lane::decode_request(*frame);
    if (!request) continue;
    shared_.turns.next_call();
    begin_call(py, request->head.call);
    serve(py, *request, server);
    end_call(py);
    tell_opened(py, shared_.natives);
    if (forked::is_child()) ::_exit(0);  // that the call forked, and that came back here
    const SteadyTime now = Steady::now();
    bool has_slept = false;
    if (now - began > kSlow) {
      const auto before = std::exchange(slept, times_slept());
      has_slept = before ? slept != before : now - began > kLong;
    }
    batch.call_ended(now - began, has_slept, now);
    began = now;
    if (now - held < kHeld) continue;
    let_others(py);
    held = Steady::now();
  }
  flush(py, batch);
}

void Worker::let_others(const py::Attached& py) {
  flush(py, shared_.batch);
  if (!shared_.shares_gil || !shared_.turns.others_run(shared_.share)) return;
  if (++holds_ % kHoldsOfOthers != 0 && !shared_.turns.others_want(shared_.share)) return;
  const py::DetachScope detached(py);
  std::this_thread::sleep_for(kFree);
}

void Worker::serve(const py::Attached& py, const lane::Request& request, WsgiServer& server) {
  if ((request.head.flags & lane::kCall) != 0) {
    call_server_->serve(py, request);
  } else {
    server.serve(py, request);
  }
}

void Worker::begin_call(const py::Attached&, std::uint64_t call) {
  const std::scoped_lock lock(mutex_);
  serving_ = call;
  calls_->scope.number = call;
  calls_->set_interrupted(false);
}

void Worker::end_call(const py::Attached& py) {
  bool interrupted = false;
  {
    const std::scoped_lock lock(mutex_);
    serving_.reset();
    interrupted = std::exchange(interrupted_, false);
  }
  // An exception that was set and not yet raised must not hit the next call.
  if (interrupted) py::forget_raise(py);
}

std::shared_ptr<ThreadCalls> Worker::interrupt(const py::Attached&, std::uint64_t call) {
  const std::scoped_lock lock(mutex_);
  if (serving_ == call) {
    interrupted_ = true;
    calls_->set_interrupted(true);
    PyThreadState_SetAsyncExc(thread_id_, shared_.interrupted);
    shared_.natives.sleepers.wake(thread_id_);
    return calls_;
  }
  return nullptr;
}

unsigned long Worker::thread() {
  const std::scoped_lock lock(mutex_);
  return thread_id_;
}

}  // namespace moult
