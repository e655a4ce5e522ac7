// start, stop, restart, reload, status, list, usage (spec/control.md 2.5, 2.6).
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include <fmt/format.h>
#include <signal.h>

#include "dbus/names.h"
#include "tools/command.h"
#include "tools/status_line.h"

namespace upkeep::tools {
namespace {

using client::Upstart;
using client::Wait;

/// What a command is about: a job named on the command line, or, inside a process of a job, the
/// very instance.
struct Target {
  Upstart* upstart;
  std::string job_name;
  std::string job;                          ///< path
  Environment environment;                  ///< the KEY=VALUE arguments
  std::optional<std::string> own_instance;  ///< name; engaged inside a process of the job
};

Done<Target> find_target(Invocation& invocation) {
  Target target;
  if (!invocation.arguments().empty()) {
    target.job_name = invocation.arguments()[0];
    target.environment = invocation.further_arguments();
  } else {
    auto own = own_instance();
    if (!own) return std::unexpected(own.error());
    target.job_name = std::move(own->job);
    target.own_instance = std::move(own->instance);
  }
  const auto upstart = invocation.upstart();
  if (!upstart) return std::unexpected(upstart.error());
  target.upstart = *upstart;
  auto job = target.upstart->job(target.job_name);
  if (!job) return error(job.error());
  target.job = std::move(*job);
  return target;
}

client::Outcome<std::string> find_instance(const Target& target) {
  return target.own_instance ? target.upstart->instance_by_name(target.job, *target.own_instance)
                             : target.upstart->instance(target.job, target.environment);
}

Done<> print_status(const Invocation& invocation, const Target& target,
                    const std::string& instance) {
  const auto status = target.upstart->status(instance);
  if (status) {
    invocation.print(status_line(target.job_name, *status));
  } else if (has_gone(status.error())) {
    invocation.print(stopped_line(target.job_name));
  } else {
    return error(status.error());
  }
  return {};
}

using OfInstance = client::Outcome<void> (Upstart::*)(const std::string&, Wait);

/// From inside the job itself; waiting there would be waiting for oneself.
Done<> act_on_own_instance(const Invocation& invocation, const Target& target, OfInstance action) {
  const auto instance = find_instance(target);
  if (!instance) return error(instance.error());
  const auto done = (target.upstart->*action)(*instance, Wait::No);
  if (!done) return error(done.error());
  return print_status(invocation, target, *instance);
}

using OfJob = client::Outcome<std::string> (Upstart::*)(const std::string&, const Environment&,
                                                        Wait);

Done<> start_or_restart(Invocation& invocation, OfJob of_job, OfInstance of_instance) {
  const auto target = find_target(invocation);
  if (!target) return std::unexpected(target.error());
  if (target->own_instance) return act_on_own_instance(invocation, *target, of_instance);
  const auto instance =
      (target->upstart->*of_job)(target->job, target->environment, invocation.settings().wait);
  if (!instance) return error(instance.error());
  return print_status(invocation, *target, *instance);
}

/// For a manager without Instance.Reload.
Done<> hang_up_main_process(Upstart& upstart, const std::string& instance) {
  const auto status = upstart.status(instance);
  if (!status) return error(status.error());
  const auto main = std::ranges::find(status->processes, "main", &client::Process::role);
  if (main == status->processes.end() || main->pid <= 0) return error("Not running");
  if (::kill(main->pid, SIGHUP) < 0) return error(std::strerror(errno));
  return {};
}

}  // namespace

Done<> run_start(Invocation& invocation) {
  return start_or_restart(invocation, &Upstart::start, &Upstart::start_instance);
}

Done<> run_restart(Invocation& invocation) {
  return start_or_restart(invocation, &Upstart::restart, &Upstart::restart_instance);
}

Done<> run_stop(Invocation& invocation) {
  const auto target = find_target(invocation);
  if (!target) return std::unexpected(target.error());
  if (target->own_instance) {
    return act_on_own_instance(invocation, *target, &Upstart::stop_instance);
  }
  const auto instance = find_instance(*target);
  if (!instance) return error(instance.error());
  const auto done =
      target->upstart->stop(target->job, target->environment, invocation.settings().wait);
  if (!done) return error(done.error());
  return print_status(invocation, *target, *instance);
}

Done<> run_reload(Invocation& invocation) {
  const auto target = find_target(invocation);
  if (!target) return std::unexpected(target.error());
  const auto instance = find_instance(*target);
  if (!instance) return error(instance.error());
  const auto done = target->upstart->reload_instance(*instance);
  if (done) return {};
  if (!has_gone(done.error())) return error(done.error());
  return hang_up_main_process(*target->upstart, *instance);
}

Done<> run_status(Invocation& invocation) {
  const auto target = find_target(invocation);
  if (!target) return std::unexpected(target.error());
  const auto instance = find_instance(*target);
  if (instance) return print_status(invocation, *target, *instance);
  if (instance.error().name != dbus::kErrorUnknownInstance || !target->environment.empty()) {
    return error(instance.error());
  }
  invocation.print(stopped_line(target->job_name));
  return {};
}

Done<> run_list(Invocation& invocation) {
  const auto connected = invocation.upstart();
  if (!connected) return std::unexpected(connected.error());
  auto& upstart = **connected;
  const auto jobs = upstart.jobs();
  if (!jobs) return error(jobs.error());

  std::vector<std::tuple<std::string, std::string, std::string>> entries;  // job, instance, line
  for (const auto& job : *jobs) {
    // What vanishes between the calls is left out.
    const auto name = upstart.job_name(job);
    if (!name && has_gone(name.error())) continue;
    if (!name) return error(name.error());
    const auto instances = upstart.instances(job);
    if (!instances && has_gone(instances.error())) continue;
    if (!instances) return error(instances.error());
    if (instances->empty()) entries.emplace_back(*name, "", stopped_line(*name));
    for (const auto& instance : *instances) {
      const auto status = upstart.status(instance);
      if (!status && has_gone(status.error())) continue;
      if (!status) return error(status.error());
      entries.emplace_back(*name, status->name, status_line(*name, *status));
    }
  }
  std::ranges::sort(entries);
  for (const auto& entry : entries) invocation.print(std::get<2>(entry));
  return {};
}

Done<> run_usage(Invocation& invocation) {
  const auto target = find_target(invocation);
  if (!target) return std::unexpected(target.error());
  const auto usage = target->upstart->job_usage(target->job);
  if (!usage) return error(usage.error());
  invocation.print(fmt::format("Usage: {}", *usage));
  return {};
}

}  // namespace upkeep::tools
