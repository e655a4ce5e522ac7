// Closes the login record of a process that has ended (spec/runtime.md 4.9): a getty that dies
// leaves its terminal as free, and a line in the history of logins.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include <paths.h>
#include <sys/stat.h>
#include <sys/types.h>

namespace upkeep::os {

/// The files; neither is ever created.
struct LoginFiles {
  std::string current = _PATH_UTMP;
  std::string history = _PATH_WTMP;
};

/// Never blocks the manager: that only looks, and a short-lived child takes the locks and writes.
class LoginRecords {
 public:
  explicit LoginRecords(LoginFiles files = {}) : files_(std::move(files)) {}

  /// To be called when any process of a job has ended. If a record of it is open (of a process, a
  /// login or a user; others use the field of the pid for other things), a child is started that
  /// closes the first such: whoever reaps the caller's children gets that pid, and need not care.
  /// Almost free while the file does not exist, is empty or has not changed. Errors are ignored: a
  /// record that cannot be written is no reason to bother anybody.
  std::optional<pid_t> process_ended(pid_t pid);

 private:
  [[nodiscard]] bool has_record(pid_t pid);
  void read_records(const struct stat& status);

  LoginFiles files_;
  std::unordered_set<pid_t> recorded_;  ///< as read when the file was this:
  std::optional<struct stat> read_when_;
};

}  // namespace upkeep::os
