#pragma once

#include "interp/py/python.h"
#include "ipc/host_commands.h"

#include <memory>

namespace moult {

// What a host says when a signal such as SIGSEGV ends it: whose interpreter the thread was in. Signal
// handlers know no argument: hence functions, and one state for the process. What was there before
// (faulthandler's dump, the end of the process) follows.
namespace last_words {

// By main, once Python has its handlers.
void install(int channel);

// For as long as the interpreter lives; from any thread. What is past 256 of them stays nameless.
void enter(PyInterpreterState* interpreter, InterpNumber interp);
void leave(PyInterpreterState* interpreter);

// Room for the handler on the calling thread: its own stack may be what has run out. On the stack of the
// thread, for as long as that runs code of the app.
class Stack {
 public:
  Stack();
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

 private:
  std::unique_ptr<char[]> room_;
};

}  // namespace last_words

}  // namespace moult
