#include "control/event_ring.h"

#include "control/words.h"
#include "ipc/base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace moult::control {

namespace {

struct Cursor {
  std::string_view boot;
  std::uint64_t seq = 0;
};

std::optional<Cursor> parse_cursor(std::string_view text) {
  if (!text.starts_with("c:")) return std::nullopt;
  text.remove_prefix(2);
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  Cursor cursor{text.substr(0, colon), 0};
  const std::string_view number = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), cursor.seq);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  return cursor;
}

}  // namespace

bool EventFilter::wants(std::string_view event, std::string_view event_app) const {
  if (!app.empty() && app != event_app && !fits(app, event_app)) return false;
  return events.empty() || std::any_of(events.begin(), events.end(),
                                       [&](const std::string& pattern) { return fits(pattern, event); });
}

std::string EventRing::cursor_of(std::uint64_t seq) const { return fmt::format("c:{}:{}", boot_, seq); }

const EventRing::Entry& EventRing::add(std::string_view event, std::string_view app, std::string_view data,
                                       WallTime time) {
  const std::uint64_t seq = next_++;
  std::string json = R"({"event":")";
  append_json_escaped(json, event);
  json += fmt::format(R"(","seq":{},"cursor":"{}","time":"{}","app":")", seq, cursor_of(seq), rfc3339(time));
  append_json_escaped(json, app);
  json += R"(","data":)";
  json += data;
  json += '}';
  entries_.push_back(Entry{seq, std::string(event), std::string(app), std::move(json)});
  if (entries_.size() > capacity_) entries_.pop_front();
  return entries_.back();
}

std::optional<EventRing::Past> EventRing::since(std::string_view text) const {
  Past past;
  std::uint64_t seen = 0;
  if (!text.empty()) {
    const auto cursor = parse_cursor(text);
    if (!cursor) return std::nullopt;
    const std::uint64_t first_kept = entries_.empty() ? next_ : entries_.front().seq;
    // A cursor of the future can only come from another run that had the same name.
    if (cursor->boot != boot_ || cursor->seq >= next_) {
      past.gap = true;
    } else {
      seen = cursor->seq;
      if (seen + 1 < first_kept) {
        past.gap = true;
        past.lost = first_kept - seen - 1;
      }
    }
  }
  for (const Entry& entry : entries_) {
    if (entry.seq > seen) past.entries.push_back(&entry);
  }
  return past;
}

}  // namespace moult::control
