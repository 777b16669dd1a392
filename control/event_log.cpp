#include "control/event_log.h"

#include "ipc/base/json.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace moult::control {

namespace {

constexpr auto kReplace = Json::error_handler_t::replace;

Json gap_notice(const EventRing& ring, const EventRing::Past& past) {
  const Json lost = past.lost ? Json(*past.lost) : Json();
  // Where reading goes on, so that a client may keep the cursor of whatever it saw last.
  const std::string cursor =
      past.entries.empty() ? ring.cursor() : ring.cursor_of(past.entries.front()->seq - 1);
  return Json{{"event", "gap"}, {"lost", lost}, {"cursor", cursor}, {"time", rfc3339_now()}};
}

EventFilter filter_from(const Json& params) {
  EventFilter filter{params.value("app", ""), {}};
  const auto found = params.find("filter");
  if (found == params.end()) return filter;
  if (found->is_string()) {
    filter.events.push_back(found->get<std::string>());
  } else {
    filter.events = found->get<std::vector<std::string>>();
  }
  return filter;
}

}  // namespace

// One `events` request with `follow`. It is in the list as long as its client waits.
struct EventLog::Stream {
  EventFilter filter;
  std::uint64_t left;  // events until its limit
  Reply reply;
};

EventLog::EventLog(uv::Loop& loop, std::string boot, std::size_t capacity)
    : ring_(std::move(boot), capacity), heartbeat_(loop) {}

EventLog::~EventLog() = default;

void EventLog::add(std::string_view event, std::string_view app) { add(event, app, Json::object()); }

void EventLog::add(std::string_view event, std::string_view app, const Json& data) {
  const auto& entry =
      ring_.add(event, app, data.dump(-1, ' ', false, kReplace), std::chrono::system_clock::now());
  if (streams_.empty()) return;
  const Json what = parse_json_or_discard(entry.json);
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    const auto now = stream++;  // the answer at the limit removes it
    if (!now->filter.wants(event, app)) continue;
    now->reply.event(what);
    if (--now->left == 0) {
      now->reply.ok(Json{{"cursor", what["cursor"]}, {"events", Json::array()}});
      streams_.erase(now);
    }
  }
  if (streams_.empty()) heartbeat_.stop();
}

void EventLog::serve(Methods& methods) {
  methods.serve("events", [this](const Json& params, Reply reply) { handle(params, std::move(reply)); });
}

void EventLog::handle(const Json& params, Reply reply) {
  const bool wants_more = params.value("follow", false);
  const std::uint64_t limit = params.value("limit", std::numeric_limits<std::uint64_t>::max());
  if (limit == 0) {
    return reply.fail(Error{ErrorCode::usage, "`limit` must be 1 or more"}, Json{{"field", "limit"}});
  }
  std::string since = params.value("since", "");
  if (since.empty() && wants_more) since = ring_.cursor();
  EventFilter filter = filter_from(params);
  const auto past = ring_.since(since);
  if (!past) {
    Error error{ErrorCode::usage, fmt::format("\"{}\" is no cursor: one looks like \"c:18a:812\"", since)};
    reply.fail(error, Json{{"field", "since"}});
    return;
  }
  std::vector<Json> found;
  std::string cursor = ring_.cursor();
  if (past->gap) found.push_back(gap_notice(ring_, *past));
  std::uint64_t count = 0;
  for (const EventRing::Entry* entry : past->entries) {
    if (!filter.wants(entry->event, entry->app)) continue;
    if (count == limit) break;
    ++count;
    found.push_back(parse_json_or_discard(entry->json));
    if (count == limit) cursor = ring_.cursor_of(entry->seq);
  }
  if (!wants_more) return reply.ok(Json{{"cursor", cursor}, {"events", std::move(found)}});
  for (const Json& event : found) reply.event(event);
  if (count >= limit) return reply.ok(Json{{"cursor", cursor}, {"events", Json::array()}});
  follow(std::move(filter), limit - count, std::move(reply));
}

void EventLog::follow(EventFilter filter, std::uint64_t left, Reply reply) {
  if (!reply.is_open()) return;
  streams_.push_back(Stream{std::move(filter), left, std::move(reply)});
  Stream* stream = &streams_.back();
  stream->reply.on_gone([this, stream] { drop(stream); });
  if (!heartbeat_.is_active()) heartbeat_.start_repeating(kHeartbeat, [this] { beat(); });
}

void EventLog::drop(const Stream* stream) {
  streams_.remove_if([stream](const Stream& one) { return &one == stream; });
  if (streams_.empty()) heartbeat_.stop();
}

void EventLog::beat() {
  const Json heartbeat{{"event", "heartbeat"}, {"cursor", ring_.cursor()}, {"time", rfc3339_now()}};
  for (Stream& stream : streams_) stream.reply.event(heartbeat);
}

void EventLog::end_streams() {
  heartbeat_.stop();
  for (Stream& stream : streams_)
    stream.reply.ok(Json{{"cursor", ring_.cursor()}, {"events", Json::array()}});
  streams_.clear();
}

}  // namespace moult::control
