#pragma once

#include "control/ctl/invocation.h"

#include <string>

namespace moult::ctl {

// Runs what the options ask for and returns the exit code.
int run(Invocation& invocation);

// The commands, by kind. Each returns its exit code, or -1 when the command is none of its own.
int run_looking(Invocation& invocation);
int run_changing(Invocation& invocation);
int run_stream(Invocation& invocation);
int run_calls(Invocation& invocation);

// Of their own files.
int run_ensure(Invocation& invocation);
int run_diff(Invocation& invocation);
int run_imports(Invocation& invocation);
int run_doctor(Invocation& invocation);
int run_front(Invocation& invocation);
int run_completion(Invocation& invocation);
int run_complete(Invocation& invocation);

// The one app that a command is about: named, or the only one that there is.
Result<std::string> one_app(Invocation& invocation);
Result<std::vector<std::string>> all_app_names(Invocation& invocation);

}  // namespace moult::ctl
