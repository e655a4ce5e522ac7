// One function for each kind of member; write_job() has the order of the public format.
#include "check/job_json.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace upkeep::check {
namespace {

using conf::EventExpression;
using conf::JobDefinition;

template <typename T>
void write_optional(JsonWriter& out, std::string_view name, const std::optional<T>& value) {
  if (value) out.member(name, *value);
}

template <typename T>
void write_setting(JsonWriter& out, std::string_view name, const conf::Setting<T>& setting) {
  if (setting.is_set()) out.member(name, setting.value());
}

template <typename T>
void write_list(JsonWriter& out, std::string_view name, const std::vector<T>& list) {
  if (!list.empty()) out.member(name, list);
}

void write_flag(JsonWriter& out, std::string_view name, bool flag) {
  if (flag) out.member(name, true);
}

/// The parser bounds the depth of the tree.
void write_expression(JsonWriter& out, const EventExpression& node) {
  out.begin_object();
  if (node.kind == EventExpression::Kind::Event) {
    out.member("event", node.event);
    out.member("args", node.arguments);
  } else {
    out.key(node.kind == EventExpression::Kind::And ? "and" : "or");
    out.begin_array();
    write_expression(out, *node.left);
    write_expression(out, *node.right);
    out.end_array();
  }
  out.end_object();
}

void write_condition(JsonWriter& out, std::string_view name, const conf::Condition& condition) {
  if (!condition) return;
  out.key(name);
  write_expression(out, *condition.get());
}

/// Tmpfiles is no command of the file: it follows from `tmpfiles`, which is shown by itself.
void write_processes(JsonWriter& out, const JobDefinition& job) {
  const auto is_shown = [&](conf::ProcessType type) {
    return job.process(type) && type != conf::ProcessType::Tmpfiles;
  };
  if (std::ranges::none_of(conf::kAllProcessTypes, is_shown)) return;
  out.key("processes");
  out.begin_object();
  for (const auto type : conf::kAllProcessTypes) {
    if (!is_shown(type)) continue;
    const auto& command = *job.process(type);
    out.key(to_string(type));
    out.begin_object();
    out.member(command.form == conf::Command::Form::Exec ? "exec" : "script", command.text);
    out.end_object();
  }
  out.end_object();
}

void write_respawn_limit(JsonWriter& out, const conf::Setting<conf::RespawnLimit>& limit) {
  if (!limit.is_set()) return;
  out.key("respawn_limit");
  out.begin_object();
  out.member("count", limit->count);
  out.member("interval", limit->interval_seconds);
  out.end_object();
}

void write_limit_value(JsonWriter& out, std::string_view name, std::uint64_t value) {
  if (value == conf::ResourceLimit::kUnlimited) {
    out.member(name, "unlimited");
  } else {
    out.member(name, value);
  }
}

void write_limits(JsonWriter& out, const std::vector<conf::ResourceLimit>& limits) {
  if (limits.empty()) return;
  out.key("limits");
  out.begin_object();
  for (const auto& limit : limits) {
    out.key(conf::resources()[limit.resource].name);
    out.begin_object();
    write_limit_value(out, "soft", limit.soft);
    write_limit_value(out, "hard", limit.hard);
    out.end_object();
  }
  out.end_object();
}

void write_cgroups(JsonWriter& out, const std::vector<conf::CgroupSetting>& cgroups) {
  if (cgroups.empty()) return;
  out.key("cgroups");
  out.begin_array();
  for (const auto& cgroup : cgroups) {
    out.begin_object();
    out.member("controller", cgroup.controller);
    out.member("name", cgroup.name.value_or("$UPSTART_CGROUP"));
    write_optional(out, "key", cgroup.key);
    write_optional(out, "value", cgroup.value);
    out.end_object();
  }
  out.end_array();
}

void write_position(JsonWriter& out, conf::Position place) {
  out.member("line", place.line);
  out.member("column", place.column);
}

}  // namespace

void write_job(JsonWriter& out, const JobDefinition& job) {
  out.begin_object();
  write_setting(out, "instance", job.instance);
  write_optional(out, "description", job.description);
  write_optional(out, "author", job.author);
  write_optional(out, "version", job.version);
  write_optional(out, "usage", job.usage);
  write_optional(out, "chroot", job.chroot);
  write_optional(out, "chdir", job.chdir);
  write_optional(out, "setuid", job.setuid);
  write_optional(out, "setgid", job.setgid);
  write_optional(out, "apparmor_switch", job.apparmor_switch);
  write_list(out, "env", job.env);
  write_list(out, "export", job.export_env);
  write_list(out, "emits", job.emits);
  write_condition(out, "start_on", job.start_on);
  write_condition(out, "stop_on", job.stop_on);
  write_processes(out, job);
  if (job.expect.is_set()) out.member("expect", to_string(job.expect.value()));
  if (job.expect == conf::Expect::Fd) out.member("expect_fd", job.expect_fd);
  write_optional(out, "expect_timeout", job.expect_timeout_seconds);
  write_optional(out, "watchdog", job.watchdog_seconds);
  write_flag(out, "task", job.task);
  write_flag(out, "respawn", job.respawn);
  write_flag(out, "debug", job.debug);
  write_setting(out, "kill_timeout", job.kill_timeout_seconds);
  write_setting(out, "kill_signal", job.kill_signal);
  if (job.kill_mode.is_set()) out.member("kill_mode", to_string(job.kill_mode.value()));
  write_setting(out, "reload_signal", job.reload_signal);
  write_respawn_limit(out, job.respawn_limit);
  write_list(out, "normal_exit", job.normal_exit);
  if (job.console) out.member("console", to_string(*job.console));
  if (job.umask) out.member("umask", fmt::format("{:03o}", *job.umask));
  write_optional(out, "nice", job.nice);
  write_optional(out, "oom_score", job.oom_score_adj);
  write_limits(out, job.limits);
  write_cgroups(out, job.cgroups);
  write_list(out, "import", job.imports);
  write_list(out, "tmpfiles", job.tmpfiles);
  out.end_object();
}

void write_diagnostic(JsonWriter& out, conf::Position place, std::string_view kind,
                      std::string_view message, const std::optional<conf::Position>& opening) {
  out.begin_object();
  write_position(out, place);
  out.member("kind", kind);
  out.member("message", message);
  if (opening) {
    out.key("opening");
    out.begin_object();
    write_position(out, *opening);
    out.end_object();
  }
  out.end_object();
}

void write_diagnostics(JsonWriter& out, std::span<const conf::Diagnostic> diagnostics) {
  out.begin_array();
  for (const auto& one : diagnostics) {
    write_diagnostic(out, {one.line, one.column}, to_string(one.kind), one.message, one.opening);
  }
  out.end_array();
}

}  // namespace upkeep::check
