#pragma once

#include "daemon/config/config.h"
#include "daemon/config/setting.h"
#include "daemon/config/value.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace moult {

// A config while it is read: the values so far, where each was written, and which keys had errors (so
// that one mistake is not told twice). A value inside load_config.
template <typename C>
struct Draft {
  C config;
  std::map<std::string, Origin> origins;  // by key of the setting, never its alias
  std::set<std::string> bad_keys;

  // Where `key` was written, else the top of the file.
  Origin origin(const std::string& key) const {
    const auto found = origins.find(key);
    return found == origins.end() ? Origin{config.source_file, 1, 0} : found->second;
  }
};
using AppDraft = Draft<AppConfig>;
using DaemonDraft = Draft<DaemonConfig>;

// Applies the keys of `table` that `settings` know to `draft`. The others come back.
template <typename C>
std::vector<const Member*> apply_settings(const Value::Table& table, const std::vector<Setting<C>>& settings,
                                          ValueReader& reader, Draft<C>& draft) {
  std::vector<const Member*> unknown;
  std::set<std::string> seen;
  for (const Member& member : table) {
    const Setting<C>* found = nullptr;
    for (const Setting<C>& setting : settings) {
      if (setting.key == member.key || (!setting.alias.empty() && setting.alias == member.key))
        found = &setting;
    }
    if (found == nullptr) {
      unknown.push_back(&member);
      continue;
    }
    reader.set_key(member.key);
    const Origin place{reader.file(), member.line, member.column};
    if (!seen.insert(found->key).second) {
      reader.error(place, "`" + found->key + "` and `" + found->alias + "` are the same setting",
                   "write one of them");
    }
    found->read(reader, member.value, draft.config);
    draft.origins[found->key] = place;
    if (reader.bad_keys().count(member.key) != 0) draft.bad_keys.insert(found->key);
  }
  return unknown;
}

// Fills in what follows from other settings (the entry that is found in the tree), and checks what
// must hold between the settings of one app. Looks at the disk.
void finish_app(AppDraft& app, ConfigErrors& errors);

// What must hold between apps: one app for each route of a listener, and listeners that can all be
// bound. Drafts with errors in those keys are left out.
void check_apps(const DaemonDraft& daemon, const std::vector<AppDraft>& apps, ConfigErrors& errors);

}  // namespace moult
