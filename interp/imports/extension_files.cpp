#include "interp/imports/extension_files.h"

#include "ipc/base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

namespace moult {

namespace {

constexpr std::size_t kFilesMax = 50'000;  // entries of one package
constexpr int kDepthMax = 12;

bool holds(std::string_view content, std::string_view text) {
  return !content.empty() && ::memmem(content.data(), content.size(), text.data(), text.size()) != nullptr;
}

// A name of a symbol table, which ends with a zero as each name before it does.
bool names(std::string_view content, std::string_view symbol) {
  std::string text(1, '\0');
  text.append(symbol).append(1, '\0');
  return holds(content, text);
}

// A file in memory; empty when it cannot be read.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return;
    size_ = static_cast<std::size_t>(status.st_size);
    data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  }
  ~MappedFile() {
    if (data_ != MAP_FAILED) ::munmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view content() const {
    return data_ == MAP_FAILED ? std::string_view()
                               : std::string_view(static_cast<const char*>(data_), size_);
  }

 private:
  void* data_ = MAP_FAILED;
  std::size_t size_ = 0;
};

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

bool is_of_tests(std::string_view folder) {
  return folder == "tests" || folder == "test" || folder == "testing" || folder == "__pycache__";
}

void collect(const std::string& folder, int depth, std::size_t& left, std::vector<std::string>& files) {
  const std::unique_ptr<DIR, CloseFolder> opened(::opendir(folder.c_str()));
  if (!opened || depth > kDepthMax) return;
  while (const dirent* const entry = ::readdir(opened.get())) {
    const std::string_view name = entry->d_name;
    if (left == 0) return;
    --left;
    if (entry->d_type == DT_DIR && !name.starts_with(".") && !is_of_tests(name)) {
      collect(folder + "/" + entry->d_name, depth + 1, left, files);
    } else if (entry->d_type != DT_DIR && name.ends_with(".so")) {
      files.push_back(folder + "/" + entry->d_name);
    }
  }
}

}  // namespace

std::string_view objection_in(std::string_view content) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kTexts{{
      {"can only be loaded into one interpreter per process", "Cython made it for one interpreter"},
      {"PyO3 modules do not yet support subinterpreters", "PyO3 made it for one interpreter"},
      {"cannot load module more than once per process", "it can be loaded once per process"},
  }};
  for (const auto& [text, objection] : kTexts) {
    if (holds(content, text)) return objection;
  }
  const bool single = names(content, "PyModule_Create2") && !names(content, "PyModuleDef_Init");
  return single ? "it was made for one interpreter (PyModule_Create)" : "";
}

std::string_view ExtensionFiles::objection(const std::string& file) {
  const std::scoped_lock lock(mutex_);
  const auto [known, is_new] = files_.try_emplace(file);
  if (is_new) known->second = objection_in(MappedFile(file).content());
  return known->second;
}

std::optional<std::vector<ExtensionFiles::Found>> ExtensionFiles::known_below(const std::string& folder) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock) return std::nullopt;
  const auto known = known_.find(folder);
  return known == known_.end() ? std::nullopt : std::optional(known->second);
}

std::vector<ExtensionFiles::Found> ExtensionFiles::objections_below(const std::string& folder) {
  const std::scoped_lock lock(mutex_);
  if (const auto known = known_.find(folder); known != known_.end()) return known->second;
  std::vector<std::string> files;
  std::size_t left = kFilesMax;
  collect(folder, 0, left, files);
  std::vector<Found>& found = known_[folder];
  for (const std::string& file : files) {
    const MappedFile mapped(file);
    if (const std::string_view objection = objection_in(mapped.content()); !objection.empty())
      found.push_back({file, objection});
  }
  return found;
}

}  // namespace moult
