// The file by which others find a session: `UPSTART_SESSION=ADDRESS` (spec/control.md 1.2).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace upkeep::daemon {

/// Creates what is missing of `directories`, in order, for their owner alone. The first error is
/// returned after all have been tried.
[[nodiscard]] Result<void> create_private_directories(const std::vector<std::string>& directories);

/// Exists from create() until it is destroyed.
class SessionFile {
 public:
  [[nodiscard]] static Result<SessionFile> create(std::string path, const std::string& address);

  SessionFile(SessionFile&& other) noexcept;
  SessionFile& operator=(SessionFile&&) = delete;
  SessionFile(const SessionFile&) = delete;
  SessionFile& operator=(const SessionFile&) = delete;
  ~SessionFile();

 private:
  explicit SessionFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace upkeep::daemon
