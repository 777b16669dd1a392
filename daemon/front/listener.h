#pragma once

#include "daemon/config/config.h"
#include "ipc/base/fd.h"
#include "ipc/uv/loop.h"

#include <sys/types.h>
#include <functional>
#include <optional>
#include <string>

namespace moult::http {

// A bound and listening socket, non-blocking and close-on-exec. A unix socket gets its mode and
// group before anybody can connect; a file left over by a dead server is replaced, a living
// server's or another kind of file is an error. Blocks (a connect to a unix socket at most).
Result<Fd> open_listener(const ListenAddress& address);

// One listening socket: tells when connections wait. Owned by the server, loop thread. A unix
// socket's file is removed at the end when it is still the one that was bound here.
class Listener {
 public:
  // `on_ready` accepts with accept_one().
  Listener(uv::Loop& loop, Fd socket, ListenAddress address, std::function<void()> on_ready);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const ListenAddress& address() const { return address_; }
  std::uint16_t port() const;  // the bound one; 0 for a unix socket
  bool has_waiting() const;    // somebody who is not accepted yet
  void set_accepting(bool accepting);

  struct Accepted {
    Fd socket;            // none: see `error`
    int error = 0;        // errno of accept4; EAGAIN: nobody waits
    std::string address;  // numeric; empty on a unix socket
    std::string port;
  };
  Accepted accept_one();

  // Leaves a unix socket's file to another process that has the socket now.
  void keep_file() { owns_file_ = false; }

 private:
  Fd socket_;
  ListenAddress address_;
  bool owns_file_ = false;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  std::optional<uv::Poll> poll_;
};

}  // namespace moult::http
