#pragma once

#include "daemon/snapshot/snapshot.h"
#include "daemon/snapshot/store.h"
#include "ipc/base/fd.h"
#include "ipc/base/result.h"

namespace moult {

// A sealed memory file with the sources of a snapshot in the format of ipc/PROTOCOL.md ("MOULTSN1"),
// for any number of hosts. Blocks: background thread. Fails when an object is missing or damaged.
Result<Fd> make_memfd(const Snapshot& snapshot, const SnapshotStore& store);

}  // namespace moult
