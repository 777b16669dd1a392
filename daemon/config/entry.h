#pragma once

#include "ipc/base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace moult {

// What AppConfig::entry names. `file`: `name` is a path relative to the tree, "app.py"; `django`: the
// same of a manage.py; `module`: a dotted name that is imported with the tree on sys.path, unless the tree
// has a file of that very name ("proj.wsgi"). Only a snapshot can tell: the file may come and go.
enum class EntryKind { file, module, django };

struct Entry {
  EntryKind kind = EntryKind::file;
  std::string name;
  bool operator==(const Entry&) const = default;
};

// By its looks alone. `text` is not empty: "app.py", "site/app.wsgi", "package.module", "manage.py".
Entry classify_entry(std::string_view text);

// "name", "package.module": what Python calls a dotted name, letters beyond ASCII included.
bool is_dotted_name(std::string_view text);
// "app", "site.app", "create_app()", "create_app('live', debug=True)". What stands between the brackets is
// read by Python when it is called.
bool is_callable_name(std::string_view text);

// The names that are tried, in this order, where no entry is configured.
const std::vector<std::string>& entry_names();

// Those of entry_names() that lie in `folder`. Blocks (stat).
std::vector<std::string> entries_in(const std::string& folder);

// The one of entry_names() that lies in `folder`. None or several: an error that says what was looked
// for and what to write. Blocks (stat).
Result<Entry> find_entry(const std::string& folder);

// "app.py:create_app" -> {"app.py", "create_app"}; without a callable its part is "". Arguments of the
// callable may hold colons, and so may the name of a file.
struct EntryText {
  std::string entry;
  std::string callable;
};
EntryText split_entry(std::string_view text);

}  // namespace moult
