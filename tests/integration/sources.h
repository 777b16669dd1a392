#pragma once

#include <string>
#include <string_view>

namespace moult::testing {

// The text of an app.py that answers every request with `answer`.
inline std::string answers(std::string_view answer) {
  return "def application(environ, start_response):\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [b'" +
         std::string(answer) + "']\n";
}

// The same; each call first runs this one line of Python.
inline std::string answers_after(std::string_view line, std::string_view answer) {
  return "import os, sys, time\n"
         "def application(environ, start_response):\n"
         "    " +
         std::string(line) +
         "\n"
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [b'" +
         std::string(answer) + "']\n";
}

// A module that imports `module` inside the call and answers with its VERSION.
inline std::string answers_with_late_import(std::string_view module) {
  return "def application(environ, start_response):\n"
         "    import " +
         std::string(module) + " as late\n" +
         "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
         "    return [str(late.VERSION).encode()]\n";
}

}  // namespace moult::testing
