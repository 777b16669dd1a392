#pragma once

#include "interp/imports/code_file.h"
#include "ipc/base/fd.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace moult {

// Compiled sources as files in FOLDER/code, a private folder of this user that all hosts of all daemons
// share: ~/.cache/moult. A file is written beside its place and renamed into it, so readers find a whole
// one or none; one that is damaged, that is not ours alone, or that is of something else is never used.
// Bounded by sweep(). One per host, owned by main; any thread. All functions block, so without any GIL.
class CodeStore {
 public:
  // `kind` says all about the compiler that decides on its output.
  CodeStore(std::string folder, std::uint64_t max_bytes, std::string kind);

  // Nothing: it is not there, or it cannot be used and will be written over.
  std::optional<std::string> find(std::string_view path, std::string_view hash);
  Result<> put(std::string_view path, std::string_view hash, std::string_view code);
  static constexpr std::size_t kFilesMax = 4096;
  // A sixteenth of a bound was put since the last sweep. By the writing thread, as sweep().
  bool wants_sweep() const { return unswept_ >= max_bytes_ / 16 || unswept_files_ >= kFilesMax / 16; }
  // Removes what was not used for longest, down to three quarters of the bounds, of bytes and of files: so
  // also four hosts that write at the same time stay below it until the next one.
  Result<> sweep();

 private:
  // Opened, and shared with the threads that use it: another one takes its place when it was removed.
  using Folder = std::shared_ptr<const Fd>;
  // Made when it is not there. An error: it cannot be, or others may write to it.
  Result<Folder> folder();
  Result<> write_file(int folder, const std::string& name, std::string_view content);
  CodeKey key(std::string_view path, std::string_view hash) const { return {kind_, path, hash}; }

  std::string top_;
  std::uint64_t max_bytes_;
  std::string kind_;
  std::mutex mutex_;
  Folder folder_;
  std::uint64_t unswept_ = 0;  // the writer's, in bytes
  std::size_t unswept_files_ = 0;
};

}  // namespace moult
