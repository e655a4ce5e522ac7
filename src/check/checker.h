// Checks job files one after the other and reports on each.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "check/accounts.h"
#include "check/command_line.h"
#include "check/report.h"
#include "check/waits.h"

#include "conf/parser.h"
#include "os/job_file_reader.h"

namespace upkeep::check {

class Checker {
 public:
  /// Both have to outlive the checker.
  Checker(const CommandLine& settings, Report& report) : settings_(settings), report_(report) {}

  /// Checks a FILE, or all files of a DIR, as it was given.
  void check_operand(const std::string& operand);

  /// Says what is wrong with all of them together; to be called last.
  void check_together();

  /// Whether no file has failed so far.
  [[nodiscard]] bool all_passed() const { return all_passed_; }

 private:
  using Text = std::expected<std::string, os::ReadError>;

  void check_directory(const std::string& path);
  /// `directory` is the operand that led to the file; empty if that was the file itself.
  void check_file(std::string_view directory, const std::string& path, Text text);
  void remember(std::string_view directory, const ValidFile& file);
  void refuse(const UnreadFile& file);
  [[nodiscard]] bool checks_scripts() const;

  const CommandLine& settings_;
  Report& report_;
  Accounts accounts_;
  Waits waits_;
  bool checks_single_file_ = false;  ///< there is one operand, and it is a file
  bool all_passed_ = true;
};

}  // namespace upkeep::check
