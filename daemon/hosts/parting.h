#pragma once

#include "ipc/base/clock.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace moult {

// Which apps are kept apart from others because of what happened in hosts that they shared. Each app has a
// company, and hosts have one: "" is that of all apps without a story. An app that is to blame gets one of
// its own. Where nobody knows who it was, a second time parts those of the host into halves, until one is
// alone. An hour after the last trouble of an app it joins the others again, with its next generation. Pure:
// time is passed in. One per daemon.
class Parting {
 public:
  static constexpr Milliseconds kTogether{600'000};  // two troubles within it belong together
  static constexpr Milliseconds kApart{3'600'000};

  void part(const std::string& app, std::string why, SteadyTime now);
  // Something ended or stopped a host with these apps, and nobody knows who. True: they are parted by it.
  bool on_trouble(const std::vector<std::string>& apps, const std::string& why, SteadyTime now);

  std::string company_of(const std::string& app, SteadyTime now) const;
  bool is_alone(const std::string& app, SteadyTime now) const;
  // For people; "" for one that is with all others.
  std::string why(const std::string& app, SteadyTime now) const;

 private:
  struct Story {
    std::string company;
    std::string why;
    SteadyTime until{};       // the company holds
    SteadyTime trouble_at{};  // the last one that nobody is to blame for
  };

  const Story* current(const std::string& app, SteadyTime now) const;

  std::map<std::string, Story> stories_;
  std::uint64_t companies_ = 0;
};

}  // namespace moult
