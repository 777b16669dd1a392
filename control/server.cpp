#include "control/server.h"

#include "control/session.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <utility>

namespace moult::control {

namespace {

constexpr int kAcceptsPerRound = 64;

void warn_of_open_folder(Log& log, const std::string& path) {
  const std::string folder = path.substr(0, path.rfind('/'));
  struct stat status {};
  if (::stat(folder.empty() ? "/" : folder.c_str(), &status) != 0) return;
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0) return;
  log.warning("others can write to the folder of the control socket", {{"folder", folder}});
}

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(uv::Loop& loop, const Methods& methods, Log& log,
                                               const std::string& path, Access allowed,
                                               const ServerLimits& limits, Fd inherited) {
  MOULT_ASSIGN(ListeningSocket socket,
               inherited ? ListeningSocket::adopt(std::move(inherited), path) : ListeningSocket::bind(path));
  warn_of_open_folder(log, path);
  return std::unique_ptr<Server>(new Server(loop, methods, log, std::move(socket), allowed, limits));
}

Server::Server(uv::Loop& loop, const Methods& methods, Log& log, ListeningSocket socket, Access allowed,
               const ServerLimits& limits)
    : loop_(loop),
      methods_(methods),
      log_(log),
      allowed_(allowed),
      limits_(limits),
      socket_(std::make_unique<ListeningSocket>(std::move(socket))),
      sweeper_(loop),
      reaper_(loop) {
  make_spares();
  listen_to_it();
  sweeper_.start_repeating(limits_.sweep, [this] { sweep(); });
}

Server::~Server() {
  // The callbacks of clients that go may not find a server that is half gone.
  auto sessions = std::move(sessions_);
  sessions_.clear();
  sessions.clear();
}

void Server::accept_clients() {
  for (int accepted = 0; accepted < kAcceptsPerRound; ++accepted) {
    Fd client(::accept4(socket_->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (client) {
      admit(std::move(client));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return;
    const int reason = errno;
    if ((reason == EMFILE || reason == ENFILE) && give_up_spare()) continue;
    errno = reason;
    // Out of descriptors or memory: the listener would be ready again at once. The next sweep goes on.
    log_.error("cannot accept a control client", {{"error", last_os_error("accept4").message}});
    listener_->set(0);
    return;
  }
}

// Whoever comes to see why nothing works must get in.
bool Server::give_up_spare() {
  if (spares_.empty()) return false;
  spares_.pop_back();
  return true;
}

void Server::make_spares() {
  constexpr std::size_t kSpares = 4;
  while (spares_.size() < kSpares) {
    Fd spare(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!spare) return;
    spares_.push_back(std::move(spare));
  }
}

void Server::admit(Fd client) {
  const auto uid = peer_uid(client.get());
  const bool full = sessions_.size() >= limits_.clients;
  // Sessions that only say no are bounded too: beyond twice the limit there is no answer at all.
  if (!uid || sessions_.size() >= 2 * limits_.clients) return;
  auto session = std::make_unique<Session>(*this, std::move(client));
  Session& here = *session;
  sessions_.push_back(std::move(session));
  if (!may_use(*uid, ::geteuid())) {
    log_.warning("a control client of another user was refused", {{"uid", *uid}});
    here.refuse(rpc_code(ErrorCode::denied),
                Error{ErrorCode::denied,
                      fmt::format("this daemon belongs to uid {}, you are uid {}", ::geteuid(), *uid)});
  } else if (full) {
    here.refuse(rpc_code(ErrorCode::failed),
                Error{ErrorCode::failed,
                      fmt::format("{} clients are connected, no more are taken", limits_.clients)});
  } else {
    here.start();
  }
}

void Server::listen_to_it() {
  listener_ = std::make_unique<uv::Poll>(loop_, socket_->fd(), [this](int) { accept_clients(); });
  listener_->set(uv::Poll::kReadable);
}

// Whoever tidied the folder away would else find no daemon, and could start none either.
void Server::make_again() {
  if (!socket_->is_gone()) return;
  auto made = ListeningSocket::bind(socket_->path());
  if (!made) {
    if (!std::exchange(told_gone_, true))
      log_.error("the control socket was removed, and cannot be made again",
                 {{"error", made.error().message}});
    return;
  }
  told_gone_ = false;
  listener_.reset();
  socket_ = std::make_unique<ListeningSocket>(std::move(*made));
  listen_to_it();
  log_.warning("the control socket was removed; it is made again", {{"path", socket_->path()}});
}

void Server::sweep() {
  make_spares();
  make_again();
  listener_->set(uv::Poll::kReadable);
  for (const auto& session : sessions_) session->check_deadlines(loop_.now());
}

void Server::reap() {
  // Ended sessions leave the list first: what their clients' handlers do may end further ones.
  std::list<std::unique_ptr<Session>> ended;
  for (auto next = sessions_.begin(); next != sessions_.end();) {
    const auto now = next++;
    if ((*now)->has_ended()) ended.splice(ended.end(), sessions_, now);
  }
  ended.clear();
  make_spares();
}

}  // namespace moult::control
