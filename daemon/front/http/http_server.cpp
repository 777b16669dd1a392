#include "daemon/front/http/http_server.h"

#include "daemon/front/cgi/cgi_connection.h"
#include "daemon/front/http/http_connection.h"
#include "daemon/front/listener.h"
#include "ipc/base/descriptor_limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <limits>

namespace moult {

namespace {

constexpr int kAcceptsPerWakeUp = 32;
constexpr Milliseconds kSweepPeriod{500};
constexpr Milliseconds kTellAgain{10'000};

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

HttpServer::HttpServer(uv::Loop& loop, Log& log, CallNumbers& numbers, const DaemonConfig& config)
    : log_(log),
      shared_(loop, log, numbers),
      highest_fd_(static_cast<int>(descriptor_limit())),
      soon_(loop, [this] { act_now(); }),
      sweeper_(loop),
      stop_deadline_(loop) {
  shared_.act_later = [this](http::Connection& connection) { act_later(connection); };
  configure(config);
}

HttpServer::~HttpServer() {
  shared_.act_later = [](http::Connection&) {};
  connections_.clear();
}

void HttpServer::configure(const DaemonConfig& config) {
  shared_.header_timeout = config.header_timeout;
  shared_.body_timeout = config.body_timeout;
  shared_.idle_timeout = config.idle_timeout;
  shared_.send_timeout = config.send_timeout;
  shared_.min_rate = static_cast<double>(config.min_rate);
  shared_.trusted = {};
  for (const std::string& proxy : config.trusted_proxies) {
    if (!shared_.trusted.add(proxy)) log_.warning("a trusted proxy is no address", {{"proxy", proxy}});
  }
  max_connections_ = static_cast<std::size_t>(std::max(config.max_connections, 1));
}

void HttpServer::reserve_descriptors(std::size_t count) {
  const std::uint64_t limit = descriptor_limit();
  highest_fd_ =
      static_cast<int>(limit - std::min<std::uint64_t>(count, limit - std::min<std::uint64_t>(limit, 16)));
}

// ---- listeners

Result<> HttpServer::listen(const ListenAddress& address, const Routes& routes) {
  MOULT_ASSIGN(Fd socket, http::open_listener(address));
  add_door(std::move(socket), address, routes, false);
  return {};
}

Result<> HttpServer::adopt(Fd socket, const ListenAddress& address, const Routes& routes) {
  MOULT_TRY(set_nonblocking(socket));
  add_door(std::move(socket), address, routes, true);
  return {};
}

void HttpServer::add_door(Fd socket, const ListenAddress& address, const Routes& routes, bool inherited) {
  auto door = std::make_unique<Door>();
  door->listener =
      std::make_unique<http::Listener>(shared_.loop, std::move(socket), address,
                                       [this, raw = door.get()] { on_acceptable(*raw, kAcceptsPerWakeUp); });
  if (inherited) door->listener->keep_file();
  door->routes = &routes;
  door->local_host = address.is_unix() || address.host.empty() ? "localhost" : address.host;
  door->local_port = address.is_unix() ? "" : std::to_string(door->listener->port());
  doors_.push_back(std::move(door));
  update_accepting();
}

void HttpServer::stop_listening(const ListenAddress& address) {
  const auto found = std::ranges::find_if(
      doors_, [&address](const std::unique_ptr<Door>& door) { return door->listener->address() == address; });
  if (found == doors_.end()) return;
  // Closing would reset those who wait in the backlog; there is room for them in the fd reserve only
  // when connections are scarce, so it is bounded all the same.
  on_acceptable(**found, std::numeric_limits<int>::max());
  doors_.erase(found);
}

std::vector<ListenAddress> HttpServer::addresses() const {
  std::vector<ListenAddress> result;
  for (const auto& door : doors_) {
    result.push_back(door->listener->address());
    if (!result.back().is_unix()) result.back().port = door->listener->port();
  }
  return result;
}

std::optional<std::uint16_t> HttpServer::port_of(const ListenAddress& address) const {
  for (const auto& door : doors_) {
    if (door->listener->address() == address) return door->listener->port();
  }
  return std::nullopt;
}

void HttpServer::on_acceptable(Door& door, int most) {
  for (int i = 0; i < most && !out_of_fds_; ++i) {
    if (is_full() && !(door.listener->has_waiting() && make_room())) break;
    http::Listener::Accepted accepted = door.listener->accept_one();
    if (!accepted.socket) {
      if (is_shortage(accepted.error)) {
        on_shortage(accepted.error);
      } else if (accepted.error != EAGAIN && accepted.error != EWOULDBLOCK) {
        continue;  // that connection was gone before we came (accept(2))
      }
      break;
    }
    // Descriptors are given out from below, so this one tells how many are in use.
    out_of_fds_ = accepted.socket.get() >= highest_fd_;
    ++shared_.counters.accepted;
    if (const Wire wire = door.listener->address().wire; wire != Wire::http) {
      add_cgi_connection(std::move(accepted.socket), wire, *door.routes);
      continue;
    }
    http::Peer peer;
    peer.trusted = door.listener->address().is_unix() ? shared_.trusted.trusts_unix()
                                                      : shared_.trusted.trusts(accepted.address);
    peer.address = std::move(accepted.address);
    peer.port = std::move(accepted.port);
    peer.local_host = door.local_host;
    peer.local_port = door.local_port;
    add_connection(std::move(accepted.socket), std::move(peer), *door.routes);
  }
  update_accepting();
}

void HttpServer::on_shortage(int error) {
  out_of_fds_ = true;
  watch_time();
  const SteadyTime now = shared_.loop.now();
  if (shortage_told_ && now - *shortage_told_ < kTellAgain) return;
  shortage_told_ = now;
  log_.warning("no descriptors or memory for another connection", {{"errno", error}});
}

// Closes the connection that has waited longest without a request, or for the rest of a head.
bool HttpServer::make_room() {
  constexpr int kLooked = 16;  // at those that cannot go: a request lies in their socket
  const SteadyTime now = std::max(shared_.loop.now(), swept_at_);
  http::WaitingPlace* place = shared_.waiting.first();
  no_room_ = true;
  for (int i = 0; i < kLooked && place != nullptr && no_room_; ++i) {
    http::WaitingPlace* const next = place->next;
    no_room_ = !place->connection->make_room(now);
    place = next;
  }
  if (!no_room_) {
    ++leaving_;
    ++closed_for_others_;
  }
  if (!full_told_ || now - *full_told_ >= kTellAgain) {
    full_told_ = now;
    log_.warning(no_room_
                     ? "max_connections is reached: nobody is idle, and further clients wait"
                     : "max_connections is reached: the longest idle connections are closed for new ones",
                 {{"max_connections", max_connections_}, {"closed", std::exchange(closed_for_others_, 0)}});
  }
  return !no_room_;
}

// Ends the slowest of those who are too many: who hold workers that others wait for, and half of all
// connections when there is no room for another.
void HttpServer::limit_slow(SteadyTime now) {
  std::vector<http::Connection::Slow> slow;
  for (const auto& [raw, connection] : connections_) {
    if (const auto one = connection->slowness(now)) slow.push_back(*one);
  }
  std::ranges::sort(slow, std::greater(), &http::Connection::Slow::rate);
  std::unordered_map<CallTarget*, int> holders;
  std::size_t kept = 0;
  int ended = 0;
  for (const auto& one : slow) {
    const bool too_many_workers =
        one.calls != nullptr && one.calls->is_crowded() && ++holders[one.calls] > std::max(one.slow_max, 1);
    if (!too_many_workers && !(no_room_ && kept >= max_connections_ / 2)) {
      ++kept;
      continue;
    }
    one.connection->end_slow();
    ++ended;
  }
  if (ended == 0 || (slow_told_ && now - *slow_told_ < kTellAgain)) return;
  slow_told_ = now;
  log_.warning("slow clients were ended, for others wait", {{"clients", ended}});
}

// The timer runs only while there is something to watch, so an idle daemon sleeps.
void HttpServer::watch_time() {
  const bool needed = out_of_fds_ || !connections_.empty();
  if (needed && !sweeper_.is_active()) {
    sweeper_.start_repeating(kSweepPeriod, [this] { sweep(shared_.loop.now()); });
  } else if (!needed) {
    sweeper_.stop();
  }
}

void HttpServer::update_accepting() {
  const bool accepting = !(is_full() && no_room_) && !out_of_fds_;
  for (const auto& door : doors_) door->listener->set_accepting(accepting);
}

// ---- connections

void HttpServer::add_connection(Fd socket, http::Peer peer, const Routes& routes) {
  add(std::make_unique<http::HttpConnection>(shared_, std::move(socket), std::move(peer), routes));
}

void HttpServer::add_cgi_connection(Fd socket, Wire wire, const Routes& routes) {
  add(std::make_unique<cgi::CgiConnection>(shared_, std::move(socket), wire, routes));
}

void HttpServer::add(std::unique_ptr<http::Connection> connection) {
  connections_.emplace(connection.get(), std::move(connection));
  shared_.counters.open = connections_.size();
  watch_time();
}

void HttpServer::act_later(http::Connection& connection) {
  if (connection.act_scheduled) return;
  connection.act_scheduled = true;
  waiting_.push_back(&connection);
  if (waiting_.size() == 1) soon_.request();
}

void HttpServer::act_now() {
  leaving_ = 0;
  const std::vector<http::Connection*> now = std::exchange(waiting_, {});
  for (http::Connection* connection : now) {
    connection->act_scheduled = false;
    connection->act();
    if (connection->is_closed() && !connection->act_scheduled) connections_.erase(connection);
  }
  if (connections_.size() != shared_.counters.open) {
    shared_.counters.open = connections_.size();
    out_of_fds_ = no_room_ = false;
    update_accepting();
    watch_time();
  }
  if (connections_.empty() && on_stopped_) finish_stop();
}

void HttpServer::sweep(SteadyTime now) {
  swept_at_ = now;
  for (const auto& [raw, connection] : connections_) connection->sweep(now);
  limit_slow(now);
  if (!out_of_fds_ && !no_room_) return;
  out_of_fds_ = no_room_ = false;  // others may have closed theirs, or be idle
  update_accepting();
  watch_time();
}

// ---- the end

void HttpServer::stop(Milliseconds deadline, std::function<void()> on_stopped) {
  while (!doors_.empty()) stop_listening(doors_.back()->listener->address());
  shared_.stopping = true;
  on_stopped_ = std::move(on_stopped);
  for (const auto& [raw, connection] : connections_) connection->close_if_idle();
  if (connections_.empty()) {
    soon_.request();
    return;
  }
  stop_deadline_.start(deadline, [this] {
    if (!connections_.empty()) {
      log_.warning("connections were cut at the end", {{"connections", connections_.size()}});
    }
    for (const auto& [raw, connection] : connections_) connection->cut();
  });
}

void HttpServer::finish_stop() {
  stop_deadline_.stop();
  const auto announce = std::exchange(on_stopped_, nullptr);
  if (announce) announce();
}

}  // namespace moult
