// show-config and check-config (spec/control.md 2.8, 2.9).
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fnmatch.h>

#include "core/wait_cycles.h"
#include "tools/command.h"
#include "tools/condition.h"

namespace upkeep::tools {
namespace {

struct Job {
  std::vector<std::string> emits;
  std::vector<std::string> imports;
  ConditionTree start_on;
  ConditionTree stop_on;
  bool has_instances = false;
};
using Jobs = std::map<std::string, Job>;

Done<> load_job(client::Upstart& upstart, const std::string& path, Jobs& jobs) {
  auto configuration = upstart.job_configuration(path);
  if (!configuration) return error(configuration.error());
  auto start_on = ConditionTree::create(configuration->start_on);
  if (!start_on) return error(fmt::format("{}: {}", configuration->name, start_on.error().message));
  auto stop_on = ConditionTree::create(configuration->stop_on);
  if (!stop_on) return error(fmt::format("{}: {}", configuration->name, stop_on.error().message));
  jobs.emplace(configuration->name,
               Job{std::move(configuration->emits), std::move(configuration->imports),
                   std::move(*start_on), std::move(*stop_on), !configuration->instance.empty()});
  return {};
}

Done<Jobs> load_all_jobs(client::Upstart& upstart) {
  const auto paths = upstart.jobs();
  if (!paths) return error(paths.error());
  Jobs jobs;
  for (const auto& path : *paths) {
    if (const auto loaded = load_job(upstart, path, jobs); !loaded) {
      return std::unexpected(loaded.error());
    }
  }
  return jobs;
}

void print_condition(const Invocation& invocation, std::string_view title,
                     const ConditionTree& condition) {
  if (condition.empty()) return;
  if (!invocation.settings().enumerate) {
    invocation.print(fmt::format("  {} {}", title, condition.text()));
    return;
  }
  for (const auto& operand : condition.operands()) {
    std::string line = fmt::format("  {} {} (job:", title, operand.event);
    if (operand.job) line += fmt::format(" {}", *operand.job);
    line += ", env:";
    for (const auto& argument : operand.arguments) line += fmt::format(" {}", argument);
    invocation.print(line + ")");
  }
}

/// What may happen on this system, for check-config.
class Known {
 public:
  Known(const Jobs& jobs, const Settings& settings, bool in_session)
      : jobs_(jobs), patterns_(settings.ignored_events.begin(), settings.ignored_events.end()) {
    constexpr std::array kBuiltIn{
        "startup",  "debug",   "control-alt-delete", "keyboard-request", "power-status-changed",
        "starting", "started", "stopping",           "stopped"};
    patterns_.insert(kBuiltIn.begin(), kBuiltIn.end());
    if (in_session) patterns_.insert("session-end");
    for (const auto& [name, job] : jobs) patterns_.insert(job.emits.begin(), job.emits.end());
  }

  [[nodiscard]] bool event(const std::string& name) const {
    return patterns_.contains(name) || std::ranges::any_of(patterns_, [&](const auto& pattern) {
             return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
           });
  }

  [[nodiscard]] bool job(const std::string& name) const {
    return name.starts_with('$') || jobs_.contains(name);
  }

  [[nodiscard]] bool possible(const EventOperand& operand) const {
    return event(operand.event) && (!operand.job || job(*operand.job));
  }

 private:
  const Jobs& jobs_;
  std::set<std::string> patterns_;  ///< emits are globs; plain names match themselves
};

std::vector<std::string> check(std::string_view title, const ConditionTree& condition,
                               const Known& known, ConditionTree::Or rule) {
  std::vector<std::string> lines;
  const auto possible = [&](const EventOperand& operand) { return known.possible(operand); };
  for (const auto& operand : condition.impossible(possible, rule)) {
    lines.push_back(known.event(operand.event)
                        ? fmt::format("  {}: unknown job {}", title, operand.job.value_or(""))
                        : fmt::format("  {}: unknown event {}", title, operand.event));
  }
  return lines;
}

/// Ours: Upstart is silent about jobs that wait for each other. `only`, unless empty, is a job.
void warn_of_waits(const Invocation& invocation, const Jobs& jobs, std::string_view only) {
  std::vector<core::WaitingJob> waiting;
  waiting.reserve(jobs.size());
  for (const auto& [name, job] : jobs) {
    waiting.push_back({name, job.start_on.leaves(), job.stop_on.leaves(), job.has_instances});
  }
  const auto found = core::find_wait_cycles(waiting, only);
  for (const auto& cycle : found.cycles) invocation.warn(core::describe(cycle));
  if (const auto rest = core::describe_rest(found); !rest.empty()) invocation.warn(rest);
}

}  // namespace

Done<> run_show_config(Invocation& invocation) {
  const auto upstart = invocation.upstart();
  if (!upstart) return std::unexpected(upstart.error());
  Jobs jobs;
  if (invocation.arguments().empty()) {
    auto all = load_all_jobs(**upstart);
    if (!all) return std::unexpected(all.error());
    jobs = std::move(*all);
  } else {
    const auto path = (*upstart)->job(invocation.arguments()[0]);
    if (!path) return error(path.error());
    if (const auto loaded = load_job(**upstart, *path, jobs); !loaded) return loaded;
  }
  for (const auto& [name, job] : jobs) {
    invocation.print(name);
    for (const auto& event : job.emits) invocation.print(fmt::format("  emits {}", event));
    for (const auto& variable : job.imports) {
      invocation.print(fmt::format("  import {}", variable));
    }
    print_condition(invocation, "start on", job.start_on);
    print_condition(invocation, "stop on", job.stop_on);
  }
  return {};
}

Done<> run_check_config(Invocation& invocation) {
  const auto upstart = invocation.upstart();
  if (!upstart) return std::unexpected(upstart.error());
  const auto jobs = load_all_jobs(**upstart);
  if (!jobs) return std::unexpected(jobs.error());
  const auto& arguments = invocation.arguments();
  if (!arguments.empty() && !jobs->contains(arguments[0])) {
    return error(fmt::format("Invalid job class: {}", arguments[0]));
  }

  const Known known{*jobs, invocation.settings(), invocation.in_session()};
  const auto rule =
      invocation.settings().strict ? ConditionTree::Or::Both : ConditionTree::Or::Either;
  bool anything = false;
  for (const auto& [name, job] : *jobs) {
    if (!arguments.empty() && name != arguments[0]) continue;
    auto lines = check("start on", job.start_on, known, rule);
    for (auto& line : check("stop on", job.stop_on, known, rule)) lines.push_back(std::move(line));
    if (lines.empty()) continue;
    anything = true;
    invocation.print(name);
    for (const auto& line : lines) invocation.print(line);
  }
  warn_of_waits(invocation, *jobs, arguments.empty() ? std::string_view() : arguments[0]);
  if (anything) return std::unexpected(Failure{Failure::Kind::Silent, {}});
  return {};
}

}  // namespace upkeep::tools
