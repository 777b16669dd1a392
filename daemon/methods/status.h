#pragma once

#include "control/method.h"
#include "daemon/apps/supervisor.h"

#include <string>
#include <vector>

namespace moult {

// What the daemon is, as JSON in the shapes of docs/control.md. Functions of the state at the moment;
// none changes anything.

class Daemon;
// commands_daemon.cpp
control::Json daemon_page(const Daemon& daemon);
// That the config files on disk are not in force, and nothing else; empty when they are.
std::vector<std::string> config_warnings(const Daemon& daemon);

control::Json list_row(const App& app);
control::Json status_page(const App& app, const std::vector<std::string>& urls);
control::Json generation_rows(const App& app);
// Those alive and those remembered, the newest first.
std::vector<GenerationRecord> known_generations(const App& app);
control::Json host_rows(const Supervisor& supervisor, HostPool& hosts);
// why_page.cpp
control::Json why_page(const App& app);
std::vector<std::string> hints_of(const App& app);  // what can be done about its state
control::Json compat_page(const App& app);

// The number of a generation; null for 0, which is none.
control::Json nullable(std::uint64_t number);

// data of a code_rejected error: app, generation, serving, stage.
control::Json rejection_more(const std::string& app, const AttemptOutcome& outcome);
Error rejection_error(const AttemptOutcome& outcome);

// What an app takes where it runs: {"memory_bytes", "make_seconds"}; null when nothing serves.
control::Json price_of(const App& app);
// "interpreter", "process", or "" before the first generation: what the config calls it.
std::string isolation_word_of(const std::string& isolation);
// "shared" or "own", for the word of an isolation.
std::string gil_word(const std::string& isolation);

// What the protocol calls a cause.
std::string cause_word(CauseKind kind);
// The stages of docs/control.md.
std::string stage_word(const std::string& stage);

}  // namespace moult
