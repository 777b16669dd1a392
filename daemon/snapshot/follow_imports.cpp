#include "daemon/snapshot/imports.h"
#include "daemon/snapshot/source_list.h"
#include "daemon/tree/tree_rules.h"
#include "ipc/base/fd.h"

#include <set>

namespace moult {

namespace {

bool is_plain_folder(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && !is_virtual_environment(path);
}

}  // namespace

std::set<std::string> follow_imports(const std::string& folder, const std::string& entry_file,
                                     SourceList& listed, const SnapshotLimits& limits) {
  std::set<std::string> seen;  // top-level names
  for (std::size_t next = 0; next < listed.sources.size() && listed.sources.size() <= limits.files; ++next) {
    const auto source = read_file(listed.sources[next].path, limits.file_bytes);
    if (!source) continue;  // taking it will say why
    for (const std::string& name : imported_names(*source)) {
      if (!seen.insert(name).second) continue;
      const std::string module = join_path(folder, name + ".py");
      if (const FileStamp stamp = stamp_of(module); stamp.exists() && module != entry_file) {
        listed.sources.push_back({module, stamp});
      }
      const std::string package = join_path(folder, name);
      if (!is_plain_folder(package) || is_left_out_folder(name)) continue;
      if (const auto whole = list_folder(package, listed, limits); !whole)
        listed.notes.push_back(whole.error().message);
    }
  }
  return seen;
}

}  // namespace moult
