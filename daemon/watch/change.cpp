#include "daemon/watch/change.h"

namespace moult {

std::string_view to_string(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::source: return "source";
    case ChangeKind::watched_data: return "data";
    case ChangeKind::restart_file: return "restart file";
    case ChangeKind::entry_touch: return "entry file touched";
    case ChangeKind::packages: return "packages";
    case ChangeKind::vcs_lock_taken: return "lock taken";
    case ChangeKind::vcs_lock_released: return "lock released";
  }
  return "";
}

}  // namespace moult
