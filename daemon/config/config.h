#pragma once

#include "ipc/base/clock.h"
#include "ipc/base/result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace moult {

enum class Toggle { off, on };
enum class GilMode { automatic, own, shared };
enum class Isolation { automatic, interpreter, process };
enum class SignalPolicy { ignore, error };
// What becomes of a new generation whose adopt hook raises: it starts without the state, or not at all.
enum class AdoptPolicy { optional, required };
// What the interpreter that waits for the next change has imported already.
enum class SparePolicy { off, stdlib, packages };

// The lanes of an interpreter travel in one message, which holds at most 253 descriptors (unix(7)).
inline constexpr int kThreadsMax = 250;

// What is spoken on a listener.
enum class Wire { http, fcgi, scgi, uwsgi };
std::string_view to_string(Wire wire);  // "http", "fcgi", ...

// Where a front end listens. Exactly one of (host, port) and path is set.
struct ListenAddress {
  std::string host;  // "127.0.0.1", "::1"; numeric or "localhost"
  std::uint16_t port = 0;
  std::string unix_path;  // absolute
  int mode = 0600;        // of the unix socket; 0660 where `group` is given and no mode
  std::string group{};    // of the unix socket; empty: the user's
  Wire wire = Wire::http;

  bool is_unix() const { return !unix_path.empty(); }
  bool operator==(const ListenAddress&) const = default;
};
// "127.0.0.1:8000", "unix:/run/…"; what is not HTTP with its scheme: "fcgi:unix:/run/…".
std::string to_string(const ListenAddress& address);
// "HOST:PORT", "[IPV6]:PORT", "unix:PATH", each also behind "http:", "fcgi:", "scgi:" or "uwsgi:". A relative
// path stays relative: the caller knows to what.
Result<ListenAddress> parse_listen(std::string_view text);

// "example.org/shop": an empty host is any host, the prefix is "" or starts with '/' and has no '/'
// at its end.
struct RoutePattern {
  std::string host;  // lower case, without port
  std::string prefix;
  bool operator==(const RoutePattern&) const = default;
};
Result<RoutePattern> parse_route(std::string_view text);

// One app, with every default filled in and every path absolute.
struct AppConfig {
  std::string name;
  std::string source_file;  // the config file that it came from; empty: `moultd run`

  // The code: exactly as given. `tree` is not resolved here (a release folder may be a symlink that
  // changes); it is at each snapshot.
  std::string tree;
  std::string entry;     // "app.py", "package.module", "manage.py" (entry.h); never "" once loaded
  std::string callable;  // "" tries application, app, create_app()
  // The target was one file (`moultd run FILE`): the snapshot may keep to that file and the folders
  // it imports from where the tree is the home folder, / or the temporary folder, or is too large.
  bool single_file_allowed = false;

  std::vector<RoutePattern> routes;                 // empty: everything on the daemon's listeners
  std::vector<ListenAddress> listen;                // empty: the daemon's
  std::map<std::string, std::string> static_files;  // "/static/" -> folder

  std::string python;  // "" = the venv's, else python3 of PATH
  std::string venv;
  bool venv_sees_system = false;  // what its pyvenv.cfg says of the packages of the Python behind it
  std::string python_note;        // which was taken, and why (python_choice.h); "": nothing chose
  std::vector<std::string> path;  // sys.path entries before the installation's
  std::string cwd;                // "" = the tree's root
  std::map<std::string, std::string> env;
  std::string env_file;  // its variables stand under those of `env`; read anew for each generation
  std::vector<std::string> python_flags;

  int threads = 4;
  int interpreters = 1;
  GilMode gil = GilMode::automatic;
  Isolation isolation = Isolation::automatic;
  std::string group;
  SignalPolicy signals = SignalPolicy::ignore;
  std::vector<std::string> preload;       // modules that are imported before the entry
  std::vector<std::string> exports;       // "module:function": what other apps and scripts may call
  std::uint64_t max_payload = 16u << 20;  // of the arguments of one call, and of its result
  int scratch_interpreters = 4;           // that the app may make for itself at a time
  AdoptPolicy adopt = AdoptPolicy::optional;
  Milliseconds handoff_timeout{5'000};  // for the hooks that move state to a new generation

  Toggle reload = Toggle::on;
  std::vector<std::string> watch;   // extra files and folders
  bool watch_templates = true;      // data files that the generation opened count
  std::vector<std::string> ignore;  // gitignore patterns
  Toggle polling = Toggle::off;     // on: never inotify
  Milliseconds settle{100};
  Milliseconds settle_max{5000};
  Milliseconds start_timeout{60'000};
  std::vector<std::string> warmup;
  Milliseconds drain_timeout{300'000};
  Milliseconds keep_previous{60'000};
  Milliseconds retire_timeout{10'000};
  int max_draining = 3;

  int queue = 100;
  Milliseconds queue_timeout{30'000};
  Milliseconds call_timeout{0};  // 0: none. Past it the call gets 504 and its worker is interrupted
  std::uint64_t max_body = 64u << 20;
  bool retry_safe = false;
  bool debug = false;
  bool log_imports = false;
  SparePolicy spare = SparePolicy::stdlib;
  std::uint64_t log_max_size = 10u << 20;  // of the app's log before it rotates
  int log_keep = 5;                        // rotated logs kept

  bool operator==(const AppConfig&) const = default;
};

struct DaemonConfig {
  std::string folder;                                // of moult.toml; empty: no config (moultd run)
  std::string source_file;                           // moult.toml; empty when there is none
  std::vector<ListenAddress> listen;                 // loaded without the key: 127.0.0.1:8000
  std::vector<std::string> trusted_proxies{"unix"};  // "unix", addresses, CIDR blocks
  int hosts = 0;                                     // 0: the least of cores, apps and 4
  std::uint64_t host_memory_growth = 256u << 20;  // bytes of growth after which a host is recycled; 0: never
  Toggle reload = Toggle::on;  // the config folder itself is watched and its changes applied
  Milliseconds header_timeout{10'000};
  Milliseconds body_timeout{30'000};  // between two reads of a body
  Milliseconds idle_timeout{75'000};  // keep-alive
  Milliseconds send_timeout{60'000};  // a client that reads nothing
  std::uint64_t min_rate = 500;       // bytes a second that a client must average, up and down; 0: any
  int max_connections = 1000;
  std::uint64_t snapshot_max_bytes = 512u << 20;  // kept per app
  int snapshot_keep = 5;
  std::uint64_t bytecode_cache = 64u << 20;  // bytes of compiled code kept on the disk; 0: none
  bool access_log = false;

  bool operator==(const DaemonConfig&) const = default;
};

struct Config {
  DaemonConfig daemon;
  std::vector<AppConfig> apps;  // sorted by name
  bool operator==(const Config&) const = default;
};

// All that is wrong with a config folder: each error with file, line and a hint. Never empty.
using ConfigErrors = std::vector<Error>;

// Reads FOLDER/moult.toml (may be missing) and FOLDER/apps/*.toml. Blocks: background thread or start-up.
tl::expected<Config, ConfigErrors> load_config(const std::string& folder);

// `moultd run PATH[:CALLABLE]`: what to serve, found from a file, a folder or a module name.
struct RunOptions {
  std::string target;
  std::vector<std::string> listen;  // none = 127.0.0.1:8000
  int threads = 4;
  std::string python;
  std::string venv;
  std::string name;
  std::string isolation;
  std::string env_file;
  std::vector<std::string> routes;
  std::vector<std::string> static_folders;  // "URL=DIR"
  bool debug = false;
  bool quiet = false;  // no line per request
};
// Errors have ErrorCode::usage and say what was looked for. Looks at the disk; blocks.
Result<Config> config_for_run(const RunOptions& options, const std::string& current_folder);

// "250ms", "5s", "2min", "1h", or a number of seconds.
Result<Milliseconds> parse_duration(std::string_view text);
// "64MiB", "10kB", "512", bytes.
Result<std::uint64_t> parse_size(std::string_view text);
// The candidate closest to `word` by edit distance, "" when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace moult
