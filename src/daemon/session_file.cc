#include "daemon/session_file.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace upkeep::daemon {

Result<void> create_private_directories(const std::vector<std::string>& directories) {
  Result<void> result;
  for (const auto& directory : directories) {
    if (::mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST || !result) continue;
    result =
        failure(fmt::format("{}: unable to create directory: {}", directory, std::strerror(errno)));
  }
  return result;
}

Result<SessionFile> SessionFile::create(std::string path, const std::string& address) {
  // Written aside and renamed: whoever finds the file finds all of it.
  const auto fresh = path + ".new";
  const auto text = fmt::format("UPSTART_SESSION={}\n", address);
  (void)::unlink(fresh.c_str());
  const UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  const bool written =
      file && ::write(file.value(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) {
    const auto error = errno;
    (void)::unlink(fresh.c_str());
    return failure(fmt::format("{}: unable to write session file: {}", path, std::strerror(error)));
  }
  return SessionFile(std::move(path));
}

SessionFile::SessionFile(SessionFile&& other) noexcept
    : path_(std::exchange(other.path_, std::string())) {}

SessionFile::~SessionFile() {
  if (!path_.empty()) (void)::unlink(path_.c_str());
}

}  // namespace upkeep::daemon
