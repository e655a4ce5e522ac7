// Reads a job file from disk, whatever may stand there under its name.
#pragma once

#include <expected>
#include <string>

namespace upkeep::os {

/// Why a file was not read.
struct ReadError {
  /// What is there instead of a regular file.
  enum class Instead { Nothing, Directory, Special };

  /// An errno. Of our own making are EFBIG (beyond conf::kMaxJobFileBytes, nothing was read), and
  /// ENOENT where something else is there instead.
  int number = 0;
  std::string text;  ///< ready to be shown after the path
  Instead instead = Instead::Nothing;
};

/// The text of a regular file, up to conf::kMaxJobFileBytes. Never waits for another process and
/// takes no terminal. `flags` are added to those of open().
[[nodiscard]] std::expected<std::string, ReadError> read_job_file(const std::string& path,
                                                                  int flags = 0);

}  // namespace upkeep::os
