#include "daemon/serve/lanes.h"

#include <array>
#include <cstring>
#include <utility>

namespace moult {

namespace {

// How many packets one wake-up may take from a lane before the other descriptors have their turn.
constexpr int kPacketsPerTurn = 16;
// So many calls in one round are a crowd.
constexpr int kCrowd = 3;

// Whether lines of headers ("Name: value\r\n") say so.
bool has_event_stream(std::string_view headers) {
  constexpr std::string_view kName = "content-type:";
  constexpr std::string_view kType = "text/event-stream";
  const auto starts_with = [](std::string_view text, std::string_view what) {
    return text.size() >= what.size() &&
           std::equal(what.begin(), what.end(), text.begin(),
                      [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + ('a' - 'A') : b); });
  };
  while (!headers.empty()) {
    const std::size_t end = std::min(headers.find('\n'), headers.size() - 1);
    std::string_view line = headers.substr(0, end);
    headers.remove_prefix(end + 1);
    if (!starts_with(line, kName)) continue;
    line.remove_prefix(kName.size());
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (starts_with(line, kType)) return true;
  }
  return false;
}

// An answer is a head and what follows it. A host whose memory is damaged may say anything.
bool is_in_order(lane::FrameType type, bool head_seen) {
  switch (type) {
    case lane::FrameType::head:
    case lane::FrameType::returned: return !head_seen;
    case lane::FrameType::chunk:
    case lane::FrameType::file: return head_seen;
    case lane::FrameType::failed:
    case lane::FrameType::want_body: return true;
    default: return false;
  }
}

bool ends_call(lane::FrameType type, std::uint8_t flags) {
  return type == lane::FrameType::failed || type == lane::FrameType::returned ||
         ((flags & lane::kEnd) != 0 && type != lane::FrameType::want_body);
}

}  // namespace

LaneRounds::LaneRounds(uv::Loop& loop)
    : soon_(loop, [this] { flush(); }), again_(loop, [this] { soon_.request(); }) {}

// Where many come more are about to: it is looked once more, and the workers are woken once.
void LaneRounds::flush() {
  if (calls_ >= kCrowd && !std::exchange(has_looked_again_, true)) return again_.request();
  has_looked_again_ = false;
  calls_ = 0;
  for (Lanes* lanes : std::exchange(waiting_, {})) lanes->flush();
}

void LaneRounds::flush_later(Lanes& lanes) {
  waiting_.push_back(&lanes);
  soon_.request();
}

void LaneRounds::forget(Lanes& lanes) { std::erase(waiting_, &lanes); }

Lanes::Lanes(uv::Loop& loop, LaneRounds& rounds, Owner& owner)
    : loop_(loop), rounds_(rounds), owner_(owner) {}

Lanes::~Lanes() { rounds_.forget(*this); }

Result<std::vector<Fd>> Lanes::open(std::size_t workers) {
  std::vector<Fd> theirs;
  MOULT_ASSIGN(SocketPair batch, seqpacket_pair());
  Fd memory;
  MOULT_ASSIGN(board_, LaneBoard::make(workers, memory));
  batch_lane_ = std::move(batch.ours);
  batch_poll_ =
      std::make_unique<uv::Poll>(loop_, batch_lane_.get(), [this](int events) { on_batch(events); });
  batch_poll_->set(uv::Poll::kReadable);
  theirs.push_back(std::move(batch.theirs));
  theirs.push_back(std::move(memory));
  for (std::size_t worker = 0; worker < workers; ++worker) {
    MOULT_ASSIGN(SocketPair pair, seqpacket_pair());
    auto poll =
        std::make_unique<uv::Poll>(loop_, pair.ours.get(), [this, worker](int) { on_worker(worker); });
    poll->set(uv::Poll::kReadable);
    worker_lanes_.push_back({std::move(pair.ours), std::move(poll)});
    theirs.push_back(std::move(pair.theirs));
  }
  return theirs;
}

void Lanes::close() {
  rounds_.forget(*this);
  flush_asked_ = false;
  batch_poll_.reset();
  batch_lane_.reset();
  for (WorkerLane& lane : worker_lanes_) {
    lane.poll.reset();
    lane.lane.reset();
  }
}

void Lanes::lane_broken() {
  if (broken_at_) return;
  broken_at_ = Steady::now();
  batch_poll_->set(0);
  for (WorkerLane& lane : worker_lanes_) lane.poll->set(0);
}

bool Lanes::has_room(std::size_t most) const {
  if (!is_open() || broken_at_ || is_full_) return false;
  const std::size_t credit = stuck_ > 0 ? 0 : std::min(credit_, lane::kCreditMax);
  return flights_.size() < std::min(std::max(workers(), credit), workers() + most);
}

bool Lanes::start(Call& call) {
  if (!is_open() || broken_at_ || is_full_) return false;
  const std::size_t head = call.head_size != 0 ? call.head_size : lane::request_size(call.head, call.headers);
  const std::size_t size = head + call.body.size();
  if (size > lane::kRequestMax) return false;
  if (!batch_.has_room(size)) flush();
  if (is_full_ || broken_at_) return false;
  if (size > lane::kBatchMax) return start_alone(call);
  const std::span<char> room = batch_.room();
  if (lane::encode_request(room, call.head, call.headers, call.body.size()) != head) return false;
  if (!call.body.empty()) std::memcpy(room.data() + head, call.body.data(), call.body.size());
  batch_.added(size);
  begin(call);
  rounds_.count_call();
  if (!std::exchange(flush_asked_, true)) rounds_.flush_later(*this);
  return true;
}

// Its body is not copied.
bool Lanes::start_alone(Call& call) {
  flush();
  if (is_full_ || broken_at_) return false;
  const std::span<char> out(rounds_.out);
  const std::size_t head =
      lane::encode_request(out.subspan(lane::kBatchPrefix), call.head, call.headers, call.body.size());
  if (head == 0) return false;
  const std::uint32_t prefix[] = {0, static_cast<std::uint32_t>(head + call.body.size())};
  std::memcpy(out.data(), prefix, sizeof prefix);
  if (send({out.data(), lane::kBatchPrefix + head}, call.body) != lane::Sent::yes) return false;
  begin(call);
  return true;
}

Flight& Lanes::begin(Call& call) {
  if (unused_.empty()) unused_.push_back(std::make_unique<Flight>(*this));
  flights_.push_back(std::move(unused_.back()));
  unused_.pop_back();
  flights_.back()->begin(call, ++sent_);
  return *flights_.back();
}

lane::Sent Lanes::send(std::string_view packet, std::string_view data) {
  const lane::Sent sent = lane::send(batch_lane_.get(), packet, data, lane::Wait::no);
  if (sent == lane::Sent::closed) lane_broken();
  if (sent == lane::Sent::would_block) {
    is_full_ = true;
    batch_poll_->set(uv::Poll::kReadable | uv::Poll::kWritable);
  }
  return sent;
}

void Lanes::flush() {
  flush_asked_ = false;
  if (batch_.is_empty() || !is_open() || is_full_ || broken_at_) return;
  if (send(batch_.packet(0), {}) == lane::Sent::yes) batch_.clear();
}

void Lanes::on_batch(int events) {
  if ((events & uv::Poll::kWritable) != 0 && is_full_) {
    is_full_ = false;
    batch_poll_->set(uv::Poll::kReadable);
    flush();
    if (!is_full_) owner_.on_room();
  }
  // Another packet is behind it mostly when this one was full: to ask each time costs more.
  for (int taken = 0; taken < kPacketsPerTurn && is_open() && !broken_at_; ++taken) {
    if (take_batch(rounds_.in) < lane::kBatchMax / 2) return;
  }
}

// One packet, and its size. 0: there is none.
std::size_t Lanes::take_batch(std::span<char> buffer) {
  const lane::Received received = lane::receive(batch_lane_.get(), buffer, lane::Wait::no);
  if (received.would_block) return 0;
  lane::BatchWalk frames(received.packet);
  bool returned = false;
  while (const auto frame = frames.next()) {
    const bool is_return = lane::frame_type(*frame) == lane::FrameType::returned;
    returned = returned || is_return;
    // Before its calls end, which gives the queue's next ones room. What comes back says nothing of it.
    if (!is_return) credit_ = frames.credit();
    on_frame(*frame, {}, std::nullopt);
    if (!is_open()) return 0;
  }
  if (frames.is_broken()) lane_broken();
  if (returned) owner_.on_room();
  return frames.is_broken() ? 0 : received.packet.size();
}

void Lanes::on_worker(std::size_t worker) {
  for (int taken = 0; taken < kPacketsPerTurn && is_open(); ++taken) {
    lane::Received received =
        lane::receive_attached(worker_lanes_[worker].lane.get(), rounds_.in, lane::Wait::no);
    if (received.would_block) return;
    if (received.packet.empty()) return lane_broken();
    if (!on_frame(received.packet, std::move(received.attached), worker)) return;
  }
}

std::vector<Flight*> Lanes::flights() const {
  std::vector<Flight*> all;
  for (const auto& flight : flights_) all.push_back(flight.get());
  return all;
}

Flight* Lanes::find(std::uint64_t call) const {
  for (const auto& flight : flights_) {
    if (flight->call_id_ == call) return flight.get();
  }
  return nullptr;
}

// Answers that end a call do three things in this order: the call forgets the flight, the client
// gets the bytes (it may submit its next request at once), the room is offered to the queue.
bool Lanes::on_frame(std::string_view frame, Fd attached, std::optional<std::size_t> worker) {
  const auto type = lane::frame_type(frame);
  const auto chunk = lane::decode_chunk(frame);
  Flight* const flight = chunk ? find(chunk->call) : nullptr;
  if (flight == nullptr) return true;  // of a call long over
  if (worker) flight->worker_ = worker;
  const bool ends = ends_call(*type, chunk->flags);
  if (flight->call_ != nullptr) {
    take_frame(*flight, *type, frame, std::move(attached));
  } else if (!ends) {
    tell_abort(*flight);
  }
  if (ends) finish(*flight, *type != lane::FrameType::returned);
  const bool is_paused = !ends && flight->call_ != nullptr && flight->call_->paused;
  return !ends && !is_paused;
}

void Lanes::take_frame(Flight& flight, lane::FrameType type, std::string_view frame, Fd attached) {
  const auto chunk = lane::decode_chunk(frame);
  const bool ends = ends_call(type, chunk->flags);
  Call* const call = ends ? flight.detach() : flight.call_;
  const End end = ends ? End::yes : End::no;
  if (!is_in_order(type, call->head_seen)) return lose(flight, *call, "the worker's frames are out of order");
  switch (type) {
    case lane::FrameType::head:
      if (const auto head = lane::decode_head(frame)) {
        call->head_seen = true;
        flight.failed = head->status >= 500;
        flight.is_event_stream_ = end == End::no && has_event_stream(head->header_text);
        return call->client->on_head(*call, *head, head->body, end);
      }
      return lose(flight, *call, "the worker's answer cannot be read");
    case lane::FrameType::chunk: return call->client->on_chunk(*call, chunk->data, end);
    case lane::FrameType::file:
      if (const auto region = lane::decode_file(frame); region && attached)
        return call->client->on_file(*call, std::move(attached), region->offset, region->length, end);
      // The kernel drops descriptors that a full table cannot take (MSG_CTRUNC, unix(7)).
      return lose(flight, *call, "the file to send did not arrive");
    case lane::FrameType::failed:
      if ((chunk->flags & lane::kMoved) != 0) return owner_.on_call_moved(*call);
      flight.failed = true;
      return call->client->on_failure(
          *call, flight.interrupts > 0 ? CallFailure::call_timeout : CallFailure::app_error, chunk->data);
    case lane::FrameType::returned: return owner_.on_call_returned(*call);
    case lane::FrameType::want_body: return call->client->on_want_body(*call);
    default: return;
  }
}

void Lanes::lose(Flight& flight, Call& call, std::string_view why) {
  if (flight.call_ == &call) flight.detach();
  call.client->on_failure(call, CallFailure::host_lost, why);
}

void Lanes::finish(Flight& flight, bool was_served) {
  const auto at = std::find_if(flights_.begin(), flights_.end(),
                               [&](const auto& candidate) { return candidate.get() == &flight; });
  std::unique_ptr<Flight> ended = std::move(*at);
  flights_.erase(at);
  if (ended->stuck) --stuck_;
  if (was_served) owner_.on_flight_ended(*ended);
  unused_.push_back(std::move(ended));
}

void Lanes::give_up(Flight& flight) {
  flight.stuck = true;
  ++stuck_;
}

bool Lanes::send_to_worker(Flight& flight, lane::FrameType type, std::uint8_t flags, std::string_view data) {
  const auto worker = flight.worker();
  if (!worker || !is_open()) return false;
  std::array<char, 32> prefix{};
  const std::size_t size = lane::encode_chunk_prefix(prefix, type, flight.call_id_, flags);
  return lane::send(worker_lanes_[*worker].lane.get(), {prefix.data(), size}, data, lane::Wait::no) ==
         lane::Sent::yes;
}

void Lanes::listen_to(const Flight& flight, bool on) {
  if (flight.worker_ && is_open() && !broken_at_)
    worker_lanes_[*flight.worker_].poll->set(on ? uv::Poll::kReadable : 0);
}

// Nobody knows on which lane before it has begun.
void Lanes::tell_abort(Flight& flight) {
  if (flight.abort_due_ && flight.has_begun())
    flight.abort_due_ = !send_to_worker(flight, lane::FrameType::abort, 0, {});
}

void Lanes::tell_aborts() {
  for (const auto& flight : flights_) tell_abort(*flight);
}

std::size_t Lanes::waiting() const {
  const std::uint64_t claimed = board_.workers() > 0 ? board_.claimed() : 0;
  return static_cast<std::size_t>(std::count_if(
      flights_.begin(), flights_.end(), [&](const auto& flight) { return flight->order_ > claimed; }));
}

std::optional<SteadyTime> Lanes::waiting_since() const {
  for (const auto& flight : flights_) {
    if (!flight->has_begun()) return flight->started();
  }
  return std::nullopt;
}

void Lanes::end(const std::function<void(Call&)>& lost) {
  if (is_open()) {
    std::vector<char> buffer(lane::kPacketMax);
    while (is_open() && !broken_at_ && take_batch(buffer) > 0) {
    }
  }
  std::vector<std::unique_ptr<Flight>> ended = std::move(flights_);
  flights_.clear();
  stuck_ = 0;
  std::vector<Call*> not_begun;
  std::vector<Call*> begun;
  for (const auto& flight : ended) {
    const bool has_begun = flight->has_begun();
    if (Call* call = flight->detach()) (has_begun || call->tied ? begun : not_begun).push_back(call);
  }
  close();
  for (Call* call : begun) lost(*call);
  for (auto call = not_begun.rbegin(); call != not_begun.rend(); ++call) owner_.on_call_returned(**call);
  if (!not_begun.empty()) owner_.on_room();
}

}  // namespace moult
