#include "control/session.h"

#include "control/http.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

namespace moult::control {

namespace {

constexpr int kInvalidRequest = -32600;
constexpr std::size_t kHttpHead = 16384;

// Both directions are closed: the process at the other end has closed the socket or ended.
bool has_hung_up(int fd) {
  pollfd entry{fd, 0, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

// The way back of one request. Lives as long as its Reply; the session may go before.
class Session::Channel : public ReplyChannel {
 public:
  Channel(Session& session, ChannelKey key, std::string id)
      : session_(&session), key_(key), id_(std::move(id)) {}
  ~Channel() override { leave(); }

  void ok(const Json& result) override {
    if (is_open() && !id_.empty()) session_->send(ok_text(result));
    leave();
  }
  void fail(int code, const Error& error, const Json& more) override {
    if (is_open() && !id_.empty()) session_->send(fail_text(code, error, more));
    leave();
  }
  void progress(const Json& what) override { notify("progress", what); }
  void event(const Json& what) override { notify("event", what); }
  bool is_open() const override { return session_ != nullptr && !session_->ended_; }
  void on_gone(std::function<void()> gone) override { gone_ = std::move(gone); }

  ChannelKey key() const { return key_; }

  // The session ends. May destroy this channel.
  void tell_gone() {
    session_ = nullptr;
    const auto gone = std::exchange(gone_, nullptr);
    if (gone) gone();
  }

 protected:
  virtual std::string ok_text(const Json& result) const { return ok_line(id_, result); }
  virtual std::string fail_text(int code, const Error& error, const Json& more) const {
    return error_line(id_, code, error, more);
  }
  virtual void notify(std::string_view kind, const Json& what) {
    if (is_open() && !id_.empty()) session_->send(notice_line(kind, id_, what));
  }

 private:
  void leave() {
    gone_ = nullptr;
    if (session_ == nullptr) return;
    std::exchange(session_, nullptr)->drop_channel(key_);
  }

  Session* session_;  // null: it has ended, or this was answered
  ChannelKey key_;
  std::string id_;  // "": a notification, which nobody waits for
  std::function<void()> gone_;
};

// The same for a GET.
class Session::HttpChannel : public Session::Channel {
 public:
  HttpChannel(Session& session, ChannelKey key) : Channel(session, key, "1") {}

 protected:
  static std::string text_of(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  std::string ok_text(const Json& result) const override { return http_response(200, text_of(result)); }
  std::string fail_text(int code, const Error& error, const Json& more) const override {
    return http_response(http_status(error.code), text_of(Json{{"error", error_to_json(code, error, more)}}));
  }
  void notify(std::string_view, const Json&) override {}
};

Session::Session(Server& server, Fd fd)
    : server_(server),
      fd_(std::move(fd)),
      input_(server.limits_.request_size),
      last_request_(server.loop_.now()),
      last_input_(last_request_),
      last_write_(last_request_),
      poll_(server.loop_, fd_.get(), [this](int events) { on_ready(events); }) {}

Session::~Session() { tell_channels(); }

void Session::start() { watch(); }

void Session::on_ready(int events) {
  if (ended_) return;
  if ((events & uv::Poll::kError) != 0) return end();
  if ((events & uv::Poll::kWritable) != 0) flush();
  if ((events & uv::Poll::kReadable) != 0 && reading_) read_more();
  if (!ended_ && !reading_ && has_hung_up(fd_.get())) end();
  watch();
}

void Session::read_more() {
  char buffer[65536];
  const ssize_t count = ::recv(fd_.get(), buffer, sizeof buffer, 0);
  if (count < 0) {
    if (errno != EAGAIN && errno != EINTR) end();
    return;
  }
  last_input_ = server_.loop_.now();
  if (count == 0) return finish();  // perhaps only its sending side: answers are still due
  input_.add({buffer, static_cast<std::size_t>(count)});
  if (!sniffed_) {
    sniffed_ = true;
    is_http_ = looks_like_http(input_.rest());
  }
  is_http_ ? serve_http() : serve_lines();
}

void Session::serve_lines() {
  while (reading_ && !ended_) {
    const auto line = input_.next();
    if (!line) break;
    if (!line->empty()) serve_line(*line);
  }
  if (!input_.is_too_long() || !reading_) return;
  refuse(kInvalidRequest, Error{ErrorCode::usage, fmt::format("a request is at most {} bytes long",
                                                              server_.limits_.request_size)});
}

void Session::serve_line(const std::string& line) {
  last_request_ = server_.loop_.now();
  auto parsed = parse_request(line);
  if (const auto* bad = std::get_if<BadRequest>(&parsed)) {
    return send(error_line(bad->id, bad->code, bad->error, Json()));
  }
  const Request& request = std::get<Request>(parsed);
  if (channels_.size() >= server_.limits_.requests_per_client) {
    const Error error{ErrorCode::usage,
                      fmt::format("{} requests of this connection are in flight already", channels_.size())};
    if (!request.id.empty()) send(error_line(request.id, kInvalidRequest, error, Json()));
    return;
  }
  run(std::make_shared<Channel>(*this, next_key_++, request.id), request.method, *request.params,
      server_.allowed_);
}

void Session::run(std::shared_ptr<Channel> channel, const std::string& method, const Json& params,
                  Access allowed) {
  channels_.emplace(channel->key(), channel.get());
  try {
    server_.methods_.call(method, params, allowed, Reply(std::move(channel)));
  } catch (const Json::exception& error) {
    // A bug of that method, but not one that the apps should pay for: its Reply answered as it went.
    server_.log_.error("a control method is broken", {{"method", method}, {"error", error.what()}});
  }
}

void Session::serve_http() {
  const std::string_view bytes = input_.rest();
  const auto end_at = end_of_head(bytes);
  if (!end_at && bytes.size() <= kHttpHead) return;
  HttpRequest request = parse_http(bytes.substr(0, end_at.value_or(0)));
  last_request_ = server_.loop_.now();
  if (request.status != 200) {
    const Json body{{"error", error_to_json(rpc_code(request.error.code), request.error, Json())}};
    send(http_response(request.status, body.dump(2) + "\n"));
  } else {
    // Read-only on any socket, whatever the method turns out to be.
    run(std::make_shared<HttpChannel>(*this, next_key_++), request.method, *request.params, Access::read);
  }
  finish();
}

void Session::refuse(int code, const Error& error) {
  send(error_line("null", code, error, Json()));
  finish();
}

void Session::send(std::string_view text) {
  if (ended_) return;
  // What one answer adds is not judged: only a reader that leaves old output unread is slow.
  if (output_.size() - written_ > server_.limits_.unread_output) {
    server_.log_.warning("a control client reads too slowly and is cut");
    return end();
  }
  if (output_.empty()) last_write_ = server_.loop_.now();
  output_ += text;
  flush();
  watch();
}

void Session::flush() {
  while (!ended_ && written_ < output_.size()) {
    const ssize_t count =
        ::send(fd_.get(), output_.data() + written_, output_.size() - written_, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) break;
    if (count < 0) return end();
    written_ += static_cast<std::size_t>(count);
    last_write_ = server_.loop_.now();
  }
  if (written_ == output_.size()) {
    output_.clear();
    written_ = 0;
  } else if (written_ > output_.size() / 2) {
    output_.erase(0, written_);
    written_ = 0;
  }
}

void Session::watch() {
  if (ended_) return;
  if (!reading_ && channels_.empty() && output_.empty()) return end();
  poll_.set((reading_ ? uv::Poll::kReadable : 0) | (output_.empty() ? 0 : uv::Poll::kWritable));
}

void Session::finish() {
  reading_ = false;
  watch();
}

void Session::end() {
  if (ended_) return;
  ended_ = true;
  poll_.set(0);
  // The server reaps in a round of its own: the caller may be a handler inside this very session.
  server_.reaper_.start(Milliseconds(0), [&server = server_] { server.reap(); });
}

void Session::drop_channel(ChannelKey key) {
  channels_.erase(key);
  last_request_ = server_.loop_.now();
  if (!reading_) watch();
}

void Session::tell_channels() {
  // A callback may drop other requests of this session.
  while (!channels_.empty()) {
    Channel* const channel = channels_.begin()->second;
    channels_.erase(channels_.begin());
    channel->tell_gone();
  }
}

void Session::check_deadlines(SteadyTime now) {
  const ServerLimits& limits = server_.limits_;
  if (ended_) return;
  if (!reading_ && has_hung_up(fd_.get())) return end();
  if (!output_.empty() && now - last_write_ > limits.stalled_write) return end();
  if (reading_ && !input_.is_empty() && now - last_input_ > limits.half_request) return end();
  if (reading_ && channels_.empty() && output_.empty() && now - last_request_ > limits.idle) return end();
}

}  // namespace moult::control
