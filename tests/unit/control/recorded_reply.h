#pragma once

#include "control/method.h"

#include <nlohmann/json.hpp>

#include <memory>
#include <vector>

namespace moult::control {

// What a Reply said, for tests. Shared by the test and the Reply.
struct RecordedChannel : ReplyChannel {
  Json result;
  Json error;  // the whole error object
  std::vector<Json> progresses;
  std::vector<Json> events;
  int answers = 0;
  bool open = true;
  std::function<void()> gone;

  void ok(const Json& json) override {
    result = json;
    ++answers;
    open = false;
  }
  void fail(int code, const Error& what, const Json& more) override {
    error = error_to_json(code, what, more);
    ++answers;
    open = false;
  }
  void progress(const Json& what) override { progresses.push_back(what); }
  void event(const Json& what) override { events.push_back(what); }
  bool is_open() const override { return open; }
  void on_gone(std::function<void()> callback) override { gone = std::move(callback); }
};

}  // namespace moult::control
