#include "interp/threads/main_thread.h"

#include "interp/py/error.h"

#include <future>
#include <memory>

namespace moult {

namespace {

std::string call_preimport(const py::Attached& py, const std::string& function, const std::string& path,
                           const std::string& name) {
  const py::Ref callable = py::boot_function(py, "preimport", function.c_str());
  const py::Ref result =
      callable ? py::Ref::steal(PyObject_CallFunction(callable.get(), "ss", path.c_str(), name.c_str()))
               : py::Ref();
  return result ? std::string() : py::take_error(py).line;
}

}  // namespace

void MainThread::post(Job job) {
  {
    const std::scoped_lock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
}

void MainThread::post_last(Job job) {
  {
    const std::scoped_lock lock(mutex_);
    has_last_ = true;
  }
  post(std::move(job));
}

std::string MainThread::preimport(const std::string& function, const std::string& path,
                                  const std::string& name, Seconds timeout) {
  {
    const std::scoped_lock lock(mutex_);
    if (has_last_) return {};
  }
  auto done = std::make_shared<std::promise<std::string>>();
  std::future<std::string> outcome = done->get_future();
  post([=](const py::Attached& py) { done->set_value(call_preimport(py, function, path, name)); });
  if (outcome.wait_for(timeout) != std::future_status::ready) return "the main interpreter is busy";
  return outcome.get();
}

void MainThread::serve(PyThreadState* state) {
  // The caller's attachment is given up for good: what runs from here on attaches for itself.
  PyEval_SaveThread();
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !jobs_.empty(); });
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    const py::AttachScope scope(state);
    job(scope.token());
  }
}

}  // namespace moult
