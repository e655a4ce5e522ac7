#include "os/command_line.h"

#include <string_view>

#include <fmt/format.h>

namespace upkeep::os {
namespace {

constexpr std::string_view kShell = "/bin/sh";
constexpr std::string_view kBlanks = " \t\r\n";

/// One of these makes an `exec` command the shell's business. '#' and '%' are not among them.
constexpr std::string_view kShellCharacters = "~`!$^&*()=|\\{}[];\"'<>?";
static_assert(kShellCharacters.size() == 22);

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  for (;;) {
    const auto begin = text.find_first_not_of(kBlanks);
    if (begin == std::string_view::npos) return found;
    const auto end = text.find_first_of(kBlanks, begin);
    found.emplace_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return found;
    text.remove_prefix(end);
  }
}

CommandLine shell_line(std::string text) {
  return {{std::string(kShell), "-e", "-c", std::move(text), std::string(kShell)}, std::nullopt};
}

CommandLine shell_script(std::string_view text) {
  // The shell opens the pipe a second time by its path, so the first line closes the original:
  // programs of the script must not inherit it.
  return {{std::string(kShell), "-e", fmt::format("/proc/self/fd/{}", kScriptDescriptor)},
          fmt::format("exec {}<&-\n{}", kScriptDescriptor, text)};
}

CommandLine exec_command(std::string_view text) {
  if (text.find_first_of(kShellCharacters) != std::string_view::npos) {
    return shell_line(fmt::format("exec {}", text));
  }
  auto arguments = words(text);
  if (arguments.empty()) arguments.emplace_back();
  return {std::move(arguments), std::nullopt};
}

}  // namespace

CommandLine command_line(const conf::Command& command) {
  if (command.form == conf::Command::Form::Exec) return exec_command(command.text);

  std::string_view line = command.text;
  while (line.ends_with('\n')) line.remove_suffix(1);
  const bool several = line.find('\n') != std::string_view::npos;
  return several ? shell_script(command.text) : shell_line(std::string(line));
}

}  // namespace upkeep::os
