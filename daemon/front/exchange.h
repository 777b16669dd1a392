#pragma once

#include "daemon/front/front_shared.h"
#include "daemon/front/output.h"
#include "daemon/front/request_head.h"
#include "daemon/front/static_files.h"
#include "daemon/route/routes.h"

#include <optional>

namespace moult::http {

// One request from its head to its access record: where it goes, how much of a body is taken, the app's
// call or a static file, the pages that the daemon answers itself. It knows no bytes of a socket. Owned
// by a wire, which uses it again for its next request; loop thread.
class Exchange final : public CallClient {
 public:
  // What brought the request and frames its answer. The answer may be sent from inside any function of
  // the exchange.
  class Wire {
   public:
    virtual ~Wire() = default;
    // The body is wanted: Exchange::body_whole() when it ends within inline_max(), else body_streams().
    virtual void collect_body() = 0;
    // The app wants the next piece of a body that streams: Exchange::give_body(), now or later.
    virtual void want_body() = 0;
    virtual void send_head(const lane::Head& head, std::string_view body, End end) = 0;
    virtual void send_body(std::string_view data, End end) = 0;
    virtual void send_file(FileRegion region, End end) = 0;
    // Nothing more comes of an answer that has begun: the client is to see that it is not whole.
    virtual void cut_answer() = 0;
  };
  enum class Body { none, follows, awaits_continue };

  Exchange(FrontShared& shared, Wire& wire, const Peer& peer, const Routes& routes)
      : shared_(shared), wire_(wire), peer_(peer), routes_(routes) {}
  ~Exchange() override { cancel(); }

  // A request was read, or a part of one that will be refused. `head` stays where it is to the end.
  void open(RequestHead& head);
  // `authority` is that of the target and replaces Host; `path` is not decoded yet.
  void begin(std::string_view authority, std::string_view path, std::string_view query, Body body);
  void body_whole(std::string_view body);
  void body_streams();
  void give_body(std::string_view piece, End end);
  void break_body(const Refusal& why) { broken_ = why; }
  void refuse(const Refusal& refusal);  // answered, and the connection is to close
  // How much waits for the client: the app rests while it is a lot.
  void note_backlog(std::size_t bytes, bool has_file);
  // The answer is out, or will never be (`was_cut`): the record of the request is written.
  void end(std::uint64_t bytes, bool was_cut);
  void leave();   // the wire has gone: nothing more is told to it
  void cancel();  // the app is told; never from inside a call of it

  bool is_open() const { return open_; }
  bool has_call() const { return active_; }
  bool is_paused() const { return paused_; }
  bool is_refused() const { return refused_; }
  bool is_broken() const { return broken_.has_value(); }
  std::uint64_t max_body() const { return max_body_; }
  std::size_t inline_max() const { return inline_max_; }
  const std::string& app() const { return app_; }
  CallTarget* calls() const { return calls_; }
  int slow_max() const { return slow_max_; }

  void on_head(Call& call, const lane::Head& head, std::string_view body, End end) override;
  void on_chunk(Call& call, std::string_view data, End end) override;
  void on_file(Call& call, Fd file, std::uint64_t offset, std::uint64_t length, End end) override;
  void on_want_body(Call& call) override;
  void on_failure(Call& call, CallFailure failure, std::string_view detail) override;

 private:
  void resolve_host(std::string_view authority);
  void resolve_client();
  void route(std::string_view query, Body body);
  void submit(bool streams);
  void start_static(const StaticMatch& match);
  void static_done(StaticFile file);
  void send_head(const lane::Head& head, std::string_view body, End end);
  void send_page(int status, std::string_view sentence, std::string_view extra_headers = {},
                 std::string_view detail = {});
  void end_call() { active_ = paused_ = false; }

  FrontShared& shared_;
  Wire& wire_;
  const Peer& peer_;
  const Routes& routes_;
  RequestHead* request_ = nullptr;
  Call call_;

  CallTarget* calls_ = nullptr;
  std::string app_;
  std::string path_;  // decoded, when it had escapes
  std::string_view path_view_;
  std::string host_;  // lower case, without port
  std::uint64_t max_body_ = 0;
  std::size_t inline_max_ = 0;  // a body up to here travels with the head
  int slow_max_ = 0;
  bool debug_ = false;
  std::shared_ptr<StaticJob> static_job_;

  bool open_ = false;        // a request whose end has not been recorded
  bool gone_ = false;        // the wire has
  bool collecting_ = false;  // the body, before the call is submitted
  bool active_ = false;      // the call is the app's
  bool paused_ = false;
  bool refused_ = false;
  std::optional<Refusal> broken_;  // the body is, and why
  int status_ = 0;                 // 0: no head was sent
  SteadyTime started_{};
};

}  // namespace moult::http
