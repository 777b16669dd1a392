#include "daemon/watch/why_log.h"

#include <algorithm>
#include <iterator>

namespace moult {

namespace {

// What comes again within this time is the same story; ignored noise has none.
constexpr Seconds kSameStory{10};
constexpr Seconds kForEver{1e9};

}  // namespace

void WhyLog::put(std::deque<WhyEntry>& ring, std::size_t limit, Seconds same_within, WhyEntry entry) {
  const auto same = std::find_if(ring.rbegin(), ring.rend(), [&](const WhyEntry& other) {
    return other.path == entry.path && other.what == entry.what && other.rule == entry.rule &&
           entry.time - other.time <= same_within;
  });
  if (same != ring.rend()) {
    entry.count = same->count + 1;
    ring.erase(std::next(same).base());
  }
  ring.push_back(std::move(entry));
  if (ring.size() > limit) ring.pop_front();
}

void WhyLog::add(WallTime time, std::string path, std::string what, std::string rule) {
  put(entries_, kKept, kSameStory, {time, std::move(path), std::move(what), std::move(rule), 1});
}

void WhyLog::add_ignored(WallTime time, std::string path, std::string rule) {
  ++ignored_count_;
  put(ignored_, kKeptIgnored, kForEver, {time, std::move(path), "ignored", std::move(rule), 1});
}

std::vector<WhyEntry> WhyLog::entries() const {
  std::vector<WhyEntry> all(entries_.begin(), entries_.end());
  all.insert(all.end(), ignored_.begin(), ignored_.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const WhyEntry& a, const WhyEntry& b) { return a.time < b.time; });
  return all;
}

}  // namespace moult
