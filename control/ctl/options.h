#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace moult::ctl {

// What a command line of moultctl asks for. A value that main makes once.
struct Options {
  std::string command;  // "list", "config show"
  std::string socket;
  bool json = false;
  bool quiet = false;
  bool no_colour = false;
  std::optional<double> timeout;  // seconds

  std::vector<std::string> apps;  // names and patterns
  bool all = false;
  std::string wait;  // "": the method's default
  bool only_if_changed = false;
  std::optional<std::uint64_t> generation;
  std::optional<std::uint64_t> host;
  std::string until;
  std::optional<double> deploy_seconds;  // deploy begin
  std::uint64_t lines = 100;
  bool follow = false;
  std::string stream;
  std::string since;
  std::vector<std::string> filters;
  std::string function;            // call
  std::string arguments;           // call: JSON text; "": none
  std::string call_name;           // stack, kill
  std::vector<std::string> sides;  // diff: from, to
  bool names_alone = false;        // diff
  bool counts_alone = false;
  std::string sort = "total";  // imports
  std::string property;
  std::string folder;              // config check, ensure
  std::string shell;               // completion
  std::string front;               // front: the front server
  std::vector<std::string> words;  // __complete: the words before the cursor, the last one under way
};

// Why no command is to be run: help or version to print, or a wrong command line (2).
struct Quit {
  int code = 0;
  std::string text;
  bool json = false;  // of a wrong command line: the answer is to be JSON
};

std::variant<Options, Quit> parse_options(const std::vector<std::string>& arguments);

// "30", "1.5", "500ms", "2min", "1h" in seconds.
std::optional<double> parse_seconds(const std::string& text);

// What can stand where the last of `words` is being typed: sub-commands and options, and whether names
// of apps fit there too.
struct Candidates {
  std::vector<std::string> words;
  bool apps = false;
};
Candidates complete(const std::vector<std::string>& words);

}  // namespace moult::ctl
