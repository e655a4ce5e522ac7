#include "check/checker.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "check/job_tree.h"
#include "check/shell.h"
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "conf/warnings.h"
#include "os/job_file_names.h"

namespace upkeep::check {
namespace {

using conf::Command;
using conf::ProcessType;
using os::ReadError;

std::optional<os::JobFileKind> kind_of(std::string_view path) {
  const auto slash = path.rfind('/');
  const auto name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  const auto file = os::job_file({}, name);
  return file ? std::optional(file->kind) : std::nullopt;
}

bool is_directory(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool is_link(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode);
}

bool is_missing(const ReadError& error) {
  return error.instead == ReadError::Instead::Nothing &&
         (error.number == ENOENT || error.number == ENOTDIR);
}

/// Why a file was not read, in both wordings.
UnreadFile unread(const std::string& path, const ReadError& error) {
  auto sentence = is_missing(error) ? fmt::format("File {} does not exist", printable(path))
                                    : fmt::format("File {}: {}", printable(path), error.text);
  return {path, std::move(sentence), error.text, error.number == EFBIG};
}

/// The same name with the other suffix.
std::string path_beside(std::string_view path, std::string_view suffix, std::string_view other) {
  return std::string(path.substr(0, path.size() - suffix.size())).append(other);
}

/// As the manager calls it: the path below the directory, without suffix.
std::string job_name(std::string_view directory, std::string_view path) {
  path.remove_prefix(directory.empty() ? path.rfind('/') + 1 : directory.size());
  while (path.starts_with('/')) path.remove_prefix(1);
  return std::string(path.substr(0, path.rfind('.')));
}

bool is_about_whole_job(const conf::Diagnostic& warning) {
  return conf::is_about_whole_job(warning.kind);
}

/// What `whole`, the job with its override, does not suffer from is no warning of the .conf.
void leave_out_cured(conf::ParsedJob& job, const conf::JobDefinition& whole) {
  std::vector<conf::Diagnostic> left;
  conf::add_warnings(whole, job.stanzas, left);
  std::erase_if(job.warnings, is_about_whole_job);
  std::ranges::copy_if(left, std::back_inserter(job.warnings), is_about_whole_job);
  conf::put_in_order(job.warnings);
}

/// The job of a .conf with the override beside it, if that is there and valid.
std::optional<conf::ParsedJob> with_override(const ValidFile& file) {
  const auto text = os::read_job_file(path_beside(file.path, "conf", "override"));
  if (!text) return std::nullopt;
  auto whole = conf::parse_override(file.job.definition, *text);
  return whole ? std::optional(*std::move(whole)) : std::nullopt;
}

/// Warnings that are about several stanzas together see the override beside the file.
void look_at_override(ValidFile& file) {
  if (std::ranges::none_of(file.job.warnings, is_about_whole_job)) return;
  if (const auto whole = with_override(file)) leave_out_cured(file.job, whole->definition);
}

/// An override is judged by what it makes of the job of the .conf beside it, if that is there and
/// valid; without it nothing is known of the job as a whole.
std::expected<void, conf::Errors> apply_to_base(ValidFile& file) {
  const auto text = os::read_job_file(path_beside(file.path, "override", "conf"));
  const auto base = text ? conf::parse_job(*text) : std::unexpected(conf::Errors{});
  if (!base) {
    std::erase_if(file.job.warnings, is_about_whole_job);
    return {};
  }
  auto together = conf::parse_override(base->definition, file.text);
  if (!together) return std::unexpected(std::move(together.error()));
  file.own = std::exchange(file.job, *std::move(together)).definition;
  return {};
}

std::expected<void, conf::Errors> parse_into(ValidFile& file) {
  auto alone = conf::parse_job(file.text);
  if (!alone) return std::unexpected(std::move(alone.error()));
  file.job = *std::move(alone);
  if (kind_of(file.path) == os::JobFileKind::Override) return apply_to_base(file);
  look_at_override(file);
  return {};
}

/// The sections in the order in which the original looks at them.
std::vector<ShellError> find_shell_errors(const conf::JobDefinition& job) {
  constexpr std::array kSections{ProcessType::PreStart, ProcessType::PostStart, ProcessType::Main,
                                 ProcessType::PreStop, ProcessType::PostStop};
  std::vector<ShellError> errors;
  for (const auto type : kSections) {
    const auto& command = job.process(type);
    if (!command || command->form != Command::Form::Script) continue;
    const std::string section(type == ProcessType::Main ? "script" : to_string(type));
    using enum ShellError::Kind;
    if (auto lines = find_shell_error(command->text); !lines) {
      errors.push_back({Unchecked, section, std::move(lines.error().message)});
    } else if (*lines) {
      errors.push_back({Refused, section, **std::move(lines)});
    }
  }
  return errors;
}

}  // namespace

void Checker::check_operand(const std::string& operand) {
  if (kind_of(operand)) {
    auto text = os::read_job_file(operand);
    if (!text && text.error().instead == ReadError::Instead::Directory)
      return check_directory(operand);
    checks_single_file_ = settings_.operands.size() == 1;
    return check_file({}, operand, std::move(text));
  }
  if (is_directory(operand)) return check_directory(operand);
  if (!exists(operand)) return refuse(unread(operand, {ENOENT, "no such file or directory", {}}));
  // The original takes a single operand, and does not name it.
  constexpr auto kWrongName = "File must end in .conf";
  refuse({operand,
          settings_.operands.size() == 1
              ? kWrongName
              : fmt::format("File {} must end in .conf", printable(operand)),
          kWrongName});
}

void Checker::check_directory(const std::string& path) {
  bool is_empty = true;
  const auto check = [&](const std::string& file) {
    is_empty = false;
    auto text = os::read_job_file(file);
    if (!text && is_missing(text.error()) && is_link(file)) {  // its name at least does exist
      text.error() = {ENOENT, "a symbolic link whose target does not exist",
                      ReadError::Instead::Special};
    }
    check_file(path, file, std::move(text));
  };
  const auto complain = [&](const std::string& place, std::string reason) {
    is_empty = false;
    refuse({place, fmt::format("{}: {}", printable(place), reason), reason});
  };
  walk_job_files(path, check, complain);
  if (is_empty) report_.say_empty(path);
}

void Checker::check_file(std::string_view directory, const std::string& path, Text text) {
  if (!text) return refuse(unread(path, text.error()));
  ValidFile file{.path = path, .text = *std::move(text), .job = {}, .own = {}, .shell_errors = {}};
  if (const auto parsed = parse_into(file); !parsed) {
    all_passed_ = false;
    return report_.say_invalid(path, file.text, parsed.error());
  }
  if (settings_.looks_up_accounts) warn_of_unknown_accounts(accounts_, file.job);
  file.is_refused_for_warnings = settings_.strict && !file.job.warnings.empty();
  if (checks_scripts()) file.shell_errors = find_shell_errors(file.definition());
  if (!file.passes()) all_passed_ = false;
  report_.say_valid(file);
  remember(directory, file);
}

void Checker::remember(std::string_view directory, const ValidFile& file) {
  const auto name = job_name(directory, file.path);
  if (kind_of(file.path) == os::JobFileKind::Conf && can_make_wait(file.job.definition)) {
    if (const auto whole = with_override(file)) return waits_.add(name, whole->definition);
  }
  waits_.add(name, file.job.definition);
}

void Checker::check_together() {
  const auto found = waits_.find();
  if (found.cycles.empty() && found.is_complete) return;
  const bool is_refused = settings_.strict && !found.cycles.empty();
  if (is_refused) all_passed_ = false;
  report_.say_waits(found, is_refused);
}

void Checker::refuse(const UnreadFile& file) {
  all_passed_ = false;
  report_.say_unread(file);
}

bool Checker::checks_scripts() const {
  using enum CommandLine::Scripts;
  if (settings_.scripts != OfSingleFile) return settings_.scripts == Always;
  return checks_single_file_ && settings_.form == CommandLine::Form::Human;
}

}  // namespace upkeep::check
