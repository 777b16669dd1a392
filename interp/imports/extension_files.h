#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

// What the file of an extension module says against sub-interpreters, as a clause: "it was made for one
// interpreter (PyModule_Create)". "" when it says nothing. No code of it is run. Sources: the check that
// Cython generates, PyO3's and NumPy's errors, and PEP 489 for single-phase initialisation.
std::string_view objection_in(std::string_view content);

// The extension modules of installed packages, looked at without being loaded. A package's folder is
// walked once: a host does not outlive a change of what is installed. One per process, made by main; any
// thread, without a GIL, since it reads the disk.
class ExtensionFiles {
 public:
  struct Found {
    std::string path;
    std::string_view objection;
  };
  // Of one file, read when it is asked for the first time.
  std::string_view objection(const std::string& file);
  // Those below `folder` that have an objection. Not in folders of tests, at most kFilesMax entries deep
  // into the package. What cannot be read has none.
  std::vector<Found> objections_below(const std::string& folder);
  // The same where it is known, without a wait: for who has a GIL, which costs more to take again.
  std::optional<std::vector<Found>> known_below(const std::string& folder);

 private:
  std::mutex mutex_;
  std::map<std::string, std::vector<Found>> known_;  // by folder
  std::map<std::string, std::string_view> files_;
};

}  // namespace moult
