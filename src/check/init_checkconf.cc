// init-checkconf: checks job files without a daemon (spec/control.md 3.1).
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "check/checker.h"
#include "check/command_line.h"
#include "check/output.h"
#include "check/report.h"
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/strings.h"

namespace upkeep::check {
namespace {

/// No file of ours may get the number of a standard stream that was closed. For reading only, so
/// that a verdict nobody can get is still noticed.
void occupy_standard_descriptors() {
  int fd = 0;
  do {
    fd = ::open("/dev/null", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

/// https://no-color.org
conf::Colour colour_of_standard_error() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  const bool wanted = variable("NO_COLOR").empty() && variable("TERM") != "dumb";
  return wanted && ::isatty(STDERR_FILENO) == 1 ? conf::Colour::Yes : conf::Colour::No;
}

bool check_all(const CommandLine& line, Output& output) {
  if (line.operands.empty()) {
    output.complain("ERROR: Must specify configuration file\n");
    return false;
  }
  const auto report = line.form == CommandLine::Form::Json
                          ? report_in_json(output)
                          : report_in_words(output, colour_of_standard_error());
  Checker checker(line, *report);
  for (const auto& operand : line.operands) {
    checker.check_operand(operand);
    if (output.has_failed()) return false;  // nobody would see the rest
  }
  checker.check_together();
  return checker.all_passed();
}

bool run(const std::vector<std::string>& words, Output& output) {
  const auto line = read_command_line(words);
  if (!line) {
    output.complain(fmt::format("ERROR: {}\nTry `init-checkconf --help' for more information.\n",
                                line.error().message));
    return false;
  }
  switch (line->action) {
    case CommandLine::Action::ShowHelp: output.print(help_text()); return true;
    case CommandLine::Action::ShowVersion:
      output.print(
          fmt::format("init-checkconf (upstart {})\nupkeep {}\n", UPSTART_VERSION, UPKEEP_VERSION));
      return true;
    case CommandLine::Action::Check: break;
  }
  return check_all(*line, output);
}

/// Whether all is valid and has been said, as far as standard output takes it.
bool run_and_finish(const std::vector<std::string>& words, Output& output) {
  const bool passed = run(words, output);
  output.finish();
  if (output.error() != 0 && output.error() != EPIPE) {
    output.complain(fmt::format("ERROR: unable to write: {}\n", system_error_text(output.error())));
    output.finish();
  }
  return passed && !output.has_failed();
}

/// Says it without needing any, after what has been said of files before.
void complain_of_memory(Output& output) {
  constexpr std::string_view kText = "ERROR: out of memory\n";
  output.finish();
  const auto written = ::write(STDERR_FILENO, kText.data(), kText.size());
  (void)written;
}

}  // namespace
}  // namespace upkeep::check

int main(int argc, char** argv) {
  using namespace upkeep::check;
  occupy_standard_descriptors();
  (void)std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an error like others
  (void)std::signal(SIGCHLD, SIG_DFL);  // ignored, it would hide how a shell has ended
  Output output;
  try {
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
    return run_and_finish(words, output) ? 0 : 1;
  } catch (const std::bad_alloc&) {
    complain_of_memory(output);
    return 1;
  }
}
