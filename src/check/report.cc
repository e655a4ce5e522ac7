#include "check/report.h"

#include "check/job_json.h"
#include <fmt/format.h>

#include "base/json.h"
#include "base/strings.h"

namespace upkeep::check {
namespace {

/// The kind of what says nothing about the file's text.
constexpr std::string_view kSystemError = "SystemError";

class ReportInWords : public Report {
 public:
  ReportInWords(Output& output, conf::Colour colour) : output_(output), colour_(colour) {}

  void say_valid(const ValidFile& file) override {
    if (file.is_refused_for_warnings) {
      say_error(fmt::format("File {}: refused because of warnings:", printable(file.path)));
    } else if (file.passes()) {
      output_.print(fmt::format("File {}: syntax ok\n", printable(file.path)));
    }
    show(file.path, file.text, file.job.warnings);
    for (const auto& error : file.shell_errors) say_shell_error(file.path, error);
  }

  void say_invalid(std::string_view path, std::string_view text,
                   const conf::Errors& errors) override {
    say_error(fmt::format("File {}: syntax invalid:", printable(path)));
    show(path, text, errors);
  }

  void say_unread(const UnreadFile& file) override { say_error(file.sentence); }

  void say_empty(std::string_view directory) override {
    output_.complain(fmt::format("{}: no job files found\n", printable(directory)));
  }

  void say_waits(const core::WaitCycles& found, bool refused) override {
    if (refused) say_error("The files together: refused because of warnings:");
    for (const auto& cycle : found.cycles) warn(core::describe(cycle));
    if (const auto rest = core::describe_rest(found); !rest.empty()) warn(rest);
  }

 private:
  void say_shell_error(std::string_view path, const ShellError& error) {
    if (error.kind == ShellError::Kind::Unchecked) {
      return say_error(
          fmt::format("File {}: unable to check the shell syntax of the {} section: {}",
                      printable(path), error.section, error.message));
    }
    say_error(fmt::format("File {}: shell syntax invalid in {} section:", printable(path),
                          error.section));
    output_.complain(error.message);
  }

  void warn(std::string_view sentence) { output_.complain(fmt::format("warning: {}\n", sentence)); }

  void say_error(std::string_view sentence) {
    output_.complain(fmt::format("ERROR: {}\n", sentence));
  }

  void show(std::string_view path, std::string_view text,
            const std::vector<conf::Diagnostic>& diagnostics) {
    for (const auto& one : diagnostics) {
      output_.complain(conf::show_diagnostic(path, text, one, colour_));
    }
  }

  Output& output_;
  conf::Colour colour_;
};

class ReportInJson : public Report {
 public:
  explicit ReportInJson(Output& output) : output_(output) {}

  void say_valid(const ValidFile& file) override {
    JsonWriter json = begin(file.path, true);
    json.key("job");
    write_job(json, file.definition());
    json.key("warnings");
    write_diagnostics(json, file.job.warnings);
    if (!file.shell_errors.empty()) write_shell_errors(json, file.shell_errors);
    end(json);
  }

  void say_invalid(std::string_view path, std::string_view, const conf::Errors& errors) override {
    JsonWriter json = begin(path, false);
    json.key("errors");
    write_diagnostics(json, errors);
    end(json);
  }

  void say_unread(const UnreadFile& file) override {
    using Kind = conf::DiagnosticKind;
    const int place = file.is_too_large ? 1 : 0;
    JsonWriter json = begin(file.path, false);
    json.key("errors");
    json.begin_array();
    write_diagnostic(json, {place, place},
                     file.is_too_large ? to_string(Kind::FileTooLarge) : kSystemError, file.reason);
    json.end_array();
    end(json);
  }

  void say_empty(std::string_view) override {}  // the format speaks of files alone

  /// The last line, without a member "file".
  void say_waits(const core::WaitCycles& found, bool) override {
    line_.clear();
    JsonWriter json(line_);
    json.begin_object();
    json.key("waits");
    json.begin_array();
    for (const auto& cycle : found.cycles) write_cycle(json, cycle);
    json.end_array();
    json.member("complete", found.is_complete && found.unlisted == 0);
    end(json);
  }

 private:
  JsonWriter begin(std::string_view path, bool ok) {
    line_.clear();
    JsonWriter json(line_);
    json.begin_object();
    json.member("file", path);
    json.member("ok", ok);
    return json;
  }

  void end(JsonWriter& json) {
    json.end_object();
    line_ += '\n';
    output_.print(line_);
  }

  static void write_cycle(JsonWriter& json, const core::WaitCycle& cycle) {
    json.begin_object();
    json.member("kind", cycle.kind == core::WaitCycle::Kind::Hang ? "Hang" : "Order");
    json.key("steps");
    json.begin_array();
    for (const auto& step : cycle.steps) {
      json.begin_object();
      json.member("job", step.job);
      json.member("stanza", step.reaction == core::WaitPhase::Starting ? "start on" : "stop on");
      json.member("event", step.leaf.event);
      json.member("args", step.leaf.arguments);
      json.end_object();
    }
    json.end_array();
    json.member("message", core::describe(cycle));
    json.end_object();
  }

  static void write_shell_errors(JsonWriter& json, const std::vector<ShellError>& errors) {
    json.key("shell_errors");
    json.begin_array();
    for (const auto& error : errors) {
      json.begin_object();
      json.member("section", error.section);
      json.member("kind", error.kind == ShellError::Kind::Refused ? "Refused" : kSystemError);
      json.member("message", error.message);
      json.end_object();
    }
    json.end_array();
  }

  Output& output_;
  std::string line_;  ///< kept, so that its memory serves all files
};

}  // namespace

std::unique_ptr<Report> report_in_words(Output& output, conf::Colour colour) {
  return std::make_unique<ReportInWords>(output, colour);
}

std::unique_ptr<Report> report_in_json(Output& output) {
  return std::make_unique<ReportInJson>(output);
}

}  // namespace upkeep::check
