#include "daemon/config/app_values.h"
#include "daemon/config/setting.h"

namespace moult {

namespace {

using namespace std::chrono_literals;
using C = AppConfig;
using Read = std::function<void(ValueReader&, const Value&, C&)>;

constexpr std::uint64_t kKiB = 1u << 10;
constexpr std::uint64_t kGiB = 1u << 30;
constexpr std::uint64_t kTiB = 1ull << 40;

Setting<C> text_setting(std::string key, Effect effect, std::string C::*member, Read read) {
  return {std::move(key), effect, std::move(read), [=](const C& from) { return toml_string(from.*member); }};
}

Setting<C> list_setting(std::string key, Effect effect, std::vector<std::string> C::*member, Read read) {
  return {std::move(key), effect, std::move(read), [=](const C& from) { return toml_list(from.*member); }};
}

// Another app's change must not make a new generation here: only what an interpreter is made from
// has Effect::generation.
std::vector<Setting<C>> code_settings() {
  constexpr Effect kNew = Effect::generation;
  return {
      text_setting("tree", kNew, &C::tree, read_tree),
      text_setting("entry", kNew, &C::entry, read_entry),
      text_setting("callable", kNew, &C::callable, read_callable),
      text_setting("python", kNew, &C::python, read_python),
      text_setting("venv", kNew, &C::venv, read_venv),
      list_setting("path", kNew, &C::path, read_path_entries),
      text_setting("cwd", kNew, &C::cwd, read_cwd),
      {"env", kNew, read_env, [](const C& from) { return toml_inline_table(from.env); }},
      text_setting("env_file", kNew, &C::env_file, read_env_file_setting),
      list_setting("python_flags", kNew, &C::python_flags, read_python_flags),
      number_setting("threads", kNew, &C::threads, 1, kThreadsMax),
      number_setting("interpreters", kNew, &C::interpreters, 1, 64),
      word_setting("gil", kNew, &C::gil, {"auto", "own", "shared"}),
      word_setting("isolation", kNew, &C::isolation, {"auto", "interpreter", "process"}),
      text_setting("group", kNew, &C::group, read_group),
      word_setting("signals", kNew, &C::signals, {"ignore", "error"}),
      flag_setting("log_imports", kNew, &C::log_imports),
      list_setting("preload", kNew, &C::preload, read_preload),
      list_setting("exports", kNew, &C::exports, read_exports),
      size_setting("max_payload", kNew, &C::max_payload, kKiB, kGiB),
      number_setting("scratch_interpreters", kNew, &C::scratch_interpreters, 0, 64),
  };
}

std::vector<Setting<C>> route_settings() {
  return {
      {"routes", Effect::routes, read_routes, [](const C& from) { return routes_text(from.routes); },
       "route"},
      listen_setting<C>(),
      {"static", Effect::routes, read_static,
       [](const C& from) { return toml_inline_table(from.static_files); }},
      size_setting("max_body", Effect::routes, &C::max_body, 1, kTiB),
      flag_setting("debug", Effect::routes, &C::debug),
  };
}

std::vector<Setting<C>> life_settings() {
  constexpr Effect kWatching = Effect::watching;
  constexpr Effect kLimits = Effect::limits;
  return {
      toggle_setting("reload", kWatching, &C::reload),
      list_setting("watch", kWatching, &C::watch, read_watch),
      flag_setting("watch_templates", kWatching, &C::watch_templates),
      list_setting("ignore", kWatching, &C::ignore, read_ignore),
      toggle_setting("polling", kWatching, &C::polling),
      duration_setting("settle", kLimits, &C::settle, 0ms, 1min),
      duration_setting("settle_max", kLimits, &C::settle_max, 0ms, 1h),
      duration_setting("start_timeout", kLimits, &C::start_timeout, 100ms, 1h),
      list_setting("warmup", kLimits, &C::warmup, read_warmup),
      duration_setting("drain_timeout", kLimits, &C::drain_timeout, 0ms, 24h),
      duration_setting("keep_previous", kLimits, &C::keep_previous, 0ms, 24h * 7),
      duration_setting("retire_timeout", kLimits, &C::retire_timeout, 100ms, 1h),
      word_setting("adopt", kLimits, &C::adopt, {"optional", "required"}),
      duration_setting("handoff_timeout", kLimits, &C::handoff_timeout, 100ms, 1h),
      word_setting("spare", kLimits, &C::spare, {"off", "stdlib", "packages"}),
      number_setting("max_draining", kLimits, &C::max_draining, 1, 64),
      number_setting("queue", kLimits, &C::queue, 0, 100'000),
      duration_setting("queue_timeout", kLimits, &C::queue_timeout, 1ms, 1h),
      duration_setting("call_timeout", kLimits, &C::call_timeout, 0ms, 24h),
      flag_setting("retry_safe", kLimits, &C::retry_safe),
      size_setting("log_max_size", kLimits, &C::log_max_size, 64 * kKiB, kTiB),
      number_setting("log_keep", kLimits, &C::log_keep, 0, 100),
  };
}

}  // namespace

std::vector<Setting<AppConfig>> app_settings() {
  std::vector<Setting<AppConfig>> all;
  for (auto part : {code_settings(), route_settings(), life_settings()}) {
    for (Setting<AppConfig>& setting : part) all.push_back(std::move(setting));
  }
  return all;
}

}  // namespace moult
