#include "ipc/lane_board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <atomic>
#include <utility>

namespace moult {

namespace {

using Cell = std::atomic_ref<std::uint64_t>;
static_assert(Cell::is_always_lock_free, "the cells are shared by processes");

}  // namespace

LaneBoard::~LaneBoard() {
  if (cells_ != nullptr) ::munmap(cells_, size());
}

LaneBoard::LaneBoard(LaneBoard&& other) noexcept
    : cells_(std::exchange(other.cells_, nullptr)), workers_(std::exchange(other.workers_, 0)) {}

LaneBoard& LaneBoard::operator=(LaneBoard&& other) noexcept {
  std::swap(cells_, other.cells_);
  std::swap(workers_, other.workers_);
  return *this;
}

Result<LaneBoard> LaneBoard::make(std::size_t workers, Fd& memory) {
  memory = Fd(::memfd_create("moult-lanes", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return fail(last_os_error("memfd_create"));
  const auto size = static_cast<off_t>((1 + workers) * sizeof(std::uint64_t));
  if (::ftruncate(memory.get(), size) != 0) return fail(last_os_error("ftruncate of a memfd"));
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return fail(last_os_error("F_ADD_SEALS"));
  return open(memory, workers);
}

Result<LaneBoard> LaneBoard::open(const Fd& memory, std::size_t workers) {
  const std::size_t size = (1 + workers) * sizeof(std::uint64_t);
  struct stat found {};
  if (::fstat(memory.get(), &found) != 0 || found.st_size != static_cast<off_t>(size))
    return fail(Error{ErrorCode::failed, "the board of an interpreter's lanes has another size"});
  void* const cells = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (cells == MAP_FAILED) return fail(last_os_error("mmap of a memfd"));
  return LaneBoard(static_cast<std::uint64_t*>(cells), workers);
}

std::uint64_t LaneBoard::claimed() const { return Cell(cells_[0]).load(std::memory_order_acquire); }

void LaneBoard::set_claimed(std::uint64_t count) { Cell(cells_[0]).store(count, std::memory_order_release); }

std::uint64_t LaneBoard::serving(std::size_t worker) const {
  return worker < workers_ ? Cell(cells_[1 + worker]).load(std::memory_order_acquire) : 0;
}

void LaneBoard::set_serving(std::size_t worker, std::uint64_t call) {
  Cell(cells_[1 + worker]).store(call, std::memory_order_release);
}

}  // namespace moult
