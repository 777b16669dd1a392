#include "control/ctl/commands.h"

#include <nlohmann/json.hpp>

namespace moult::ctl {

namespace {

constexpr double kImpatience = 1;  // seconds: somebody waits at the tab key

// Each asks `moultctl __complete -- WORDS…`, whose last word is the one under way, and gets one
// candidate a line.
constexpr const char* kBash = R"sh(_moultctl() {
  local IFS=$'\n'
  COMPREPLY=($(moultctl __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _moultctl moultctl
)sh";

constexpr const char* kZsh = R"sh(#compdef moultctl
_moultctl() {
  local -a found
  found=("${(@f)$(moultctl __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if (( ${#found} )) && [[ -n ${found[1]} ]]; then compadd -a found; else _files; fi
}
compdef _moultctl moultctl
)sh";

constexpr const char* kFish = R"sh(function __moultctl_complete
  set -l words (commandline -opc) (commandline -ct)
  moultctl __complete -- $words[2..-1] 2>/dev/null
end
complete -c moultctl -f -a '(__moultctl_complete)'
)sh";

}  // namespace

int run_completion(Invocation& invocation) {
  const std::string& shell = invocation.options().shell;
  invocation.print(shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish);
  return 0;
}

int run_complete(Invocation& invocation) {
  const auto& words = invocation.options().words;
  const Candidates candidates = complete(words);
  for (const std::string& word : candidates.words) invocation.print(word + "\n");
  if (!candidates.apps) return 0;
  const auto list = invocation.call("list", Json::object(), kImpatience);
  if (!list) return 0;  // no daemon, no names: the shell shows nothing
  for (const Json& app : list_at(*list, "apps")) {
    const std::string name = text_at(app, "name");
    if (words.empty() || name.starts_with(words.back())) invocation.print(name + "\n");
  }
  return 0;
}

}  // namespace moult::ctl
