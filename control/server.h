#pragma once

#include "control/listening_socket.h"
#include "control/method.h"
#include "ipc/base/log.h"
#include "ipc/uv/loop.h"

#include <list>
#include <memory>
#include <string>

namespace moult::control {

class Session;

// The bounds of one control socket; tests set smaller ones.
struct ServerLimits {
  std::size_t clients = 64;
  std::size_t requests_per_client = 32;
  std::size_t request_size = 1u << 20;
  std::size_t unread_output = 4u << 20;
  Milliseconds idle{600'000};  // a client without a request in flight
  Milliseconds half_request{30'000};
  Milliseconds stalled_write{30'000};
  Milliseconds sweep{5'000};  // how often these times are looked at
};

// A control socket and its clients: JSON-RPC lines, and GETs of HTTP. The daemon has two, one that
// allows all and one for monitors. Owned by main; ends before the loop, the Methods and the Log that
// it was given, and not from inside a handler. Replies may outlive it. Loop thread only.
class Server {
 public:
  // Binds `path` and begins to serve. Its folder is made (0700) when missing. Fails when a daemon
  // answers there already, or the path is too long. Blocks for a moment. `inherited` listens there already.
  static Result<std::unique_ptr<Server>> listen(uv::Loop& loop, const Methods& methods, Log& log,
                                                const std::string& path, Access allowed,
                                                const ServerLimits& limits = {}, Fd inherited = {});
  ~Server();  // cuts the clients, removes the socket file

  const std::string& path() const { return socket_->path(); }
  std::size_t client_count() const { return sessions_.size(); }

 private:
  friend class Session;
  Server(uv::Loop& loop, const Methods& methods, Log& log, ListeningSocket socket, Access allowed,
         const ServerLimits& limits);
  void accept_clients();
  void admit(Fd client);
  bool give_up_spare();
  void make_spares();
  void listen_to_it();
  void make_again();
  void sweep();  // deadlines of all clients
  void reap();   // destroys the sessions that have ended

  uv::Loop& loop_;
  const Methods& methods_;
  Log& log_;
  Access allowed_;
  ServerLimits limits_;
  std::unique_ptr<ListeningSocket> socket_;
  std::list<std::unique_ptr<Session>> sessions_;
  std::vector<Fd> spares_;  // given up to let a client in when there are no more descriptors
  uv::Timer sweeper_;
  uv::Timer reaper_;
  std::unique_ptr<uv::Poll> listener_;
  bool told_gone_ = false;
};

}  // namespace moult::control
