#pragma once

#include "ipc/base/clock.h"

namespace moult {

// How long to wait between two scans when polling: at rest less than 1 % of a core goes into scans,
// for a minute after a change at most 10 %. Pure.
Milliseconds polling_interval(Seconds cost_of_scan, Seconds since_last_change);

// Whether a file that changed at `changed` may change again without a new time stamp: within two
// seconds before the scan (git's rule; FAT's times have that grain), or in the scan's future, when the
// clock was set back. Nanoseconds since the epoch.
bool is_racy(long long changed, long long scan_began);

}  // namespace moult
