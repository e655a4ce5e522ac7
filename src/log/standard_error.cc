#include "log/standard_error.h"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace upkeep::log {

/// Opens it once more: O_NONBLOCK on the descriptor that was inherited would be seen by all who
/// share it. poll() alone is not enough: a terminal is ready with room for a single byte, and a
/// pipe may be filled by others in the next moment.
StandardError::StandardError() {
  struct stat status {};
  if (::fstat(STDERR_FILENO, &status) != 0) return;
  if (!S_ISCHR(status.st_mode) && !S_ISFIFO(status.st_mode)) return;
  own_.reset(::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

void StandardError::write(std::string_view text) const {
  const int fd = own_ ? own_.value() : STDERR_FILENO;
  while (!text.empty()) {
    pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return;
    const auto written = ::write(fd, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace upkeep::log
