// Reads a job file from disk, whatever may stand there under its name.
#pragma once

#include <expected>
#include <string>

namespace upkeep::os {

/// Why a file was not read.
struct ReadError {
  /// An errno. Of our own making are EFBIG (beyond conf::kMaxJobFileBytes, nothing was read), and
  /// for what is no regular file EISDIR (a directory) or ENOTSUP (a device, a fifo, a socket).
  int number = 0;
  std::string text;  ///< ready to be shown after the path
};

/// Whether what stands there is something other than a regular file.
[[nodiscard]] bool is_no_regular_file(const ReadError& error);

/// The text of a regular file, up to conf::kMaxJobFileBytes. Never waits for another process and
/// takes no terminal. `flags` are added to those of open().
[[nodiscard]] std::expected<std::string, ReadError> read_job_file(const std::string& path,
                                                                  int flags = 0);

}  // namespace upkeep::os
