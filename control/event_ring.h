#pragma once

#include "ipc/base/clock.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moult::control {

// What a reader of events wants: an app (a name or pattern, empty: all) and patterns of event names
// (none: all).
struct EventFilter {
  std::string app;
  std::vector<std::string> events;

  bool wants(std::string_view event, std::string_view event_app) const;
};

// The last events of this daemon, each as the text of its JSON object, and the cursors that point
// between them ("c:BOOT:SEQ": all up to SEQ was seen). One per EventLog. A value; knows no clock.
class EventRing {
 public:
  struct Entry {
    std::uint64_t seq = 0;
    std::string event;
    std::string app;
    std::string json;
  };
  struct Past {
    bool gap = false;                   // the cursor points before what is kept, or to another run
    std::optional<std::uint64_t> lost;  // how many events are lost, where it can be known
    std::vector<const Entry*> entries;  // valid until the next add()
  };

  EventRing(std::string boot, std::size_t capacity) : boot_(std::move(boot)), capacity_(capacity) {}

  // `data`: the text of a JSON object.
  const Entry& add(std::string_view event, std::string_view app, std::string_view data, WallTime time);

  // What came after `cursor` (empty: all that is kept). nullopt: the text is no cursor at all.
  std::optional<Past> since(std::string_view cursor) const;

  std::string cursor() const { return cursor_of(next_ - 1); }
  std::string cursor_of(std::uint64_t seq) const;

 private:
  std::string boot_;
  std::size_t capacity_;
  std::uint64_t next_ = 1;
  std::deque<Entry> entries_;
};

}  // namespace moult::control
