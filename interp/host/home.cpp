#include "interp/host/home.h"

#include "interp/boot/verdict_natives.h"
#include "interp/host/last_words.h"
#include "interp/host/scratch.h"
#include "interp/host/spec_object.h"
#include "interp/py/error.h"
#include "interp/threads/forked.h"

#include <fmt/format.h>

#include <poll.h>
#include <sched.h>
#include <unistd.h>
#include <algorithm>
#include <thread>

// The first half of a home's life: making, booting, loading, serving. home_end.cpp has the rest, and
// home_spare.cpp what it does before it has code, home_workers.cpp who serves, home_visits.cpp what other
// threads do meanwhile.

namespace moult {

namespace {

constexpr Seconds kLifecycleWait{30};

Natives natives_for(const HostServices& services, MakeOrder& make) {
  return Natives{make.owner != 0 ? make.owner : make.interp,
                 std::nullopt,
                 LogPipe(std::move(make.log)),
                 OpenedFiles(make.spec.roots.empty() ? std::vector{make.spec.tree} : make.spec.roots,
                             [&events = services.events,
                              interp = make.owner != 0 ? make.owner : make.interp](const std::string& path) {
                               events.tell(OpenedEvent{interp, {}, {path}});
                             }),
                 services.events,
                 services.main_thread,
                 services.code,
                 services.extensions,
                 make.mode == py::Mode::main,
                 services.boot,
                 services.directory,
                 services.book,
                 std::make_shared<Entrance>(make.interp, make.app, make.generation),
                 std::make_unique<CallerLanes>(services.events, make.owner != 0 ? make.owner : make.interp),
                 make.spec.max_payload,
                 make.spec.host};
}

std::vector<ExtensionNote> extensions_from(const py::Attached& py, PyObject* list) {
  std::vector<ExtensionNote> extensions;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
    PyObject* const item = PyList_GET_ITEM(list, i);
    const auto field = [&](Py_ssize_t at) { return py::text_of(py, PyTuple_GET_ITEM(item, at)); };
    if (PyTuple_Check(item) && PyTuple_GET_SIZE(item) == 3)
      extensions.push_back({field(0), field(1), field(2)});
  }
  return extensions;
}

std::vector<RefusalNote> refusals_from(const py::Attached& py, PyObject* list) {
  std::vector<RefusalNote> refusals;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
    if (auto refusal = refusal_from(py, PyList_GET_ITEM(list, i))) refusals.push_back(std::move(*refusal));
  }
  return refusals;
}

}  // namespace

Home::Home(const HostServices& services, MakeOrder make)
    : services_(services),
      make_(std::move(make)),
      natives_(natives_for(services, make_)),
      scratches_(std::make_unique<Scratches>(services, make_, natives_.log)),
      began_(Steady::now()) {
  natives_.scratches = scratches_.get();
  if (make_.mode != py::Mode::main) return;
  auto pipe = make_pipe();
  if (!pipe || !set_nonblocking(pipe->read) || !set_nonblocking(pipe->write)) return;
  wake_.emplace(std::move(*pipe));
  natives_.log.hold_over_forks();
  for (const Fd* own : {&wake_->read, &wake_->write}) forked::close_in_child(own->get());
  for (const Fd& lane : make_.lanes) forked::close_in_child(lane.get());
  forked::close_in_child(make_.batch.get());
}

Home::~Home() = default;

void Home::start(std::function<void()> on_end) {
  on_end_ = std::move(on_end);
  auto self = shared_from_this();
  if (make_.mode == py::Mode::main) {
    services_.main_thread.post_last([self](const py::Attached& py) { self->run_main(py); });
  } else {
    auto thread = start_thread([self] { self->run_sub(); });
    if (!thread) return not_begun(thread.error());
    thread->detach();
  }
}

// The account is at its limit: nothing was made, and the host goes on.
void Home::not_begun(const Error& error) {
  reject_without_python(error);
  if (claim(Phase::over)) natives_.events.tell(RetiredEvent{make_.interp, Steady::now() - began_});
  on_end_();
}

void Home::run_sub() {
  home_thread_ = PyThread_get_thread_ident();
  const last_words::Stack stack;
  PyThreadState* state = nullptr;
  wanted_.emplace(services_.turns);
  const bool made = make_sub(state);
  if (state != nullptr) {
    const auto py = py::Attached::by_caller();
    if (made && !is_retiring() && wait_for_code(py) && load(py)) wait_for_retire(py);
    end_sub(py, state);
  } else if (claim(Phase::over)) {
    natives_.events.tell(RetiredEvent{make_.interp, Steady::now() - began_});
  }
  wanted_.reset();
  on_end_();
}

void Home::run_main(const py::Attached& py) {
  home_thread_ = PyThread_get_thread_ident();
  own_folder_ = true;
  enter_folder();
  if (boot(py) && !is_retiring() && wait_for_code(py) && load(py)) wait_for_retire(py);
  end_main(py);
}

// Makes and boots the interpreter. `state` is set when there is one, attached.
bool Home::make_sub(PyThreadState*& state) {
  const std::string why = services_.main_thread.preimport("standard", "", "", kLifecycleWait);
  if (!why.empty()) natives_.events.tell(NoticeEvent{make_.interp, "warning", "pre-imports: " + why});
  for (const std::string& path : make_.spec.preimport) {
    const std::string problem = services_.main_thread.preimport("extension", path, "", kLifecycleWait);
    if (!problem.empty())
      natives_.events.tell(
          NoticeEvent{make_.interp, "warning", fmt::format("pre-import of {}: {}", path, problem)});
  }
  // Its own working folder, shared with the threads that come from this one: unshare(2).
  own_folder_ = ::unshare(CLONE_FS) == 0;
  enter_folder();
  std::unique_lock lifecycle(services_.lifecycle, std::defer_lock);
  if (!lifecycle.try_lock_for(kLifecycleWait)) {
    reject_without_python({ErrorCode::timed_out, "another interpreter of this host does not end"});
    return false;
  }
  auto created = py::create_interpreter(make_.mode);
  if (!created) {
    lifecycle.unlock();
    reject_without_python(created.error());
    return false;
  }
  state = *created;
  return boot(py::Attached::by_caller());
}

void Home::enter_folder() {
  if (!own_folder_) return;  // boot/process_settings.py says what becomes of it
  const std::string& folder = make_.spec.cwd.empty() ? make_.spec.tree : make_.spec.cwd;
  if (!folder.empty() && ::chdir(folder.c_str()) != 0) {
    natives_.events.tell(NoticeEvent{make_.interp, "warning", describe(last_os_error("cwd " + folder))});
  }
}

bool Home::boot(const py::Attached& py) {
  last_words::enter(PyInterpreterState_Get(), make_.owner != 0 ? make_.owner : make_.interp);
  if (!open_snapshot(std::move(make_.snapshot))) return false;
  const py::Ref natives = add_native_module(py, natives_);
  const py::Ref spec = spec_object(
      py, make_, {services_.module_dir, services_.timezone, wake_ ? wake_->write.get() : -1, own_folder_});
  const bool sleeps = make_.mode == py::Mode::main || natives_.sleepers.install(py);
  if (natives && spec && sleeps && services_.boot.run_all(py)) {
    const py::Ref boot = py::boot_function(py, "start", "boot");
    const py::Ref booted = boot ? py::Ref::steal(PyObject_CallOneArg(boot.get(), spec.get())) : py::Ref();
    if (booted) {
      interrupted_ = py::boot_function(py, "guards", "Interrupted");
      errors_stream_ = py::Ref::borrow(PySys_GetObject("stderr"));
      const py::Ref exports = py::Ref::steal(PyObject_GetAttrString(natives.get(), "exports"));
      natives_.entrance->furnish(py, exports.get(), interrupted_.get());
      natives_.entrance->alive.open();
      natives_.opened.watch(py);
      const std::scoped_lock lock(mutex_);
      interpreter_ = PyInterpreterState_Get();
      open_for_visits_ = true;
      return true;
    }
  }
  reject(py, "boot");
  return false;
}

bool Home::open_snapshot(Fd memfd) {
  auto snapshot = SnapshotMap::open(memfd);
  scratches_->keep_snapshot(std::move(memfd));
  if (!snapshot) {
    reject_without_python(snapshot.error());
    return false;
  }
  natives_.snapshot.emplace(std::move(*snapshot));
  return true;
}

bool Home::load(const py::Attached& py) {
  natives_.may_move = make_.spec.may_move && make_.mode != py::Mode::main;
  const py::Ref load = py::boot_function(py, "start", "load");
  const EntrySpec& entry = make_.spec.entry;
  const py::Ref loaded =
      load ? py::Ref::steal(PyObject_CallFunction(load.get(), "sss", entry.kind.c_str(),
                                                  entry.target().c_str(), entry.callable.c_str()))
           : py::Ref();
  if (forked::is_child()) leave_child(py);
  end_import(py);
  PyObject* module_name = nullptr;
  PyObject* callable_name = nullptr;
  PyObject* callable = nullptr;
  if (!loaded || !PyArg_ParseTuple(loaded.get(), "OOO", &module_name, &callable_name, &callable)) {
    const py::Ref no_callable = [&] {
      const py::Ref error = py::take_exception(py);
      py::Ref type = py::boot_function(py, "entry", "NoCallable");
      PyErr_Clear();
      if (error) PyErr_SetObject(PyExceptionInstance_Class(error.get()), error.get());
      return type;
    }();
    reject(py, no_callable && PyErr_ExceptionMatches(no_callable.get()) ? "callable" : "import");
    return false;
  }
  callable_ = py::Ref::borrow(callable);
  if (const auto made = make_workers(py); !made) {
    if (PyErr_Occurred() != nullptr) {
      reject(py, "boot");
    } else {
      const py::DetachScope detached(py);
      reject_without_python(made.error());
    }
    return false;
  }
  tell_made(py, fmt::format("{}:{}", py::text_of(py, module_name), py::text_of(py, callable_name)));
  tell_opened(py, natives_);
  return true;
}

// A process that the app forked while it was imported, and that went on as if it were the app.
void Home::leave_child(const py::Attached& py) {
  const bool failed = PyErr_Occurred() != nullptr && PyErr_ExceptionMatches(PyExc_SystemExit) == 0;
  if (failed) log_text(py, natives_, 'e', py::take_error(py).traceback);
  log_rest(py, natives_);
  ::_exit(failed ? 1 : 0);
}

bool Home::is_retiring() {
  const std::scoped_lock lock(mutex_);
  return retire_asked_;
}

// From here on nobody hurries the import, and what was raised for it and not yet seen is void.
void Home::end_import(const py::Attached& py) {
  {
    const std::scoped_lock lock(mutex_);
    importing_ = false;
  }
  py::forget_raise(py);
}

void Home::tell_made(const py::Attached& py, std::string callable) {
  MadeEvent event;
  event.interp = make_.interp;
  event.callable = std::move(callable);
  fill_report(py, event);
  event.seconds = Steady::now() - began_;
  event.exports =
      static_cast<std::size_t>(std::max<Py_ssize_t>(0, PyDict_Size(natives_.entrance->exports())));
  const py::DetachScope detached(py);
  natives_.events.tell(event);
}

void Home::fill_report(const py::Attached& py, MadeEvent& event) {
  const py::Ref report = py::boot_function(py, "start", "report");
  const py::Ref facts = report ? py::Ref::steal(PyObject_CallNoArgs(report.get())) : py::Ref();
  PyObject* files = nullptr;
  PyObject* loaded = nullptr;
  PyObject* refused = nullptr;
  PyObject* hooks = nullptr;
  Py_ssize_t modules = 0;
  if (facts && PyArg_ParseTuple(facts.get(), "nO!O!O!O!", &modules, &PyList_Type, &files, &PyList_Type,
                                &loaded, &PyList_Type, &refused, &PyList_Type, &hooks)) {
    event.modules = static_cast<std::size_t>(modules);
    event.files = texts_of(py, files);
    event.extensions = extensions_from(py, loaded);
    event.refused = refusals_from(py, refused);
    event.hooks = texts_of(py, hooks);
  }
  PyErr_Clear();
}

void Home::reject(const py::Attached& py, std::string stage) {
  const py::ErrorText error = py::take_error(py);
  MadeEvent report;
  fill_report(py, report);
  const RejectedEvent event{
      make_.interp, std::move(stage), error.line,    error.traceback.empty() ? error.line : error.traceback,
      error.file,   error.number,     report.refused};
  const py::DetachScope detached(py);
  natives_.events.tell(event);
}

// Before there is an interpreter, or when it cannot say what is wrong.
void Home::reject_without_python(const Error& error) {
  natives_.events.tell(RejectedEvent{make_.interp, "boot", error.message, error.message});
}

void Home::wait_for_retire(const py::Attached& py) {
  if (wake_) {
    wait_with_signals(py);
    return;
  }
  wanted_.reset();
  for (bool over = false; !over;) {
    {
      const py::DetachScope detached(py);
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return retire_asked_ || turn_asked_ || worker_asked_; });
      if (worker_asked_) {
        lock.unlock();
        bring_worker();
        lock.lock();
      }
      over = retire_asked_;
      if (!over && !std::exchange(turn_asked_, false)) continue;
      if (over) wanted_.emplace(services_.turns);
      services_.turns.turn_begins();
    }
    services_.turns.turn_ends();
  }
}

// The main thread, where Python runs the app's signal handlers. Whichever thread a signal hits, its
// C handler writes a byte to the pipe (signal.set_wakeup_fd in boot/guards.py); so does retire().
void Home::wait_with_signals(const py::Attached& py) {
  for (bool over = false; !over;) {
    {
      const py::DetachScope detached(py);
      pollfd wanted{wake_->read.get(), POLLIN, 0};
      ::poll(&wanted, 1, -1);
      char bytes[64];
      while (::read(wake_->read.get(), bytes, sizeof bytes) > 0) {
      }
      bring_worker();
      const std::scoped_lock lock(mutex_);
      over = retire_asked_;
    }
    if (PyErr_CheckSignals() != 0) {
      log_text(py, natives_, 'e', "moult: a signal handler failed\n" + py::take_error(py).traceback);
    }
  }
}

}  // namespace moult
