#pragma once

#include "daemon/moult/app_record.h"
#include "ipc/uv/loop.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace moult {

// What was found in a state file, and what was wrong with it.
struct FoundRecord {
  AppRecord record;
  std::optional<Error> problem;
};
// Blocks. A file that is damaged or cannot be read is kept as state.json.damaged, and of its content only
// the numbering is gone on with. What a daemon that was killed had half written is removed.
FoundRecord read_record(const std::string& folder);

// The file FOLDER/state.json of one app, with its AppRecord. Read before the app comes; written in
// the background, one write at a time, and the newest record is the last that is written, even if its
// owner goes before that. Owned by Moulting; loop thread only.
class RecordFile {
 public:
  // `on_problem`: with a file that cannot be written, on the loop.
  using OnProblem = std::function<void(const Error&)>;

  RecordFile(uv::Loop& loop, std::string folder, OnProblem on_problem);
  ~RecordFile();  // whoever waits is called
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

  void save(const AppRecord& record);
  // Calls `done`, maybe at once, when what was saved is in the file, or could not be written.
  void when_saved(std::function<void()> done);
  void forget();  // from now on nothing is written: the file may be another's

 private:
  struct Writing;
  bool forgotten_ = false;
  std::shared_ptr<Writing> writing_;  // shared with the write under way
};

// The number that the text of a damaged file gives to the next generation; 1 when there is none.
std::uint64_t numbering_of_damaged(std::string_view text);

}  // namespace moult
