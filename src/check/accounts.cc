#include "check/accounts.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include "conf/lexer.h"

namespace upkeep::check {
namespace {

/// getpwnam_r() or getgrnam_r(): false if the system has answered, and knows no such name.
template <typename Record>
bool may_exist(int (*look_up)(const char*, Record*, char*, std::size_t, Record**),
               const std::string& name) {
  constexpr std::size_t kEnough = 1U << 20;  // a group has all its members in the buffer
  for (std::vector<char> buffer(1024);; buffer.resize(2 * buffer.size())) {
    Record record{};
    Record* found = nullptr;
    const int error = look_up(name.c_str(), &record, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < kEnough) continue;
    return error != 0 || found != nullptr;
  }
}

template <typename LookUp>
bool once(std::map<std::string, bool, std::less<>>& known, const std::string& name,
          LookUp look_up) {
  const auto found = known.find(name);
  if (found != known.end()) return found->second;
  return known[name] = may_exist(look_up, name);
}

/// Where the text that was read sets `stanza`, for the last time.
std::optional<conf::Position> place_of(const conf::ParsedJob& job, std::string_view stanza) {
  const auto last = std::find_if(job.stanzas.rbegin(), job.stanzas.rend(),
                                 [&](const auto& use) { return use.name == stanza; });
  return last == job.stanzas.rend() ? std::nullopt : std::optional(last->place);
}

void warn(conf::ParsedJob& job, std::string_view stanza, conf::DiagnosticKind kind,
          std::string message) {
  const auto place = place_of(job, stanza);
  if (!place) return;  // an override that leaves it as it is
  const auto place_of_warning = [](const conf::Diagnostic& warning) {
    return conf::Position{warning.line, warning.column};
  };
  job.warnings.insert(std::ranges::upper_bound(job.warnings, *place, {}, place_of_warning),
                      {kind, place->line, place->column, std::move(message), {}});
  if (job.warnings.size() > conf::kMaxDiagnostics) job.warnings.pop_back();
}

}  // namespace

bool Accounts::may_have_user(const std::string& name) {
  return once(users_, name, &::getpwnam_r);
}

bool Accounts::may_have_group(const std::string& name) {
  return once(groups_, name, &::getgrnam_r);
}

void warn_of_unknown_accounts(Accounts& accounts, conf::ParsedJob& job) {
  const auto& user = job.definition.setuid;
  const auto& group = job.definition.setgid;
  if (job.definition.chroot) return;
  if (user && !accounts.may_have_user(*user)) {
    warn(job, "setuid", conf::DiagnosticKind::UnknownUser,
         fmt::format("no user {} on this machine: the job could not start here",
                     conf::quoted_word(*user)));
  }
  if (group && !accounts.may_have_group(*group)) {
    warn(job, "setgid", conf::DiagnosticKind::UnknownGroup,
         fmt::format("no group {} on this machine: the job could not start here",
                     conf::quoted_word(*group)));
  }
}

}  // namespace upkeep::check
