#include "check/output.h"

#include <cerrno>

#include <poll.h>

namespace upkeep::check {
namespace {

constexpr std::size_t kPart = 64U << 10;

/// 0, or the errno of the failure.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto size = ::write(fd, text.data(), text.size());
    if (size >= 0) {
      text.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno == EAGAIN) {
      pollfd room{fd, POLLOUT, 0};
      (void)::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

void Output::finish() {
  flush(out_);
  flush(err_);
}

void Output::append(Stream& stream, std::string_view text, Stream& other) {
  flush(other);
  stream.pending += text;
  if (stream.pending.size() >= kPart) flush(stream);
}

void Output::flush(Stream& stream) {
  if (stream.error == 0) stream.error = write_all(stream.fd, stream.pending);
  stream.pending.clear();
}

}  // namespace upkeep::check
