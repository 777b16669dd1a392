#pragma once

#include "ipc/base/fd.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace moult {

// A generation's sources: a read-only mapping of the sealed memfd that the daemon sent (layout in
// ipc/PROTOCOL.md). One per interpreter, owned by its home; looked up by absolute path from any
// of its threads, and valid until the home lets it go.
class SnapshotMap {
 public:
  static Result<SnapshotMap> open(const Fd& memfd);
  SnapshotMap(SnapshotMap&& other) noexcept;
  SnapshotMap& operator=(SnapshotMap&&) = delete;
  ~SnapshotMap();

  std::optional<std::string_view> find(std::string_view path) const;
  // Is there a file below this folder? `folder` has no slash at its end.
  bool holds(std::string_view folder) const;
  // What lies directly in a folder: "name.py", and "name/" for a folder with sources below it.
  std::vector<std::string_view> names_in(std::string_view folder) const;
  // The content's hash, 32 bytes; empty for an unknown path.
  std::string_view hash_of(std::string_view path) const;
  std::size_t size() const { return count_; }

 private:
  struct RawEntry;
  SnapshotMap(const char* base, std::size_t length) : base_(base), length_(length) {}
  Result<> check();
  std::string_view name(std::size_t index) const;
  bool is_at(std::size_t index, std::string_view path) const { return index < count_ && name(index) == path; }
  std::size_t lower_bound(std::string_view path) const;

  const char* base_ = nullptr;
  std::size_t length_ = 0;
  const RawEntry* entries_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace moult
