#include "interp/host/host.h"
#include "interp/host/last_words.h"
#include "interp/py/error.h"
#include "interp/py/swap.h"
#include "interp/threads/forked.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

// The module `_moult_host`. Its main(fd) takes the process over: it never returns, and Python is
// never finalized, since an abandoned interpreter would crash that.

namespace moult {

namespace {

// The daemon decides when a host ends (the channel closes), also when a terminal or systemd
// signals the whole group, and those that a program sends to itself (a timer's, SIGUSR1) have no handler
// in a sub-interpreter. Handlers, not SIG_IGN, because children would inherit that.
void take_signals() {
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = SA_RESTART;
  ::sigaction(SIGTERM, &nothing, nullptr);
  ::sigaction(SIGINT, &nothing, nullptr);
  for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSTKFLT}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    // What nohup set stays, for children too.
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &nothing, nullptr);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

std::optional<std::string> timezone_of_process() {
  const char* const value = std::getenv("TZ");
  return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
}

// Where this very module lies: that folder is on sys.path for its own import only.
std::string module_folder(const py::Attached& py, PyObject* module) {
  const py::Ref file = py::Ref::steal(PyObject_GetAttrString(module, "__file__"));
  PyErr_Clear();
  return std::filesystem::path(py::text_of(py, file.get())).parent_path().string();
}

// What the daemon gives to main().
struct Given {
  int channel = -1;
  std::string cache_folder;  // "": no bytecode cache on the disk
  std::uint64_t cache_bytes = 0;
};

std::unique_ptr<CodeStore> code_store(const py::Attached& py, const Given& given) {
  if (given.cache_folder.empty()) return nullptr;
  const py::Ref ask = py::boot_function(py, "preimport", "compiler");
  const py::Ref kind = ask ? py::Ref::steal(PyObject_CallNoArgs(ask.get())) : py::Ref();
  PyErr_Clear();
  if (!kind) return nullptr;
  return std::make_unique<CodeStore>(given.cache_folder, given.cache_bytes, py::text_of(py, kind.get()));
}

Result<> start_threads(Errands& errands, Turns& turns, Heartbeat& heartbeat, Host& host) {
  MOULT_TRY(errands.start());
  MOULT_TRY(turns.start());
  MOULT_TRY(heartbeat.start());
  MOULT_ASSIGN(std::thread commander, start_thread([&host] { host.command(); }));
  commander.detach();
  return {};
}

BootedEvent booted() {
  std::string soabi(MOULT_EXT_SUFFIX);  // ".cpython-311-x86_64-linux-gnu.so"
  soabi = soabi.substr(1, soabi.rfind('.') - 1);
  const std::string version(Py_GetVersion());
  return {version.substr(0, version.find(' ')), ::getpid(), soabi};
}

[[noreturn]] void run(const py::Attached& py, const Given& given, const std::string& folder) {
  const int channel = given.channel;
  forked::signals_are_pythons();
  take_signals();
  forked::signals_are_ours();
  ::fcntl(channel, F_SETFD, FD_CLOEXEC);
  Events events(channel);
  events.hold_over_forks();
  auto boot = BootCode::compile(py);
  if (!boot || !boot->run_one(py, "preimport") || !OpenedFiles::install(py)) {
    if (PyErr_Occurred() != nullptr) boot = fail(Error{ErrorCode::failed, py::take_error(py).line});
    events.tell(
        NoticeEvent{0, "error", "the host cannot start: " + (boot ? "no audit hook" : boot.error().message)});
    ::_exit(1);
  }
  MainThread main_thread;
  CodeCache code(code_store(py, given), [&events](const Error& error) {
    events.tell(NoticeEvent{0, "warning", "the bytecode cache cannot be written: " + error.message});
  });
  Directory directory;
  CallBook book;
  ExtensionFiles extensions;
  Errands errands;
  py::can_swap();  // finds out, on a thread with a state
  std::timed_mutex lifecycle;
  Host* commanded = nullptr;
  Heartbeat* pulse = nullptr;
  Turns turns([&] { commanded->take_turns(pulse->is_waiting()); },
              [&] {
                pulse->look();
                commanded->look_for_stalls();
              },
              [&] { return commanded->tick(); });
  Host host(channel, HostServices{events, *boot, main_thread, code, directory, book, turns, errands,
                                  extensions, lifecycle, folder, timezone_of_process()});
  commanded = &host;
  Heartbeat heartbeat(turns, host);
  pulse = &heartbeat;
  last_words::install(channel);
  if (const auto started = start_threads(errands, turns, heartbeat, host); !started) {
    events.tell(NoticeEvent{0, "error", "the host cannot start: " + started.error().message});
    ::_exit(1);
  }
  events.tell(booted());
  main_thread.serve(PyThreadState_Get());
}

PyObject* host_main(PyObject* module, PyObject* arguments) {
  const auto py = py::Attached::by_caller();
  Given given;
  PyObject* cache_folder = nullptr;
  unsigned long long cache_bytes = 0;
  if (!PyArg_ParseTuple(arguments, "i|UK", &given.channel, &cache_folder, &cache_bytes)) return nullptr;
  if (cache_folder != nullptr) given.cache_folder = py::text_of(py, cache_folder);
  given.cache_bytes = cache_bytes;
  run(py, given, module_folder(py, module));
}

PyMethodDef kMethods[] = {
    {"main", host_main, METH_VARARGS,
     "main(fd, cache_folder='', cache_bytes=0): serves the command channel fd. Does not return."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef_Slot kSlots[] = {{0, nullptr}};

PyModuleDef kModule = {PyModuleDef_HEAD_INIT,
                       "_moult_host",
                       "The host process of Moult.",
                       0,
                       kMethods,
                       kSlots,
                       nullptr,
                       nullptr,
                       nullptr};

}  // namespace

}  // namespace moult

PyMODINIT_FUNC PyInit__moult_host() { return PyModuleDef_Init(&moult::kModule); }
