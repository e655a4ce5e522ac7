#include "log/log_source.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace upkeep::log {

Reading read_source(int source, std::span<char> buffer) {
  Reading reading;
  while (reading.size < buffer.size()) {
    const auto rest = buffer.subspan(reading.size);
    const auto size = ::read(source, rest.data(), rest.size());
    if (size > 0) {
      reading.size += static_cast<std::size_t>(size);
      continue;
    }
    if (size < 0 && errno == EINTR) continue;
    // A pty master whose other side is closed everywhere gives EIO; a pipe gives 0.
    reading.ended = size == 0 || errno != EAGAIN;
    break;
  }
  return reading;
}

void note_process_end(int source) {
  int unlocked = 0;
  if (::ioctl(source, TIOCSPTLCK, &unlocked) != 0) return;  // a pipe
  UniqueFd(::ioctl(source, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
}

}  // namespace upkeep::log
