#include "os/setup_report.h"

#include <cstring>

#include <fmt/format.h>

#include "base/strings.h"

namespace upkeep::os {
namespace {

std::string quoted(const std::string& text) {
  return fmt::format("\"{}\"", printable(text));
}

std::string quoted(const std::optional<std::string>& text) {
  return quoted(text.value_or(""));
}

std::string limit_name(const conf::JobDefinition& definition, int index) {
  const auto position = static_cast<std::size_t>(index);
  if (index < 0 || position >= definition.limits.size()) return "?";
  return std::string(conf::resources().at(definition.limits[position].resource).name);
}

std::string joined_cgroup(const SetupNames& names, int index) {
  const auto position = static_cast<std::size_t>(index);
  if (index < 0 || position >= names.cgroups.size()) return "?";
  return quoted(names.cgroups[position]);
}

/// The step in words, without the error.
std::string attempt(const SetupReport& report, const conf::JobDefinition& definition,
                    const SetupNames& names) {
  switch (report.step) {
    case SetupStep::Descriptors: return "unable to arrange descriptors";
    case SetupStep::Cgroup: return fmt::format("unable to enter cgroup {}", quoted(names.cgroup));
    case SetupStep::CgroupJoin:
      return fmt::format("unable to enter cgroup {}", joined_cgroup(names, report.argument));
    case SetupStep::Terminal: return "unable to open the terminal that is logged";
    case SetupStep::ReadyPipe:
      return fmt::format("unable to make descriptor {} that of \"expect fd\"", report.argument);
    case SetupStep::ScriptPipe: return "unable to hand over the script";
    case SetupStep::Session: return "unable to start a session";
    case SetupStep::NullDevice: return "unable to open \"/dev/null\"";
    case SetupStep::StandardStreams: return "unable to set standard input and output";
    case SetupStep::ConsoleMissing: return "unable to open \"/dev/console\", using \"/dev/null\"";
    case SetupStep::ConsoleOwner: return "unable to own \"/dev/console\"";
    case SetupStep::Profile:
      return fmt::format("unable to switch to AppArmor profile {}",
                         quoted(definition.apparmor_switch));
    case SetupStep::Limit:
      return fmt::format("unable to set limit {}", limit_name(definition, report.argument));
    case SetupStep::Nice:
      return fmt::format("unable to set nice level {}", definition.nice.value_or(0));
    case SetupStep::OomScore:
      return fmt::format("unable to set OOM score {}", definition.oom_score_adj.value_or(0));
    case SetupStep::SessionRoot:
      return fmt::format("unable to change root to that of the session, {}", quoted(names.session));
    case SetupStep::Chroot:
      return fmt::format("unable to change root to {}", quoted(definition.chroot));
    case SetupStep::Directory:
      return fmt::format("unable to change directory to {}", quoted(names.directory));
    case SetupStep::UserLookup:
      return fmt::format("unable to look up user {}", quoted(definition.setuid));
    case SetupStep::UnknownUser: return fmt::format("no such user {}", quoted(definition.setuid));
    case SetupStep::GroupLookup:
      return fmt::format("unable to look up group {}", quoted(definition.setgid));
    case SetupStep::UnknownGroup: return fmt::format("no such group {}", quoted(definition.setgid));
    case SetupStep::ScriptOwner: return "unable to give the script to the user of the job";
    case SetupStep::Groups: return "unable to set supplementary groups";
    case SetupStep::GroupId:
      return definition.setgid
                 ? fmt::format("unable to become group {}", quoted(definition.setgid))
                 : fmt::format("unable to become the group of user {}", quoted(definition.setuid));
    case SetupStep::UserId:
      return fmt::format("unable to become user {}", quoted(definition.setuid));
    case SetupStep::TraceRefused:
      return fmt::format("forks cannot be followed here ({}): watching for the process that stays",
                         std::strerror(report.error));
    case SetupStep::Execute: return fmt::format("unable to execute {}", quoted(names.program));
  }
  return "unable to set up the process";
}

}  // namespace

core::SpawnFailure describe(const SetupReport& report, const conf::JobDefinition& definition,
                            const SetupNames& names) {
  auto text = attempt(report, definition, names);
  const bool complete = report.step == SetupStep::UnknownUser ||
                        report.step == SetupStep::UnknownGroup ||
                        report.step == SetupStep::TraceRefused;
  if (!complete) text += fmt::format(": {}", std::strerror(report.error));
  return {report.error, std::move(text)};
}

}  // namespace upkeep::os
