#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace moult {

// An interpreter of a host in trouble, as it was then.
struct Tenant {
  std::string app;
  std::uint64_t generation = 0;
  std::uint64_t interp = 0;
  bool loading = false;                              // its app was being made
  std::vector<std::pair<int, std::string>> calls{};  // that run: worker, "GET /cart"
};

// Whose doing the trouble of a host is, and how that is known. A value.
struct Blame {
  std::string app;  // "": nobody knows
  std::uint64_t generation = 0;
  std::string evidence;  // for people: "while GET /cart of generation 3 ran"
  bool operator==(const Blame&) const = default;
};

// What the host said of who has its GIL (ipc/PROTOCOL.md, `stalled`).
struct StallNote {
  std::uint64_t interp = 0;
  std::string what;
  std::optional<int> worker;
  std::string function;
};

// Pure. Nobody is blamed for what cannot be known: `app` is empty then.
Blame blame_for_stall(const std::vector<Tenant>& tenants, const StallNote& note);
// `crashed`: the interpreter whose thread got the signal, as the host's last word. Without it only one that
// was alone in the host, or alone at work when the process ended itself, is to blame; not for a SIGKILL,
// which comes from outside.
Blame blame_for_death(const std::vector<Tenant>& tenants, std::optional<std::uint64_t> crashed,
                      bool was_killed);

}  // namespace moult
