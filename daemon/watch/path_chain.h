#pragma once

#include "daemon/watch/scan.h"

#include <set>
#include <string>

namespace moult {

// Receives the watches that a scan wants. Implemented by the scan.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  virtual void watch(const std::string& folder, WatchRole role, std::uint32_t mask) = 0;
  virtual void point(const std::string& path, Point point) = 0;
};

// Events of names in a folder; of what they hold too; of the folder itself.
extern const std::uint32_t kEntryEvents;
extern const std::uint32_t kContentEvents;
extern const std::uint32_t kSelfEvents;

// Follows `path` component by component as the kernel does. The parent of every symlink on the way
// (release folders), of a missing piece and of the end itself is watched for that name; folders in
// between for being moved or deleted. `end` is what the last component is watched as. Returns the
// real path, or "" when there is nothing. Blocks.
std::string follow_path(const std::string& path, const Point& end, WatchSink& sink);

}  // namespace moult
