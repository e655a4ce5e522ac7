// What init-checkconf is asked to do (spec/control.md 3.1).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace upkeep::check {

struct CommandLine {
  enum class Action { Check, ShowHelp, ShowVersion };
  enum class Form { Human, Json };
  enum class Scripts {
    OfSingleFile,  ///< a shell for each script of thousands of files would take minutes
    Always,
    Never,
  };

  Action action = Action::Check;
  Form form = Form::Human;
  Scripts scripts = Scripts::OfSingleFile;
  bool strict = false;                ///< warnings fail a file
  bool looks_up_accounts = true;      ///< warns of users and groups that this machine lacks
  std::vector<std::string> operands;  ///< files and directories; those of --file first
};

/// Reads the words after the program's name.
[[nodiscard]] Result<CommandLine> read_command_line(std::span<const std::string> words);

[[nodiscard]] std::string help_text();

}  // namespace upkeep::check
