#include "interp/host/worker.h"

#include "interp/host/last_words.h"
#include "interp/py/error.h"
#include "interp/py/interpreter.h"
#include "interp/threads/errands.h"
#include "interp/threads/forked.h"

#include <fmt/format.h>

#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace moult {

namespace {

void call_boot(const py::Attached& py, const char* module, const char* function, const char* argument) {
  const py::Ref callable = py::boot_function(py, module, function);
  const py::Ref result = !callable ? py::Ref()
                         : argument == nullptr
                             ? py::Ref::steal(PyObject_CallNoArgs(callable.get()))
                             : py::Ref::steal(PyObject_CallFunction(callable.get(), "s", argument));
  PyErr_Clear();
}

}  // namespace

Worker::Worker(std::size_t index, Fd lane, WorkerShared& shared)
    : index_(index), lane_(std::move(lane)), shared_(shared) {}

Worker::~Worker() = default;

std::string Worker::name() const { return fmt::format("moult-worker-{}", index_); }

Result<> Worker::start() {
  MOULT_ASSIGN(thread_, start_thread([this] { run(); }));
  return {};
}

void Worker::leave() {
  const std::scoped_lock lock(mutex_);
  if (lane_) ::shutdown(lane_.get(), SHUT_RD);
}

void Worker::run() {
  const last_words::Stack stack;
  PyThreadState* const state = PyThreadState_New(shared_.interpreter);
  std::optional<WsgiServer> server;
  {
    const Turns::Wanted wanted(shared_.turns);
    const py::AttachScope scope(state);
    call_boot(scope.token(), "shutdown", "adopt_host_thread", name().c_str());
    server.emplace(scope.token(), lane_.get(), shared_.callable, shared_.types, shared_.facts,
                   shared_.natives);
    call_server_.emplace(lane_.get(), shared_.natives);
    const std::scoped_lock lock(mutex_);
    thread_id_ = PyThread_get_thread_ident();
    calls_ = shared_.natives.book.here_shared();
    calls_->scope.interp = shared_.natives.interp;
  }
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
  {
    const std::scoped_lock lock(mutex_);
    lane_.reset();
  }
  left_ = true;
  shared_.on_left();
}

void Worker::serve_lane(PyThreadState* state, WsgiServer& server) {
  const auto buffer = std::make_unique_for_overwrite<char[]>(lane::kPacketMax);
  for (;;) {
    const lane::Received received =
        lane::receive(lane_.get(), {buffer.get(), lane::kPacketMax}, lane::Wait::yes);
    if (received.packet.empty()) return;
    // Body frames and aborts of a call that is over come late; they are dropped.
    const auto request = lane::decode_request(received.packet);
    if (!request) continue;
    {
      const std::scoped_lock lock(mutex_);
      came_ = waiting_ = request->head.call;
    }
    shared_.turns.call_begins();
    {
      const py::AttachScope scope(state);
      if (begin_call(scope.token(), request->head.call)) {
        serve(scope.token(), *request, server);
        end_call(scope.token());
        tell_opened(scope.token(), shared_.natives);
      }
    }
    if (forked::is_child()) ::_exit(0);  // that the call forked, and that came back here
    shared_.turns.call_ends();
  }
}

void Worker::serve(const py::Attached& py, const lane::Request& request, WsgiServer& server) {
  if ((request.head.flags & lane::kCall) != 0) {
    call_server_->serve(py, request);
  } else {
    server.serve(py, request);
  }
}

// False: it was given back meanwhile.
bool Worker::begin_call(const py::Attached&, std::uint64_t call) {
  const std::scoped_lock lock(mutex_);
  waiting_ = 0;
  if (!std::exchange(came_, std::nullopt)) return false;
  serving_ = call;
  calls_->scope.number = call;
  interrupted_ = unwanted_ == call;
  calls_->set_interrupted(interrupted_);
  if (interrupted_) PyThreadState_SetAsyncExc(thread_id_, shared_.interrupted);
  unwanted_.reset();
  return true;
}

void Worker::give_back() {
  const std::scoped_lock lock(mutex_);
  if (thread_id_ == 0) came_ = take_waiting();
  if (!came_) return;
  char prefix[16];
  const std::size_t size = lane::encode_chunk_prefix(prefix, lane::FrameType::failed, *came_, lane::kMoved);
  if (lane::send(lane_.get(), {prefix, size}, {}, lane::Wait::no) == lane::Sent::yes) came_.reset();
}

// The call that lies in the lane of a worker that has not even begun, for want of the GIL.
std::optional<std::uint64_t> Worker::take_waiting() {
  const auto buffer = std::make_unique_for_overwrite<char[]>(lane::kPacketMax);
  const lane::Received received =
      lane::receive(lane_.get(), {buffer.get(), lane::kPacketMax}, lane::Wait::no);
  const auto request = lane::decode_request(received.packet);
  return request ? std::optional(request->head.call) : std::nullopt;
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
  // Its request may still lie on the lane. If it is over already, its number never comes again.
  unwanted_ = call;
  return nullptr;
}

std::uint64_t Worker::waiting() {
  const std::scoped_lock lock(mutex_);
  return waiting_;
}

unsigned long Worker::thread() {
  const std::scoped_lock lock(mutex_);
  return thread_id_;
}

}  // namespace moult
