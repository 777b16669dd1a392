#include "daemon/hosts/parting.h"

#include <fmt/format.h>

#include <algorithm>

namespace moult {

namespace {

std::string own_company(const std::string& app) { return "app " + app; }

}  // namespace

void Parting::part(const std::string& app, std::string why, SteadyTime now) {
  Story& story = stories_[app];
  story.company = own_company(app);
  story.why = std::move(why);
  story.until = now + kApart;
}

bool Parting::on_trouble(const std::vector<std::string>& apps, const std::string& why, SteadyTime now) {
  const bool again = std::any_of(apps.begin(), apps.end(), [&](const std::string& app) {
    const auto story = stories_.find(app);
    return story != stories_.end() && story->second.trouble_at != SteadyTime{} &&
           now - story->second.trouble_at <= kTogether;
  });
  for (const std::string& app : apps) stories_[app].trouble_at = now;
  if (!again || apps.size() < 2) return false;
  const std::size_t half = (apps.size() + 1) / 2;
  for (std::size_t begin = 0; begin < apps.size(); begin += half) {
    const std::size_t end = std::min(begin + half, apps.size());
    const std::string company = fmt::format("part {}", ++companies_);
    for (std::size_t i = begin; i < end; ++i) {
      Story& story = stories_[apps[i]];
      story.company = end - begin == 1 ? own_company(apps[i]) : company;
      story.why = why;
      story.until = now + kApart;
    }
  }
  return true;
}

const Parting::Story* Parting::current(const std::string& app, SteadyTime now) const {
  const auto story = stories_.find(app);
  return story != stories_.end() && now < story->second.until ? &story->second : nullptr;
}

std::string Parting::company_of(const std::string& app, SteadyTime now) const {
  const Story* const story = current(app, now);
  return story != nullptr ? story->company : std::string();
}

bool Parting::is_alone(const std::string& app, SteadyTime now) const {
  return company_of(app, now) == own_company(app);
}

std::string Parting::why(const std::string& app, SteadyTime now) const {
  const Story* const story = current(app, now);
  return story != nullptr ? story->why : std::string();
}

}  // namespace moult
