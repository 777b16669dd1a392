#include "daemon/moult/record_file.h"

#include "ipc/base/fd.h"

#include <fmt/format.h>

#include <unistd.h>
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

namespace moult {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kName = "state.json";
constexpr std::size_t kUniqueSize = 7;  // ".XXXXXX" of write_file_atomically()
constexpr std::uint64_t kNumberMax = 1'000'000'000;

bool is_half_written(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  std::error_code error;
  return name.size() == kName.size() + kUniqueSize && name.starts_with(kName) && name[kName.size()] == '.' &&
         std::all_of(name.begin() + static_cast<long>(kName.size()) + 1, name.end(),
                     [](unsigned char c) { return c < 128 && std::isalnum(c) != 0; }) &&
         !entry.is_symlink(error) && entry.is_regular_file(error);
}

void remove_half_written(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> old;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (is_half_written(*at)) old.push_back(at->path());
  }
  for (const fs::path& path : old) fs::remove(path, error);
}

}  // namespace

FoundRecord read_record(const std::string& folder) {
  remove_half_written(folder);
  const std::string path = fmt::format("{}/{}", folder, kName);
  std::error_code error;
  const auto kind = fs::status(path, error).type();
  if (kind == fs::file_type::not_found) return {};
  // A pipe in its place would never open.
  const auto text =
      kind == fs::file_type::fifo ? fail(Error{ErrorCode::os, path + ": a pipe"}) : read_file(path);
  std::string problem;
  if (text) {
    auto record = decode_record(*text);
    if (record) return {std::move(*record), {}};
    problem = fmt::format("{}: {} ({})", path, record.error().message, record.error().detail);
  } else {
    problem = text.error().message;
  }
  // Else the next save would write over it.
  const std::string aside = path + ".damaged";
  const bool is_kept = std::rename(path.c_str(), aside.c_str()) == 0;
  AppRecord fresh;
  if (text) fresh.next_generation = numbering_of_damaged(*text);
  return {std::move(fresh),
          Error{ErrorCode::failed, fmt::format("{}; the app starts as a new one{}", problem,
                                               is_kept ? ", the file is kept as " + aside : "")}};
}

// Lives until the last write has ended.
struct RecordFile::Writing : std::enable_shared_from_this<Writing> {
  uv::Loop& loop;
  std::string folder;
  OnProblem on_problem;  // null: the owner has gone
  std::string wanted;    // the newest text
  std::string current;   // what is being written, else what was written last
  bool busy = false;
  std::string told;  // the last problem
  std::vector<std::function<void()>> waiters;

  Writing(uv::Loop& its_loop, std::string its_folder, OnProblem its_on_problem)
      : loop(its_loop), folder(std::move(its_folder)), on_problem(std::move(its_on_problem)) {}

  void pump() {
    if (busy) return;
    if (wanted == current) {
      for (const auto& done : std::exchange(waiters, {})) done();
      return;
    }
    busy = true;
    current = wanted;
    uv::compute_in_background<Result<>>(
        loop, {uv::Work::state, folder},
        [folder = folder, text = current]() -> Result<> {
          MOULT_TRY(make_folders(folder));
          return write_file_atomically(fmt::format("{}/{}", folder, kName), text);
        },
        [self = shared_from_this()](const Result<>& written) {
          self->busy = false;
          self->tell(written);
          self->pump();
        });
  }

  // Once for each problem, not for each write.
  void tell(const Result<>& written) {
    const std::string problem = written ? std::string() : written.error().message;
    if (std::exchange(told, problem) == problem || problem.empty() || !on_problem) return;
    on_problem({ErrorCode::failed, fmt::format("the app's state could not be saved: {}", problem)});
  }
};

RecordFile::RecordFile(uv::Loop& loop, std::string folder, OnProblem on_problem)
    : writing_(std::make_shared<Writing>(loop, std::move(folder), std::move(on_problem))) {}

RecordFile::~RecordFile() {
  writing_->on_problem = nullptr;
  for (const auto& done : std::exchange(writing_->waiters, {})) done();
}

void RecordFile::save(const AppRecord& record) {
  if (forgotten_) return;
  writing_->wanted = encode_record(record);
  writing_->pump();
}

void RecordFile::when_saved(std::function<void()> done) {
  writing_->waiters.push_back(std::move(done));
  writing_->pump();
}

void RecordFile::forget() {
  forgotten_ = true;
  writing_->wanted = writing_->current;
}

std::uint64_t numbering_of_damaged(std::string_view text) {
  constexpr std::string_view kKey = "\"next_generation\":";
  const std::size_t found = text.find(kKey);
  if (found == std::string_view::npos) return 1;
  text.remove_prefix(found + kKey.size());
  while (text.starts_with(' ')) text.remove_prefix(1);
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  // At the end of the text the number itself may have been cut off.
  const bool is_whole = error == std::errc() && stop != text.data() + text.size();
  return is_whole && number >= 1 && number < kNumberMax ? number : 1;
}

}  // namespace moult
