// get-env, list-env, reset-env, set-env, unset-env (spec/control.md 2.7).
#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "tools/command.h"

namespace upkeep::tools {
namespace {

/// The variables a command is about.
struct Target {
  client::Upstart* upstart;
  client::EnvironmentOwner owner;
};

/// Within a job the variables are those of the job, unless -g says otherwise.
Done<Target> find_target(Invocation& invocation) {
  Target target;
  if (!invocation.settings().global && std::getenv("UPSTART_JOB")) {
    auto own = own_instance();
    if (!own) return std::unexpected(own.error());
    target.owner = std::move(*own);
  }
  const auto upstart = invocation.upstart();
  if (!upstart) return std::unexpected(upstart.error());
  target.upstart = *upstart;
  return target;
}

/// In the order of the user's language, and of bytes where that finds no difference.
bool collates_before(const std::string& left, const std::string& right) {
  const int order = std::strcoll(left.c_str(), right.c_str());
  return order != 0 ? order < 0 : left < right;
}

}  // namespace

Done<> run_get_env(Invocation& invocation) {
  if (invocation.arguments().empty()) return usage_error("missing variable name");
  const auto target = find_target(invocation);
  if (!target) return std::unexpected(target.error());
  return invocation.print_outcome(
      target->upstart->get_environment(target->owner, invocation.arguments()[0]));
}

Done<> run_list_env(Invocation& invocation) {
  const auto target = find_target(invocation);
  if (!target) return std::unexpected(target.error());
  auto variables = target->upstart->list_environment(target->owner);
  if (!variables) return error(variables.error());
  std::setlocale(LC_COLLATE, "");
  std::ranges::sort(*variables, collates_before);
  for (const auto& variable : *variables) invocation.print(variable);
  return {};
}

Done<> run_reset_env(Invocation& invocation) {
  const auto target = find_target(invocation);
  if (!target) return std::unexpected(target.error());
  return finished(target->upstart->reset_environment(target->owner));
}

Done<> run_set_env(Invocation& invocation) {
  if (invocation.arguments().empty()) return usage_error("missing variable value");
  const auto target = find_target(invocation);
  if (!target) return std::unexpected(target.error());
  return finished(target->upstart->set_environment(target->owner, invocation.arguments(),
                                                   !invocation.settings().retain));
}

Done<> run_unset_env(Invocation& invocation) {
  if (invocation.arguments().empty()) return usage_error("missing variable name");
  const auto target = find_target(invocation);
  if (!target) return std::unexpected(target.error());
  return finished(target->upstart->unset_environment(target->owner, invocation.arguments()));
}

}  // namespace upkeep::tools
