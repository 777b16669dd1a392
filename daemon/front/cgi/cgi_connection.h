#pragma once

#include "daemon/config/config.h"
#include "daemon/front/cgi/parser.h"
#include "daemon/front/connection.h"
#include "daemon/front/exchange.h"
#include "daemon/front/output.h"
#include "daemon/front/pace.h"
#include "daemon/front/response.h"

#include <optional>

namespace moult::cgi {

// One connection of a front server that speaks FastCGI, SCGI or uwsgi: gives each request to its Exchange and
// frames the answer, one at a time. Owned by the server from accept to is_closed(); loop thread. As for HTTP,
// an answer may come from inside a function of the exchange, and what ends or begins a request waits for
// act().
class CgiConnection final : public http::Connection, public http::Exchange::Wire, private Parser::Sink {
 public:
  CgiConnection(http::ConnectionShared& shared, Fd socket, moult::Wire wire, const Routes& routes);
  ~CgiConnection() override;

  void act() override;
  void sweep(SteadyTime now) override;
  void close_if_idle() override;
  bool make_room(SteadyTime now) override;
  std::optional<Slow> slowness(SteadyTime now) override;
  void end_slow() override;
  void cut() override { front_gone(); }
  bool is_closed() const override { return phase_ == Phase::closed && !exchange_.has_call(); }

  void collect_body() override;
  void want_body() override;
  void send_head(const lane::Head& head, std::string_view body, End end) override;
  void send_body(std::string_view data, End end) override;
  void send_file(http::FileRegion region, End end) override;
  void cut_answer() override;

 private:
  enum class Phase {
    head,       // waits for a request, or reads its variables
    body,       // collects a small body
    answering,  // from submit, or the start of our own answer, to the last byte written
    lingering,  // answered and shut down; reads what still comes, so that no reset eats the answer
    closed,
  };

  void on_variables() override;
  void on_body(std::string_view piece) override;
  void on_body_end() override;
  void on_abort() override;
  void on_reply(std::string_view bytes) override;

  void on_ready(int events);
  void on_readable();
  void on_writable();
  void update_poll();
  void take(std::string_view bytes);
  void refuse(const http::Refusal& refusal);
  void open();
  void collect();
  void begin_answering();
  void feed_body();
  void body_is_late();

  void write_unsent();
  void queue_file();
  void end_answer();
  void after_output(http::Output::State state);
  void read_file_ahead();
  void request_over();
  void linger();
  void front_gone();
  void close();
  void later() { shared_.act_later(*this); }

  http::ConnectionShared& shared_;
  Fd socket_;
  http::Peer peer_;
  std::optional<uv::Poll> poll_;
  std::unique_ptr<Parser> parser_;
  http::RequestHead request_;
  http::Output output_;
  http::Exchange exchange_;
  Phase phase_ = Phase::head;
  bool eof_ = false;
  bool opened_ = false;  // the request's variables have come, and the exchange has it

  bool body_done_ = false;
  bool body_streams_ = false;
  bool want_body_ = false;
  bool feeding_ = false;
  std::uint64_t received_ = 0;
  std::string staging_;  // of the body: come, and not yet given to the app

  http::RequestTraits traits_;
  http::ResponsePlan plan_;
  std::string unsent_;  // frames, until act(); output_ is empty meanwhile
  bool head_sent_ = false;
  bool answer_done_ = false;
  bool truncated_ = false;  // the app gave less than its Content-Length
  bool aborted_ = false;
  bool is_garbled_ = false;  // what follows cannot be understood
  std::uint64_t body_sent_ = 0;
  std::uint64_t written_before_ = 0;
  std::optional<http::FileRegion> file_;  // what is not queued yet of a file that goes in frames
  bool file_ends_ = false;
  bool file_read_under_way_ = false;
  std::shared_ptr<CgiConnection*> self_;  // for background jobs: null once we are gone

  std::optional<SteadyTime> read_deadline_;
  std::optional<SteadyTime> send_deadline_;
  http::Pace body_pace_;
  http::Pace answer_pace_;
  http::WaitingPlace waiting_;
};

}  // namespace moult::cgi
