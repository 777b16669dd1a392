#include "daemon/snapshot/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace moult {

namespace {

constexpr std::string_view kMagic = "MOULTSN1";
constexpr std::size_t kHeaderSize = 24;
constexpr std::size_t kEntrySize = 64;
constexpr std::string_view kWhat = "cannot write the snapshot's memory file";

template <typename Number>
void append_little_endian(std::string& out, Number number) {
  for (std::size_t i = 0; i < sizeof number; ++i) out += static_cast<char>(number >> (8 * i));
}

// Everything before the contents: header, entries, names.
std::string table_of(const Snapshot& snapshot) {
  const std::uint64_t names_at = kHeaderSize + kEntrySize * snapshot.source_count;
  std::string table(kMagic);
  std::string names;
  append_little_endian<std::uint64_t>(table, snapshot.source_count);
  append_little_endian(table, names_at);
  std::uint64_t names_size = 0;
  for (const SnapshotFile& file : snapshot.files) {
    if (file.kind == SnapshotKind::source) names_size += file.path.size();
  }
  std::uint64_t content_at = names_at + names_size;
  for (const SnapshotFile& file : snapshot.files) {
    if (file.kind != SnapshotKind::source) continue;
    append_little_endian<std::uint64_t>(table, names_at + names.size());
    append_little_endian<std::uint32_t>(table, static_cast<std::uint32_t>(file.path.size()));
    append_little_endian<std::uint32_t>(table, 0);
    append_little_endian<std::uint64_t>(table, content_at);
    append_little_endian<std::uint64_t>(table, file.size);
    table.append(file.hash.bytes.begin(), file.hash.bytes.end());
    names += file.path;
    content_at += file.size;
  }
  return table + names;
}

}  // namespace

Result<Fd> make_memfd(const Snapshot& snapshot, const SnapshotStore& store) {
  Fd fd(::memfd_create("moult-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail(last_os_error("memfd_create"));
  MOULT_TRY(write_all(fd.get(), table_of(snapshot), kWhat));
  // File by file: a snapshot is never in memory twice.
  for (const SnapshotFile& file : snapshot.files) {
    if (file.kind != SnapshotKind::source) continue;
    MOULT_ASSIGN(const std::string content, store.read(file));
    MOULT_TRY(write_all(fd.get(), content, kWhat));
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    return fail(last_os_error("cannot seal the snapshot's memory file"));
  }
  return fd;
}

}  // namespace moult
