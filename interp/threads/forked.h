#pragma once

#include <mutex>

namespace moult {

// What of a host does not go over into a process that its app forks, by pthread_atfork(3), which knows no
// argument: hence functions, and one state for the process. Only an app in the main interpreter can fork;
// commands that are started (subprocess) keep nothing of it anyway.
namespace forked {

// Before and after the host has set its signal handlers: a child gets those of before, where they are still
// ours.
void signals_are_pythons();
void signals_are_ours();

// A lane or a pipe of the host's own. In a child its number stands for a socket without a peer: the child
// neither answers calls nor hides from the daemon that the host is dead.
void close_in_child(int descriptor);

// Held while a fork is made, so that the child finds it free. It must outlive the process' last fork.
void hold(std::mutex& mutex);

// Is this such a child? It has one thread, and leaves the process where a worker would go on.
bool is_child();

}  // namespace forked

}  // namespace moult
