#pragma once

#include "daemon/config/config.h"
#include "daemon/front/http/http_shared.h"
#include "daemon/route/routes.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace moult {

namespace http {
class Listener;
}

// The HTTP/1.1 front end of the daemon: its listeners and their connections. One per daemon, loop
// thread. Each listener has its Routes, which the caller owns, keeps at their address for as long as
// the server lives, and assigns anew when apps come and go; RouteTargets and their CallTargets must
// outlive the calls that went to them. Ends with stop(); destroyed while connections are open it
// cancels their calls.
class HttpServer {
 public:
  HttpServer(uv::Loop& loop, Log& log, CallNumbers& numbers, const DaemonConfig& config);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Time-outs, limits and trusted proxies of a new configuration; for connections to come.
  void configure(const DaemonConfig& config);
  // Connections leave so many descriptors to everybody else: hosts, lanes, files, the control socket.
  void reserve_descriptors(std::size_t count);
  void set_access_log(AccessLog access_log) { shared_.access_log = std::move(access_log); }

  // Binds and accepts. Blocks for a bind only.
  Result<> listen(const ListenAddress& address, const Routes& routes);
  // The same for a socket that listens already, whose file is not ours to remove.
  Result<> adopt(Fd socket, const ListenAddress& address, const Routes& routes);
  // Takes in who has already connected, then closes the socket; connections live on.
  void stop_listening(const ListenAddress& address);
  // What is bound, with the real port where 0 was asked for.
  std::vector<ListenAddress> addresses() const;
  std::optional<std::uint16_t> port_of(const ListenAddress& address) const;

  // A connection that somebody else accepted (tests).
  void add_connection(Fd socket, http::Peer peer, const Routes& routes);
  void add_cgi_connection(Fd socket, Wire wire, const Routes& routes);

  // From now on each answer is its connection's last; listeners and connections go on.
  void announce_end() { shared_.stopping = true; }
  // Closes the listeners and idle connections, lets calls in flight end with Connection: close, cuts
  // what is left at `deadline`, then calls `on_stopped` (from the loop, once).
  void stop(Milliseconds deadline, std::function<void()> on_stopped);

  const HttpCounters& counters() const { return shared_.counters; }
  // Judges all deadlines; a timer does it twice a second while there are connections.
  void sweep(SteadyTime now);

 private:
  struct Door {  // a listener and where its connections' requests go
    std::unique_ptr<http::Listener> listener;
    const Routes* routes;
    std::string local_host;
    std::string local_port;
  };

  void add(std::unique_ptr<http::Connection> connection);
  void add_door(Fd socket, const ListenAddress& address, const Routes& routes, bool inherited);
  void on_acceptable(Door& door, int most);
  void on_shortage(int error);
  bool make_room();
  bool is_full() const { return connections_.size() - leaving_ >= max_connections_; }
  void limit_slow(SteadyTime now);
  void update_accepting();
  void watch_time();
  void act_later(http::Connection& connection);
  void act_now();
  void finish_stop();

  Log& log_;
  http::HttpShared shared_;
  std::size_t max_connections_ = 0;
  int highest_fd_;  // above it the reserve begins
  std::vector<std::unique_ptr<Door>> doors_;
  std::unordered_map<http::Connection*, std::unique_ptr<http::Connection>> connections_;
  std::vector<http::Connection*> waiting_;  // to act once the stack has unwound
  uv::BeforeWait soon_;
  uv::Timer sweeper_;
  uv::Timer stop_deadline_;
  bool out_of_fds_ = false;
  std::optional<SteadyTime> shortage_told_;
  SteadyTime swept_at_{};
  std::size_t leaving_ = 0;  // connections that closed for others and are not deleted yet
  bool no_room_ = false;     // full, and nobody to be closed for another
  std::size_t closed_for_others_ = 0;
  std::optional<SteadyTime> full_told_;
  std::optional<SteadyTime> slow_told_;
  std::function<void()> on_stopped_;
};

}  // namespace moult
