#pragma once

#include "daemon/front/exchange.h"
#include "daemon/front/http/http_parser.h"
#include "daemon/front/http/http_shared.h"
#include "daemon/front/output.h"
#include "daemon/front/pace.h"
#include "daemon/front/response.h"

#include <optional>

namespace moult::http {

// One client connection, a wire of HTTP/1.1: reads requests, gives each to its Exchange and frames the
// answer, one at a time and in order. It knows nothing of apps. Owned by the server from accept to
// is_closed(); loop thread.
//
// Re-entrance: the answer may come from inside begin(), give_body() or note_backlog() of the exchange. The
// connection never starts the next request, cancels a call or goes away from inside one of its functions;
// that waits for act(), so the Call stays valid for whoever is still on the stack.
class HttpConnection final : public Connection, public Exchange::Wire {
 public:
  HttpConnection(HttpShared& shared, Fd socket, Peer peer, const Routes& routes);
  ~HttpConnection() override;

  void act() override;
  void sweep(SteadyTime now) override;
  void close_if_idle() override;
  bool make_room(SteadyTime now) override;
  std::optional<Slow> slowness(SteadyTime now) override;
  void end_slow() override;
  void cut() override;
  bool is_closed() const override { return phase_ == Phase::closed && !exchange_.has_call(); }

  void collect_body() override;
  void want_body() override;
  void send_head(const lane::Head& head, std::string_view body, End end) override;
  void send_body(std::string_view data, End end) override;
  void send_file(FileRegion region, End end) override;
  void cut_answer() override;

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

  // http_connection_request.cpp: a parsed head and the body behind it.
  void start_request();
  void collect();
  void begin_answering();
  std::optional<Refusal> pull_body();
  void feed_body();  // gives the app the next piece
  void drain_body();
  bool reads_straight() const;
  ssize_t receive();  // one read; 0 at the end, -1 on error (errno)

  // http_connection_response.cpp: the answer.
  void write_unsent();
  void refuse(const Refusal& refusal);  // answered, and the connection closes
  void end_response();
  void after_output(Output::State state);
  void read_file_ahead();
  bool body_allows_keep_alive() const;

  HttpShared& shared_;
  Fd socket_;
  Peer peer_;
  std::optional<uv::Poll> poll_;
  HttpParser parser_;
  Output output_;
  Exchange exchange_;
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
  bool body_streams_ = false;
  bool body_in_input_ = false;  // small and contiguous behind the head: no copy
  bool want_body_ = false;
  bool feeding_ = false;
  bool continue_owed_ = false;  // 100 Continue was asked for and not sent
  std::string staging_;         // pulled and not yet given to the app

  bool advancing_ = false;

  // The answer.
  ResponsePlan plan_;
  RequestTraits traits_;
  std::string unsent_;  // head, size lines and small pieces, until act(); output_ is empty meanwhile
  bool head_sent_ = false;
  bool truncated_ = false;  // the app gave less than its Content-Length
  bool response_done_ = false;
  bool file_read_under_way_ = false;
  std::shared_ptr<HttpConnection*> self_;  // for background jobs: null once we are gone
  std::uint64_t body_sent_ = 0;
  std::uint64_t written_before_ = 0;

  std::optional<SteadyTime> read_deadline_;
  std::optional<SteadyTime> send_deadline_;
  Pace body_pace_;
  Pace answer_pace_;
  std::optional<std::uint64_t> delivered_;  // of all bytes written, when it was last looked at
  WaitingPlace waiting_;
  std::optional<SteadyTime> left_at_;  // the client's side ended; since then nothing was sent to it
  std::uint64_t lingered_ = 0;
};

}  // namespace moult::http
