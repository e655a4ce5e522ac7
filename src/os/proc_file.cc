#include "os/proc_file.h"

#include <array>
#include <cerrno>
#include <limits>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace upkeep::os {
namespace {

std::string read_file(pid_t pid, std::string_view name) {
  const UniqueFd file(::open(fmt::format("/proc/{}/{}", pid, name).c_str(), O_RDONLY | O_CLOEXEC));
  return file ? read_proc_file(file.value()) : std::string();
}

std::optional<int> number(std::string_view text) {
  const auto value = parse_decimal(text);
  if (!value || *value > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(*value);
}

/// The first number after `key` in a file of "Key:\tvalue" lines.
std::optional<int> status_number(pid_t pid, std::string_view key) {
  const auto text = read_file(pid, "status");
  const auto wanted = fmt::format("\n{}:\t", key);
  const auto found = text.find(wanted);
  if (found == std::string::npos) return std::nullopt;
  const auto value = std::string_view(text).substr(found + wanted.size());
  return number(value.substr(0, value.find_first_of("\t\n")));
}

}  // namespace

std::string read_proc_file(int file) {
  // Not a stream: it throws when the process goes between the opening and the reading.
  std::array<char, 4096> part;
  std::string text;
  while (text.size() < part.size()) {
    const auto size = ::read(file, part.data(), part.size() - text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return {};
    if (size == 0) break;
    text.append(part.data(), static_cast<std::size_t>(size));
  }
  return text;
}

pid_t parent_of(pid_t pid) {
  return status_number(pid, "PPid").value_or(0);
}

std::optional<uid_t> user_of(pid_t pid) {
  const auto user = status_number(pid, "Uid");
  return user ? std::optional(static_cast<uid_t>(*user)) : std::nullopt;
}

std::optional<int> zombie_status(pid_t pid) {
  constexpr std::size_t kState = 0;      // field 3 of proc(5), the first after the name
  constexpr std::size_t kExitCode = 49;  // field 52
  const auto text = read_file(pid, "stat");
  // The name is in parentheses and may contain anything, also blanks and parentheses.
  const auto name_end = text.rfind(") ");
  if (name_end == std::string::npos) return std::nullopt;
  const auto fields = split(std::string_view(text).substr(name_end + 2), ' ');
  if (fields.size() <= kExitCode || fields[kState] != "Z") return std::nullopt;
  const auto status = number(fields[kExitCode].substr(0, fields[kExitCode].find('\n')));
  const bool certain =
      status && (*status != 0 || status_number(pid, "Uid") == static_cast<int>(::geteuid()));
  return certain ? status : std::nullopt;
}

}  // namespace upkeep::os
