#pragma once

#include "daemon/serve/flight.h"
#include "ipc/batch.h"
#include "ipc/lane_board.h"
#include "ipc/uv/loop.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace moult {

// What all lanes of a daemon use in turn.
class LaneRounds {
 public:
  explicit LaneRounds(uv::Loop& loop);

  // Nothing in them outlives a callback.
  std::vector<char> in = std::vector<char>(lane::kPacketMax);
  std::vector<char> out = std::vector<char>(lane::kPacketMax);

  // Batches leave when all that was ready has been dealt with: what came in one round goes in one packet.
  void flush_later(Lanes& lanes);
  void count_call() { ++calls_; }
  void flush();
  void forget(Lanes& lanes);

 private:
  std::vector<Lanes*> waiting_;
  uv::BeforeWait soon_;
  uv::NextRound again_;
  int calls_ = 0;  // in the batches that wait
  bool has_looked_again_ = false;
};

// The daemon's ends of an interpreter's lanes (ipc/batch.h, ipc/lane.h): carries calls to its workers and
// their answers back. Owned by the Interpreter; loop thread only.
class Lanes {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Its worker has ended it; the flight is used again afterwards.
    virtual void on_flight_ended(Flight& flight) = 0;
    // What nobody had begun came back: these calls belong to nobody now, the last one first. on_room follows.
    virtual void on_call_returned(Call& call) = 0;
    // Its interpreter cannot serve this call, which belongs to nobody now.
    virtual void on_call_moved(Call& call) = 0;
    virtual void on_room() = 0;  // calls are taken again
  };

  Lanes(uv::Loop& loop, LaneRounds& rounds, Owner& owner);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // Makes them. The host's ends, as the command `make` wants them: batch lane, board, the workers' lanes.
  Result<std::vector<Fd>> open(std::size_t workers);
  void close();  // no call may be attached
  bool is_open() const { return static_cast<bool>(batch_lane_); }
  // The other end was found closed then; nothing is sent any more.
  std::optional<SteadyTime> broken_at() const { return broken_at_; }

  // How many calls are wanted at a time: what the host told, no more than `most` and no fewer than it has
  // workers.
  bool has_room(std::size_t most) const;
  // False: the lane takes nothing now, or the call does not fit a packet, which the dispatcher looks at
  // before; the call is untouched.
  bool start(Call& call);

  std::size_t workers() const { return worker_lanes_.size(); }
  std::size_t in_flight() const { return flights_.size(); }
  // A copy, since whoever is told of a call's end may begin another.
  std::vector<Flight*> flights() const;
  std::size_t stuck() const { return stuck_; }
  void give_up(Flight& flight);  // its call was detached before
  // Of those that no worker has begun, how many, and since when the oldest waits.
  std::size_t waiting() const;
  std::optional<SteadyTime> waiting_since() const;
  // What waits is to come back: no more than one call for each worker until the host tells its credit again.
  void expect_return() { credit_ = 0; }
  // Aborts of calls that had not begun when their clients went.
  void tell_aborts();
  // The host has gone: what it had sent is taken in. Then ends all flights: on_call_returned for what it had
  // not begun, `lost` for the other calls.
  void end(const std::function<void(Call&)>& lost);

 private:
  friend class Flight;
  friend class LaneRounds;

  struct WorkerLane {
    Fd lane;
    std::unique_ptr<uv::Poll> poll;
  };

  void flush();
  lane::Sent send(std::string_view packet, std::string_view data);
  bool start_alone(Call& call);
  void tell_abort(Flight& flight);
  void listen_to(const Flight& flight, bool on);
  Flight& begin(Call& call);
  void on_batch(int events);
  std::size_t take_batch(std::span<char> buffer);
  void on_worker(std::size_t worker);
  // Whether reading goes on.
  bool on_frame(std::string_view frame, Fd attached, std::optional<std::size_t> worker);
  void take_frame(Flight& flight, lane::FrameType type, std::string_view frame, Fd attached);
  void lose(Flight& flight, Call& call, std::string_view why);
  void finish(Flight& flight, bool was_served);
  Flight* find(std::uint64_t call) const;
  bool send_to_worker(Flight& flight, lane::FrameType type, std::uint8_t flags, std::string_view data);
  void lane_broken();

  uv::Loop& loop_;
  LaneRounds& rounds_;
  Owner& owner_;
  Fd batch_lane_;
  std::unique_ptr<uv::Poll> batch_poll_;
  LaneBoard board_;
  std::vector<WorkerLane> worker_lanes_;
  lane::Batch batch_;
  bool is_full_ = false;  // the lane takes nothing: the batch waits until it does
  bool flush_asked_ = false;
  std::uint32_t credit_ = 0;
  std::uint64_t sent_ = 0;                        // requests
  std::vector<std::unique_ptr<Flight>> flights_;  // in the order of their beginning
  std::vector<std::unique_ptr<Flight>> unused_;
  std::size_t stuck_ = 0;
  std::optional<SteadyTime> broken_at_;
};

}  // namespace moult
