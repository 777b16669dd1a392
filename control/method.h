#pragma once

#include "ipc/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace moult::control {

using Json = nlohmann::json;

// Whether a method can change anything; the status-only socket serves `read` alone.
enum class Access { read, change };

// Where the parts of an answer go: one per request in flight, kept alive by the request's Reply.
// The server's session is one; tests have others. Loop thread only.
class ReplyChannel {
 public:
  virtual ~ReplyChannel() = default;
  virtual void ok(const Json& result) = 0;
  // `code`: JSON-RPC's number; `more`: further members of the error's data, null for none.
  virtual void fail(int code, const Error& error, const Json& more) = 0;
  virtual void progress(const Json& what) = 0;
  virtual void event(const Json& what) = 0;
  virtual bool is_open() const = 0;
  // Replaces what is called when the client goes away before the answer.
  virtual void on_gone(std::function<void()> gone) = 0;
};

// The duty to answer one request, exactly once. Move-only; it may be kept as long as the operation
// takes. Dropping it unanswered answers `interrupted`. All calls are harmless after the client has
// gone. Loop thread only.
class Reply {
 public:
  explicit Reply(std::shared_ptr<ReplyChannel> channel);
  Reply(Reply&&) noexcept = default;
  Reply& operator=(Reply&& other) noexcept;
  ~Reply();

  // The answer. A second one is a bug and aborts.
  void ok(const Json& result);
  void fail(const Error& error);
  // `more`: further members of the error's data ("generation", "serving").
  void fail(const Error& error, const Json& more);
  // "no such app", with the nearest of `names` as the hint.
  void fail_no_such_app(const std::string& app, const std::vector<std::string>& names);

  // Before the answer: notifications "progress" and "event".
  void progress(const Json& what);
  void event(const Json& what);

  // What the socket that it came by may do: secrets are for `change` alone.
  Access access() const { return access_; }

  // False once it was answered or the client has gone: nobody waits for more.
  bool is_open() const;
  // Called at most once, from the loop, when the client goes before the answer. The callback may
  // destroy this Reply as its last act.
  void on_gone(std::function<void()> gone);

 private:
  friend class Methods;
  void fail_as(int code, const Error& error, const Json& more);

  std::shared_ptr<ReplyChannel> channel_;  // null: answered or moved from
  Access access_ = Access::read;
};

// What one parameter of a method must be. The server checks it before the handler is called, so a
// handler finds only known members of the right kind.
struct Parameter {
  enum class Kind { text, number, whole, flag, texts, text_or_texts, choice, arguments };
  std::string name;
  Kind kind = Kind::text;
  bool required = false;
  std::string help{};
  std::vector<std::string> choices{};
};
std::string_view to_string(Parameter::Kind kind);

// How many lines of an app's log are at hand; `lines` of "logs" may ask for no more.
constexpr std::size_t kLogLinesMost = 2'000;

// A method as people and the server see it.
struct Method {
  std::string name;
  Access access = Access::read;
  std::string help;
  std::vector<Parameter> parameters{};
};

// All methods of docs/control.md, in its order.
const std::vector<Method>& standard_methods();

// The methods that a daemon serves, by name. One per daemon; built by main before the server and
// outliving it. Filled by explicit calls.
class Methods {
 public:
  using Handler = std::function<void(const Json& params, Reply reply)>;

  // Serves the standard method `name`. A name that docs/control.md does not have is a bug: aborts.
  void serve(std::string_view name, Handler handler);
  void add(Method method, Handler handler);

  // Checks method, access and parameters and calls the handler, or answers why not. `allowed` is
  // what the socket that the request came by may do.
  void call(const std::string& name, const Json& params, Access allowed, Reply reply) const;

  std::vector<const Method*> all() const;

 private:
  struct Entry {
    Method method;
    Handler handler;
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

// "ping" and "methods". `methods` must outlive the calls.
void serve_common(Methods& methods);

// For the methods that take `app | apps | all`: finds the apps, runs `one` for each side by side
// with its own Reply, and gathers the results as docs/control.md says. `names` are all apps.
// `none_given`: what neither of the three means.
enum class NoSelector { is_error, is_all };
using ForOneApp = std::function<void(const std::string& app, Reply reply)>;
void for_each_app(const Json& params, const std::vector<std::string>& names, NoSelector none_given,
                  Reply reply, const ForOneApp& one);

// The number of JSON-RPC's error object for an error, and the whole object.
int rpc_code(ErrorCode code);
Json error_to_json(int code, const Error& error, const Json& more);

}  // namespace moult::control
