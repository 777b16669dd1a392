#pragma once

#include "interp/imports/code_store.h"
#include "ipc/base/clock.h"

#include <sys/types.h>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>

namespace moult {

// Compiled sources of snapshots (marshalled code), by path and content, so that a new generation
// compiles only what has changed. One per host, owned by main, used by all interpreters, which are
// of one Python version. Bounded: when it is full it begins anew.
//
// With a store it also finds what other hosts compiled, and a thread of its own, which no import waits
// for, writes what this one compiles. A child that the app forked has no part in it.
class CodeCache {
 public:
  using Code = std::shared_ptr<const std::string>;
  using OnProblem = std::function<void(const Error&)>;
  struct Entry {
    std::string hash;
    Code code;
  };

  CodeCache();
  // `on_problem` gets the first error of the store, on the writing thread.
  CodeCache(std::unique_ptr<CodeStore> store, OnProblem on_problem);
  ~CodeCache();  // after everything that waits was written
  CodeCache(const CodeCache&) = delete;
  CodeCache& operator=(const CodeCache&) = delete;

  // `hash` is the content's, from the snapshot. Null: not known. find() looks into memory alone,
  // find_stored() at the disk.
  Code find(std::string_view path, std::string_view hash);
  Code find_stored(std::string_view path, std::string_view hash);
  // What memory holds for the path, whatever its content; without code when there is nothing.
  Entry last(std::string_view path);
  void keep(std::string_view path, std::string_view hash, std::string_view code);

 private:
  static constexpr std::size_t kMostBytes = 32u << 20;
  static constexpr std::size_t kMostWaiting = 4096;  // more are not written this time
  struct Unwritten {
    std::string path;
    std::string hash;
    Code code;
  };

  bool is_forked() const;
  void remember(std::string_view path, std::string_view hash, Code code);
  void write();
  void wait_for_quiet(std::unique_lock<std::mutex>& lock);
  void write_all(std::unique_lock<std::mutex>& lock);
  void write_one(const Unwritten& unwritten);

  const pid_t process_;
  const std::unique_ptr<CodeStore> store_;
  const OnProblem on_problem_;
  bool told_ = false;  // the writing thread's

  std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
  std::size_t bytes_ = 0;
  std::condition_variable changed_;
  std::deque<Unwritten> waiting_;
  bool ended_ = false;
  std::thread writer_;  // from the first that is to be written on
};

}  // namespace moult
