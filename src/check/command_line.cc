#include "check/command_line.h"

#include <utility>

#include <fmt/format.h>

#include "base/options.h"

namespace upkeep::check {
namespace {

void ignore(std::string_view) {}

std::vector<Option> options_into(CommandLine& line) {
  using enum CommandLine::Action;
  using enum CommandLine::Scripts;
  const auto set = [](auto& variable, auto value) {
    return [&variable, value](std::string_view) { variable = value; };
  };
  const auto add_file = [&line](std::string_view file) { line.operands.emplace_back(file); };
  return {
      {0,
       "json",
       {},
       "Print one JSON object for each file.",
       set(line.form, CommandLine::Form::Json)},
      {0, "strict", {}, "Let warnings fail a file.", set(line.strict, true)},
      {0,
       "scripts",
       {},
       "Check the shell syntax of scripts in any number of files.",
       set(line.scripts, Always)},
      {0,
       "no-accounts",
       {},
       "Do not look up users and groups.",
       set(line.looks_up_accounts, false)},
      {'s', "noscript", {}, "Do not check the shell syntax of scripts.", set(line.scripts, Never)},
      {'f', "file", "FILE", "Check FILE.", add_file},
      {'d', "debug", {}, "Does nothing.", ignore},
      {'i', "initctl-path", "PATH", "Does nothing: no initctl is needed.", ignore},
      {'x', "upstart-path", "PATH", "Does nothing: no init is needed.", ignore},
      {'h', "help", {}, "Print this text.", set(line.action, ShowHelp)},
      {0, "version", {}, "Print the version.", set(line.action, ShowVersion)},
  };
}

}  // namespace

Result<CommandLine> read_command_line(std::span<const std::string> words) {
  CommandLine line;
  auto arguments = read_options(words, options_into(line), ArgumentOrder::Mixed,
                                UnknownOptions::Refuse, LongNames::OneDashToo);
  if (!arguments) return std::unexpected(arguments.error());
  for (auto& argument : *arguments) line.operands.push_back(std::move(argument));
  return line;
}

std::string help_text() {
  CommandLine line;
  return fmt::format(
      "Usage: init-checkconf [OPTION]... FILE|DIR...\n"
      "Says of job files and overrides whether they are valid, and what is doubtful in them.\n"
      "Directories are searched for them. Needs no running init.\n\n"
      "Options:\n{}\n"
      "Exit status: 0 if every file is valid, else 1.\n",
      describe_options(options_into(line)));
}

}  // namespace upkeep::check
