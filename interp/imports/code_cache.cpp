#include "interp/imports/code_cache.h"

#include "interp/threads/errands.h"

#include <sys/resource.h>
#include <unistd.h>

namespace moult {

namespace {

constexpr int kBehindOthers = 10;  // nice(2)
// Writing begins when an import is over: nothing was kept for a while. But not later than this.
constexpr Milliseconds kQuiet{200};
constexpr Milliseconds kLongest{3000};
constexpr std::size_t kMany = 1000;

}  // namespace

CodeCache::CodeCache() : CodeCache(nullptr, {}) {}

CodeCache::CodeCache(std::unique_ptr<CodeStore> store, OnProblem on_problem)
    : process_(::getpid()), store_(std::move(store)), on_problem_(std::move(on_problem)) {}

CodeCache::~CodeCache() {
  {
    const std::scoped_lock lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  if (writer_.joinable()) writer_.join();
}

// The lock may have been taken when it was forked, and the writer is not there.
bool CodeCache::is_forked() const { return ::getpid() != process_; }

CodeCache::Code CodeCache::find(std::string_view path, std::string_view hash) {
  if (is_forked()) return nullptr;
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(std::string(path));
  if (found == entries_.end() || found->second.hash != hash) return nullptr;
  return found->second.code;
}

CodeCache::Code CodeCache::find_stored(std::string_view path, std::string_view hash) {
  if (!store_ || is_forked()) return nullptr;
  auto stored = store_->find(path, hash);
  if (!stored) return nullptr;
  const auto code = std::make_shared<const std::string>(std::move(*stored));
  const std::scoped_lock lock(mutex_);
  remember(path, hash, code);
  return code;
}

CodeCache::Entry CodeCache::last(std::string_view path) {
  if (is_forked()) return {};
  const std::scoped_lock lock(mutex_);
  const auto found = entries_.find(std::string(path));
  return found == entries_.end() ? Entry() : found->second;
}

void CodeCache::keep(std::string_view path, std::string_view hash, std::string_view code) {
  if (is_forked()) return;
  const auto kept = std::make_shared<const std::string>(code);
  const std::scoped_lock lock(mutex_);
  remember(path, hash, kept);
  if (!store_ || waiting_.size() >= kMostWaiting) return;
  waiting_.push_back({std::string(path), std::string(hash), kept});
  if (!writer_.joinable()) {
    auto writer = start_thread([this] { write(); });
    if (writer) writer_ = std::move(*writer);  // else what comes next tries again
  }
  if (waiting_.size() == 1) changed_.notify_all();
}

void CodeCache::remember(std::string_view path, std::string_view hash, Code code) {
  if (bytes_ + code->size() > kMostBytes) {
    entries_.clear();
    bytes_ = 0;
  }
  if (code->size() > kMostBytes) return;
  // One version per path: the old generation has loaded its own long ago.
  Entry& entry = entries_[std::string(path)];
  bytes_ += code->size() - (entry.code ? entry.code->size() : 0);
  entry = {std::string(hash), std::move(code)};
}

void CodeCache::write() {
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()),
                kBehindOthers);  // this thread alone: setpriority(2)
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    wait_for_quiet(lock);
    write_all(lock);
  }
}

void CodeCache::wait_for_quiet(std::unique_lock<std::mutex>& lock) {
  std::size_t before = 0;
  for (Milliseconds waited{}; waited < kLongest && before != waiting_.size(); waited += kQuiet) {
    before = waiting_.size();
    if (changed_.wait_for(lock, kQuiet, [this] { return ended_ || waiting_.size() > kMany; })) return;
  }
}

void CodeCache::write_all(std::unique_lock<std::mutex>& lock) {
  while (!waiting_.empty()) {
    const Unwritten unwritten = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    write_one(unwritten);
    lock.lock();
  }
}

void CodeCache::write_one(const Unwritten& unwritten) {
  auto written = store_->put(unwritten.path, unwritten.hash, *unwritten.code);
  if (written && store_->wants_sweep()) written = store_->sweep();
  if (written || told_) return;
  told_ = true;
  if (on_problem_) on_problem_(written.error());
}

}  // namespace moult
