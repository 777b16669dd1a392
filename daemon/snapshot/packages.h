#pragma once

#include "daemon/snapshot/package_listings.h"
#include "ipc/base/content_hash.h"

#include <string>
#include <vector>

namespace moult {

// A cheap fingerprint of what is installed in some site-packages folders: names and stamps of the
// top level, of RECORD and METADATA in each *.dist-info and *.egg-info, and of every extension module
// (.so) of packages up to three levels deep. Another fingerprint than the active generation's means
// a fresh host. Missing folders count as empty. Blocks: background thread.
ContentHash fingerprint_packages(const std::vector<std::string>& folders, PackageListings& listings);

// Folders that the .pth files of site-packages folders add and the projects installed in editable
// mode (PEP 660, direct_url.json), as far as they exist: for SnapshotSpec::roots. Blocks.
std::vector<std::string> editable_roots(const std::vector<std::string>& folders, PackageListings& listings);

}  // namespace moult
