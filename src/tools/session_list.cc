#include "tools/session_list.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string_view>

#include <signal.h>

#include "base/strings.h"

namespace upkeep::tools {
namespace {

/// The pid in `PID.session`; 0 for other names.
pid_t pid_of(std::string_view file) {
  constexpr std::string_view kSuffix = ".session";
  if (!file.ends_with(kSuffix)) return 0;
  const auto number = parse_decimal(file.substr(0, file.size() - kSuffix.size()));
  return number && *number <= std::numeric_limits<pid_t>::max() ? static_cast<pid_t>(*number) : 0;
}

bool alive(pid_t pid) {
  return ::kill(pid, 0) == 0 || errno == EPERM;
}

/// The address in the one line of a session file, or nothing.
std::string address_in(const std::filesystem::path& path) {
  constexpr std::string_view kVariable = "UPSTART_SESSION=";
  constexpr std::streamsize kLongest = 4096;
  std::ifstream file{path};
  std::string line(kLongest, '\0');
  file.read(line.data(), kLongest);
  line.resize(static_cast<std::size_t>(file.gcount()));
  line.resize(std::min(line.find('\n'), line.size()));
  return line.starts_with(kVariable) ? line.substr(kVariable.size()) : std::string{};
}

}  // namespace

Result<SessionList> read_sessions(const std::string& folder) {
  SessionList list;
  std::error_code problem;
  std::filesystem::directory_iterator entries{folder, problem};
  if (problem) return failure("unable to determine sessions");
  for (; entries != std::filesystem::directory_iterator{}; entries.increment(problem)) {
    const auto& path = entries->path();
    const auto pid = pid_of(path.filename().string());
    if (pid == 0) continue;
    if (!alive(pid)) {
      list.stale.push_back(path.string());
      continue;
    }
    auto address = address_in(path);
    if (!address.empty()) list.sessions.push_back({pid, std::move(address)});
    if (problem) break;
  }
  std::ranges::sort(list.sessions, {}, &SessionList::Session::pid);
  return list;
}

}  // namespace upkeep::tools
