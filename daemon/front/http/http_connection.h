#pragma once

#include "daemon/front/http/http_parser.h"
#include "daemon/front/http/http_shared.h"
#include "daemon/front/output.h"
#include "daemon/front/pace.h"
#include "daemon/front/static_files.h"
#include "daemon/route/routes.h"

#include <optional>

namespace moult::http {

// One client connection: reads requests, hands each to its app's CallTarget, writes the answer, one
// at a time and in order. Owned by the server from accept to is_closed(); loop thread.
//
// Re-entrance: the target may answer from inside submit(), resume() or send_body(). The connection
// never starts the next request, cancels a call or goes away from inside one of its callbacks; that
// waits for act(), so the Call stays valid for whoever is still on the stack.
class HttpConnection final : public CallClient {
 public:
  HttpConnection(HttpShared& shared, Fd socket, Peer peer, const Routes& routes);
  ~HttpConnection() override;

  void act();                  // after HttpShared::act_later
  void sweep(SteadyTime now);  // judges the deadlines
  void close_if_idle();        // nothing of a request has come; else it ends after its response
  // Closes for another that wants in, unless a request has come or it has not waited for a second yet.
  bool make_room(SteadyTime now);
  // How slow its client is while it is waited for; nothing: it is not, or not too slow for anybody.
  struct Slow {
    double rate = 0;  // bytes a second
    HttpConnection* connection = nullptr;
    CallTarget* calls = nullptr;  // null: it holds no worker
    int slow_max = 0;             // of that app
  };
  std::optional<Slow> slowness(SteadyTime now);
  void end_slow();  // for those that are not
  void cut();       // at once; its call is cancelled
  bool is_closed() const { return phase_ == Phase::closed && !call_active_; }
  // For the server's deferred list: set while the connection is on it.
  bool act_scheduled = false;

  void on_head(Call& call, const lane::Head& head, std::string_view body, End end) override;
  void on_chunk(Call& call, std::string_view data, End end) override;
  void on_file(Call& call, Fd file, std::uint64_t offset, std::uint64_t length, End end) override;
  void on_want_body(Call& call) override;
  void on_failure(Call& call, CallFailure failure, std::string_view detail) override;

 private:
  enum class Phase {
    head,       // waits for a request, or reads its head
    body,       // collects a small body
    answering,  // from submit, or the start of our own answer, to the last byte written
    draining,   // reads the rest of a body that nobody wanted
    lingering,  // answered and shut down; reads what the client still sends, so that no reset eats the answer
    closed,
  };
  enum class BodyKind { none, length, chunked };

  // http_connection.cpp: events and the life of the connection.
  void on_ready(int events);
  void on_readable();
  void on_writable();
  void update_poll();
  bool has_room() const;
  void later();
  void check_hangup();
  void client_gone();  // RST, HUP or a failed write
  void close();
  void linger();
  void take_input();
  void release_input();
  void advance();  // parses and starts as many requests as can be
  void message_over();
  void next_message();
  void begin_request();
  void log_access(bool was_cut);

  // http_connection_pace.cpp: clients that are slow, or gone.
  void note_delivery(SteadyTime now);
  void body_is_late();
  bool waits_for_body() const;

  // http_connection_request.cpp: from a parsed head to the submitted call.
  void start_request();
  Refusal resolve();
  void resolve_host(std::string_view target_authority);
  void route_request();
  void start_static(const StaticMatch& match);
  void static_done(StaticFile file);
  void collect_body();
  void submit(bool streams);
  bool pull_body();
  void feed_body();  // gives the app the next piece
  void drain_body();
  bool reads_straight() const;
  ssize_t receive();  // one read; 0 at the end, -1 on error (errno)

  // http_connection_response.cpp: the answer.
  void begin_response(const lane::Head& head, std::size_t body_size, End end);
  void send_body_piece(std::string_view data, End end);
  void write_unsent();
  void send_page(int status, std::string_view sentence, std::string_view extra_headers = {},
                 std::string_view detail = {});
  void send_empty(int status);
  void refuse(const Refusal& refusal);  // answered, and the connection closes
  void end_response();
  void after_output(Output::State state);
  void read_file_ahead();
  bool body_allows_keep_alive() const;

  HttpShared& shared_;
  Fd socket_;
  Peer peer_;
  const Routes& routes_;
  std::optional<uv::Poll> poll_;
  HttpParser parser_;
  Output output_;
  Call call_;
  Phase phase_ = Phase::head;

  // Input: [0, head_size_) is the head of the current request, [parsed_, filled_) is unread.
  InputBuffer input_;
  std::size_t filled_ = 0;
  std::size_t head_size_ = 0;
  std::size_t parsed_ = 0;
  bool eof_ = false;          // the client has shut down its side
  bool half_closed_ = false;  // the same, learned from epoll; bytes may still be in the socket

  // The body of the current request.
  BodyKind body_kind_ = BodyKind::none;
  std::uint64_t body_left_ = 0;  // BodyKind::length: bytes not yet pulled
  bool body_done_ = true;
  bool body_broken_ = false;
  bool body_streams_ = false;
  bool body_in_input_ = false;  // small and contiguous behind the head: no copy
  bool want_body_ = false;
  bool feeding_ = false;
  bool continue_owed_ = false;  // 100 Continue was asked for and not sent
  std::string staging_;         // pulled and not yet given to the app
  std::uint64_t max_body_ = 0;
  std::size_t inline_max_ = 0;  // a body up to here travels with the head
  Refusal body_refusal_;

  // Where the current request goes.
  CallTarget* calls_ = nullptr;
  std::string app_;
  bool debug_ = false;
  std::string path_;  // decoded, when it had escapes
  std::string_view path_view_;
  std::string host_;  // lower case, without port
  std::string_view query_;
  bool call_active_ = false;
  bool advancing_ = false;
  bool paused_ = false;
  std::shared_ptr<StaticJob> static_job_;

  // The answer.
  ResponsePlan plan_;
  RequestTraits traits_;
  std::string unsent_;  // head, size lines and small pieces, until act(); output_ is empty meanwhile
  bool head_sent_ = false;
  bool refused_ = false;
  bool truncated_ = false;  // the app gave less than its Content-Length
  bool response_done_ = false;
  bool file_read_under_way_ = false;
  std::shared_ptr<HttpConnection*> self_;  // for background jobs: null once we are gone
  int status_ = 0;
  std::uint64_t body_sent_ = 0;
  std::uint64_t written_before_ = 0;
  SteadyTime started_{};
  bool request_open_ = false;  // a request was read whose end has not been logged

  std::optional<SteadyTime> read_deadline_;
  std::optional<SteadyTime> send_deadline_;
  Pace body_pace_;
  Pace answer_pace_;
  std::optional<std::uint64_t> delivered_;  // of all bytes written, when it was last looked at
  int slow_max_ = 0;
  WaitingPlace waiting_;
  std::optional<SteadyTime> left_at_;  // the client's side ended; since then nothing was sent to it
  std::uint64_t lingered_ = 0;
};

}  // namespace moult::http
