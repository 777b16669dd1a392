#pragma once

#include "ipc/base/error.h"

#include <tl/expected.hpp>

#include <utility>

namespace moult {

// A value, or the Error that says why there is none. Everything that the outside can cause (the
// OS, a peer, the config, Python) comes back as one of these; only our own bugs abort.
template <typename T = void>
using Result = tl::expected<T, Error>;

using Failure = tl::unexpected<Error>;

inline Failure fail(Error error) { return Failure(std::move(error)); }

}  // namespace moult

// Returns the error of `expression` from the calling function, or goes on.
#define MOULT_TRY(expression)                              \
  do {                                                     \
    if (auto moult_try_ = (expression); !moult_try_) {     \
      return ::moult::fail(std::move(moult_try_.error())); \
    }                                                      \
  } while (false)

#define MOULT_JOIN_(a, b) a##b
#define MOULT_JOIN(a, b) MOULT_JOIN_(a, b)

// Declares `declaration` with the value of `expression`, or returns its error.
#define MOULT_ASSIGN(declaration, expression) \
  MOULT_ASSIGN_(MOULT_JOIN(moult_assign_, __LINE__), declaration, expression)
#define MOULT_ASSIGN_(holder, declaration, expression) \
  auto holder = (expression);                          \
  if (!holder) {                                       \
    return ::moult::fail(std::move(holder.error()));   \
  }                                                    \
  declaration = std::move(*holder)
