// initctl and its links start, stop, restart, reload and status: reads the command line, runs one
// command, reports its failure (spec/control.md 2.1, 2.3).
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>
#include <unistd.h>

#include "tools/command.h"

namespace upkeep::tools {
namespace {

std::vector<Option> global_options(Settings& settings) {
  using enum Settings::Verbosity;
  auto& endpoint = settings.endpoint;
  return {
      {0,
       "user",
       {},
       "Talk to the session init at $UPSTART_SESSION.",
       [&](std::string_view) { endpoint.user = true; }},
      {0,
       "session",
       {},
       "Talk over the session bus (for tests).",
       [&](std::string_view) { endpoint.session = true; }},
      {0,
       "system",
       {},
       "Talk to the system's manager over the system bus.",
       [&](std::string_view) { endpoint.system = true; }},
      {0, "dest", "NAME", "Address NAME on the bus instead of com.ubuntu.Upstart.",
       [&](std::string_view name) { endpoint.destination = name; }},
      {'q',
       "quiet",
       {},
       "Print errors only.",
       [&](std::string_view) { settings.verbosity = Quiet; }},
      {'v', "verbose", {}, "Print more.", [&](std::string_view) { settings.verbosity = Verbose; }},
      {0, "debug", {}, {}, [&](std::string_view) { settings.verbosity = Verbose; }},
      {0,
       "help",
       {},
       "Print this text.",
       [&](std::string_view) { settings.show = Settings::Show::Help; }},
      {0,
       "version",
       {},
       "Print the version.",
       [&](std::string_view) { settings.show = Settings::Show::Version; }},
  };
}

void print_version(std::string_view program) {
  fmt::print("{} (upstart {})\nupkeep {}\n", program, UPSTART_VERSION, UPKEEP_VERSION);
}

void print_help(std::string_view program, const std::vector<Option>& global) {
  fmt::print(
      "Usage: {} [OPTION]... COMMAND [OPTION]... [ARG]...\n"
      "Controls the jobs of a running Upkeep, or of Upstart.\n\n"
      "Options:\n{}\n{}",
      program, describe_options(global), list_commands());
}

void print_help(std::string_view program, const Command& command,
                const std::vector<Option>& options) {
  const std::string name =
      program == command.name ? std::string{program} : fmt::format("{} {}", program, command.name);
  fmt::print("Usage: {} [OPTION]...{}{}\n{}\n\nOptions:\n{}", name,
             command.synopsis.empty() ? "" : " ", command.synopsis, command.help,
             describe_options(options));
}

/// A message whose first word is a label of its own follows the program's name without a blank.
void report(std::string_view program, const Failure& failure) {
  if (failure.kind == Failure::Kind::Silent) return;
  const std::string_view message = failure.message;
  const auto first_word = message.substr(0, message.find_first_of(" \n"));
  fmt::print(stderr, "{}:{}{}\n", program, first_word.ends_with(':') ? "" : " ", message);
  if (failure.kind == Failure::Kind::Usage) {
    fmt::print(stderr, "Try `{} --help' for more information.\n", program);
  }
}

Done<> run_command(const std::string& program, const Command& command, Settings settings,
                   std::span<const std::string> words) {
  auto options = command.options(settings);
  for (auto& option : global_options(settings)) options.push_back(std::move(option));
  auto arguments = read_options(words, options);
  if (!arguments) return usage_error(arguments.error().message);
  switch (settings.show) {
    case Settings::Show::Help: print_help(program, command, options); return {};
    case Settings::Show::Version: print_version(program); return {};
    case Settings::Show::Nothing: break;
  }
  Invocation invocation{program, settings, std::move(*arguments)};
  return command.run(invocation);
}

Done<> run(const std::string& program, std::span<const std::string> words) {
  Settings settings;
  // Called by the name of a command: the whole line belongs to it.
  if (const auto* own = find_command(program)) return run_command(program, *own, settings, words);

  const auto options = global_options(settings);
  const auto rest = read_options(words, options, ArgumentOrder::OptionsFirst);
  if (!rest) return usage_error(rest.error().message);
  if (settings.show == Settings::Show::Help) {
    print_help(program, options);
    return {};
  }
  if (settings.show == Settings::Show::Version) {
    print_version(program);
    return {};
  }
  if (rest->empty()) return usage_error("missing command");
  const auto* command = find_command(rest->front());
  if (!command) return usage_error(fmt::format("invalid command: {}", rest->front()));
  return run_command(program, *command, settings, std::span{*rest}.subspan(1));
}

}  // namespace
}  // namespace upkeep::tools

int main(int argc, char** argv) {
  using namespace upkeep::tools;
  const std::string program =
      argc > 0 ? std::filesystem::path{argv[0]}.filename().string() : std::string{"initctl"};
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const auto done = run(program, words);
  if (!done) report(program, done.error());
  // Output that did not reach its reader is a failure too.
  const bool written = std::fflush(stdout) == 0;
  if (!written) std::perror(program.c_str());
  return done && written ? 0 : 1;
}
