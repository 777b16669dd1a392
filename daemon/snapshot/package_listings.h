#pragma once

#include "daemon/tree/file_stamp.h"
#include "ipc/base/clock.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace moult {

// What folders of installed packages hold. A listing is kept and used again while the folder's stamp is the
// same, which saves most of the time that a look at site-packages takes. A folder that changed within `racy`
// before it was read is read again next time: it may change once more without another time stamp (2 s on
// FAT, 10 ms elsewhere). One per daemon, shared by its apps; any thread. Bounded: when full it begins anew.
class PackageListings {
 public:
  struct Name {
    std::string name;
    bool is_folder = false;  // or a link to one
    bool is_link = false;
  };
  using Names = std::shared_ptr<const std::vector<Name>>;

  explicit PackageListings(Milliseconds racy = Milliseconds{3000}) : racy_(racy) {}

  // Sorted by name; empty for a folder that is not there. Blocks.
  Names all_of(const std::string& folder) { return look(all_, folder, Keep::all); }
  // Without files that are no extension modules (.so).
  Names extensions_of(const std::string& folder) { return look(extensions_, folder, Keep::extensions); }
  std::uint64_t times_read() const { return times_read_; }

 private:
  enum class Keep { all, extensions };
  struct Listing {
    FileStamp stamp;
    Names names;
  };
  using Listings = std::unordered_map<std::string, Listing>;

  Names look(Listings& listings, const std::string& folder, Keep keep);
  bool is_settled(const FileStamp& stamp) const;

  const Milliseconds racy_;
  std::atomic<std::uint64_t> times_read_ = 0;
  std::mutex mutex_;
  Listings all_;
  Listings extensions_;
};

bool is_extension_module(std::string_view name);

}  // namespace moult
