// emit, reload-configuration, version, log-priority, list-sessions, help
// (spec/control.md 2.6, 2.8).
#include <cstdlib>

#include <fmt/format.h>

#include "tools/command.h"
#include "tools/session_list.h"

namespace upkeep::tools {
Done<> run_emit(Invocation& invocation) {
  if (invocation.arguments().empty()) return usage_error("missing event name");
  const auto upstart = invocation.upstart();
  if (!upstart) return std::unexpected(upstart.error());
  return finished((*upstart)->emit(invocation.arguments()[0], invocation.further_arguments(),
                                   invocation.settings().wait));
}

Done<> run_reload_configuration(Invocation& invocation) {
  const auto upstart = invocation.upstart();
  if (!upstart) return std::unexpected(upstart.error());
  return finished((*upstart)->reload_configuration());
}

Done<> run_version(Invocation& invocation) {
  const auto upstart = invocation.upstart();
  if (!upstart) return std::unexpected(upstart.error());
  return invocation.print_outcome((*upstart)->version());
}

Done<> run_log_priority(Invocation& invocation) {
  const auto upstart = invocation.upstart();
  if (!upstart) return std::unexpected(upstart.error());
  if (invocation.arguments().empty()) return invocation.print_outcome((*upstart)->log_priority());
  return finished((*upstart)->set_log_priority(invocation.arguments()[0]));
}

Done<> run_list_sessions(Invocation& invocation) {
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (!runtime || *runtime == '\0') return error("Unable to query session directory");
  const auto list = read_sessions(fmt::format("{}/upstart/sessions", runtime));
  if (!list) return error(list.error().message);
  for (const auto& path : list->stale) {
    invocation.inform(fmt::format("Ignoring stale session file: {}", path));
  }
  for (const auto& session : list->sessions) {
    invocation.print(fmt::format("{} {}", session.pid, session.address));
  }
  return {};
}

Done<> run_help(Invocation& invocation) {
  auto text = list_commands();
  text.pop_back();  // print() ends the line
  invocation.print(text);
  return {};
}

}  // namespace upkeep::tools
