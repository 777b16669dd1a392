#pragma once

#include "control/line_buffer.h"
#include "control/rpc.h"
#include "control/server.h"
#include "ipc/base/fd.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace moult::control {

// One client of a control socket: reads requests, hands them to the Methods, writes answers. Owned by
// the Server, which destroys it in a round of its own once has_ended() is true: whoever calls into a
// session (a handler that answers) never destroys it by that. Loop thread only.
class Session {
 public:
  Session(Server& server, Fd fd);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void start();
  void check_deadlines(SteadyTime now);
  bool has_ended() const { return ended_; }
  // Answers with an error that belongs to no request, and ends.
  void refuse(int code, const Error& error);

 private:
  class Channel;
  class HttpChannel;
  using ChannelKey = std::uint64_t;

  void on_ready(int events);
  void read_more();
  void serve_lines();
  void serve_line(const std::string& line);
  void serve_http();
  void run(std::shared_ptr<Channel> channel, const std::string& method, const Json& params, Access allowed);
  void send(std::string_view text);
  void flush();
  void watch();
  void finish();  // ends once nothing is in flight and all is written
  void end();     // at once
  void drop_channel(ChannelKey key);
  void tell_channels();

  Server& server_;
  Fd fd_;
  LineBuffer input_;
  std::string output_;
  std::size_t written_ = 0;
  // The requests in flight. Their Replies own the channels.
  std::map<ChannelKey, Channel*> channels_;
  ChannelKey next_key_ = 1;
  bool sniffed_ = false;
  bool is_http_ = false;
  bool reading_ = true;  // false: no further requests
  bool ended_ = false;
  SteadyTime last_request_;
  SteadyTime last_input_;
  SteadyTime last_write_;
  uv::Poll poll_;
};

}  // namespace moult::control
