// How verdicts are said: to a person, or as JSON (docs/man/init-checkconf.8).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "check/output.h"

#include "conf/diagnostic.h"
#include "conf/parser.h"
#include "core/wait_cycles.h"

namespace upkeep::check {

/// Why a script does not pass.
struct ShellError {
  enum class Kind {
    Refused,    ///< by the shell
    Unchecked,  ///< the shell could not be asked, or did not answer
  };
  Kind kind{};
  std::string section;  ///< pre-start, post-start, script, pre-stop, post-stop
  std::string message;  ///< of a refused one: lines, each with its line feed; else the reason
};

/// A file without errors in the language.
struct ValidFile {
  std::string path;
  std::string text;
  conf::ParsedJob job;                     ///< of an override: with the .conf below it
  std::optional<conf::JobDefinition> own;  ///< of such an override: what it sets itself
  std::vector<ShellError> shell_errors;
  bool is_refused_for_warnings = false;

  [[nodiscard]] const conf::JobDefinition& definition() const {
    return own ? *own : job.definition;
  }
  [[nodiscard]] bool passes() const { return shell_errors.empty() && !is_refused_for_warnings; }
};

/// A file whose text was not looked at.
struct UnreadFile {
  std::string path;
  std::string sentence;  ///< for a person
  std::string reason;    ///< the same without the file's name
  bool is_too_large = false;
};

/// Each call is about one file, a directory in which there is none, or all files.
class Report {
 public:
  Report() = default;
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;
  virtual ~Report() = default;

  virtual void say_valid(const ValidFile& file) = 0;
  virtual void say_invalid(std::string_view path, std::string_view text,
                           const conf::Errors& errors) = 0;
  virtual void say_unread(const UnreadFile& file) = 0;
  virtual void say_empty(std::string_view directory) = 0;
  /// What was found about all files together. `refused`: it makes the whole fail.
  virtual void say_waits(const core::WaitCycles& found, bool refused) = 0;
};

/// Verdicts to standard output, all else to standard error, for which `colour` is.
[[nodiscard]] std::unique_ptr<Report> report_in_words(Output& output, conf::Colour colour);

/// One object a line to standard output; nothing to standard error.
[[nodiscard]] std::unique_ptr<Report> report_in_json(Output& output);

}  // namespace upkeep::check
