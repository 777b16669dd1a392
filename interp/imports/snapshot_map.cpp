#include "interp/imports/snapshot_map.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <cstring>
#include <string>
#include <utility>

namespace moult {

struct SnapshotMap::RawEntry {
  std::uint64_t name_offset;
  std::uint32_t name_length;
  std::uint32_t reserved;
  std::uint64_t content_offset;
  std::uint64_t content_length;
  unsigned char hash[32];
};

namespace {

struct RawHeader {
  char magic[8];
  std::uint64_t count;
  std::uint64_t names;
};

Failure damaged(const char* what) {
  return fail(Error{ErrorCode::protocol, std::string("snapshot: ") + what});
}

}  // namespace

Result<SnapshotMap> SnapshotMap::open(const Fd& memfd) {
  struct stat status {};
  if (::fstat(memfd.get(), &status) != 0) return fail(last_os_error("snapshot"));
  const auto length = static_cast<std::size_t>(status.st_size);
  if (length < sizeof(RawHeader)) return damaged("shorter than its header");
  void* const base = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, memfd.get(), 0);
  if (base == MAP_FAILED) return fail(last_os_error("snapshot mmap"));
  SnapshotMap map(static_cast<const char*>(base), length);
  MOULT_TRY(map.check());
  return map;
}

SnapshotMap::SnapshotMap(SnapshotMap&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      length_(other.length_),
      entries_(other.entries_),
      count_(other.count_) {}

SnapshotMap::~SnapshotMap() {
  if (base_ != nullptr) ::munmap(const_cast<char*>(base_), length_);
}

Result<> SnapshotMap::check() {
  RawHeader header{};
  std::memcpy(&header, base_, sizeof header);
  if (std::string_view(header.magic, sizeof header.magic) != "MOULTSN1") return damaged("not a snapshot");
  if (header.count > (length_ - sizeof header) / sizeof(RawEntry)) return damaged("more entries than bytes");
  // The mapping begins on a page, and the header is a multiple of eight.
  entries_ = static_cast<const RawEntry*>(static_cast<const void*>(base_ + sizeof header));
  count_ = static_cast<std::size_t>(header.count);
  auto inside = [&](std::uint64_t offset, std::uint64_t size) {
    return offset <= length_ && size <= length_ - offset;
  };
  for (std::size_t i = 0; i < count_; ++i) {
    const RawEntry& entry = entries_[i];
    if (!inside(entry.name_offset, entry.name_length) ||
        !inside(entry.content_offset, entry.content_length)) {
      return damaged("an entry points outside");
    }
    if (i > 0 && !(name(i - 1) < name(i))) return damaged("entries are not sorted");
  }
  return {};
}

std::string_view SnapshotMap::name(std::size_t index) const {
  return {base_ + entries_[index].name_offset, entries_[index].name_length};
}

std::size_t SnapshotMap::lower_bound(std::string_view path) const {
  std::size_t low = 0;
  std::size_t high = count_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (name(middle) < path) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::optional<std::string_view> SnapshotMap::find(std::string_view path) const {
  const std::size_t at = lower_bound(path);
  if (!is_at(at, path)) return std::nullopt;
  return std::string_view(base_ + entries_[at].content_offset, entries_[at].content_length);
}

bool SnapshotMap::holds(std::string_view folder) const {
  const std::string prefix = std::string(folder) + "/";
  const std::size_t at = lower_bound(prefix);
  return at < count_ && name(at).starts_with(prefix);
}

std::vector<std::string_view> SnapshotMap::names_in(std::string_view folder) const {
  const std::string prefix = std::string(folder) + "/";
  std::vector<std::string_view> names;
  std::size_t at = lower_bound(prefix);
  while (at < count_ && name(at).starts_with(prefix)) {
    const std::string_view rest = name(at).substr(prefix.size());
    const std::size_t slash = rest.find('/');
    names.push_back(rest.substr(0, slash == std::string_view::npos ? slash : slash + 1));
    // Past everything else in that folder: '0' follows '/'.
    at = slash == std::string_view::npos ? at + 1
                                         : lower_bound(prefix + std::string(rest.substr(0, slash)) + "0");
  }
  return names;
}

std::string_view SnapshotMap::hash_of(std::string_view path) const {
  const std::size_t at = lower_bound(path);
  if (!is_at(at, path)) return {};
  return {static_cast<const char*>(static_cast<const void*>(entries_[at].hash)), sizeof entries_[at].hash};
}

}  // namespace moult
