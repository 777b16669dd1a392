#pragma once

#include "daemon/snapshot/snapshot.h"
#include "ipc/base/result.h"

#include <string>
#include <string_view>

namespace moult {

// The index file of a snapshot, snapshots/ID: text, one line each, a word and its value; in names '\n'
// and '\' are escaped. The last line is a hash over all above it, so a cut file is never taken for a
// whole one.
//
//   moult-snapshot 1
//   root /srv/blog
//   roots /srv/blog
//   taken 1763692169123456789        (ns since the epoch)
//   commit 5f0c…                     (may be empty)
//   note …
//   source HASH SIZE CHANGED PATH
//   data HASH SIZE CHANGED PATH
//   end HASH
//
// An unknown version or word is an error: newer daemons make their own snapshots.
std::string encode_index(const Snapshot& snapshot);
Result<SnapshotPtr> decode_index(std::string_view text);

}  // namespace moult
