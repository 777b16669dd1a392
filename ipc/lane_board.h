#pragma once

#include "ipc/base/fd.h"
#include "ipc/base/result.h"

#include <cstddef>
#include <cstdint>

namespace moult {

// What the workers of an interpreter have begun: a page that the host writes and the daemon reads. From it
// the daemon knows which calls a host that died had not begun (they go elsewhere), and which worker has a
// call that nothing was heard of yet. A host may write anything there: at worst its own calls are told lost
// or served again. The memory cannot be made smaller (memfd seals), or a read would end the daemon.
class LaneBoard {
 public:
  LaneBoard() = default;
  ~LaneBoard();
  LaneBoard(LaneBoard&& other) noexcept;
  LaneBoard& operator=(LaneBoard&& other) noexcept;

  // By the daemon; `memory` goes to the host.
  static Result<LaneBoard> make(std::size_t workers, Fd& memory);
  // By the host.
  static Result<LaneBoard> open(const Fd& memory, std::size_t workers);

  std::size_t workers() const { return workers_; }
  // How many requests of the batch lane are no longer in the queue, in the order in which they were sent.
  std::uint64_t claimed() const;
  void set_claimed(std::uint64_t count);
  // The call that a worker began last; 0: none.
  std::uint64_t serving(std::size_t worker) const;
  void set_serving(std::size_t worker, std::uint64_t call);

 private:
  LaneBoard(std::uint64_t* cells, std::size_t workers) : cells_(cells), workers_(workers) {}
  std::size_t size() const { return (1 + workers_) * sizeof(std::uint64_t); }

  std::uint64_t* cells_ = nullptr;
  std::size_t workers_ = 0;
};

}  // namespace moult
