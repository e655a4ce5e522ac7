#include "os/ready_pipe.h"

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/strings.h"

namespace upkeep::os {
namespace {

constexpr std::size_t kBytesPerRead = 16384;
constexpr std::uint64_t kTurnsIntervalMicroseconds = 100'000;
constexpr unsigned kTurnsPerInterval = 10;
/// As much as the largest pipe of an ordinary user holds (fs.pipe-max-size).
constexpr int kReadsPerLook = (1 << 20) / kBytesPerRead;

}  // namespace

Result<std::unique_ptr<ReadyPipe>> ReadyPipe::create(sd_event* loop, UniqueFd reading_end,
                                                     Hooks hooks) {
  const auto failed = [](int error) {
    return failure(
        fmt::format("unable to watch the pipe for readiness: {}", system_error_text(error)));
  };
  const int flags = ::fcntl(reading_end.value(), F_GETFL);
  if (flags < 0 || ::fcntl(reading_end.value(), F_SETFL, flags | O_NONBLOCK) < 0) {
    return failed(errno);
  }
  std::unique_ptr<ReadyPipe> pipe(new ReadyPipe(std::move(reading_end), std::move(hooks)));
  sd_event_source* source = nullptr;
  int result =
      sd_event_add_io(loop, &source, pipe->reading_end_.value(), EPOLLIN, on_readable, pipe.get());
  if (result < 0) return failed(-result);
  pipe->source_.reset(source);
  result = sd_event_source_set_ratelimit(source, kTurnsIntervalMicroseconds, kTurnsPerInterval);
  if (result < 0) return failed(-result);
  return pipe;
}

int ReadyPipe::on_readable(sd_event_source*, int, uint32_t, void* self) noexcept {
  static_cast<ReadyPipe*>(self)->read_some(1);
  return 0;
}

void ReadyPipe::look() {
  read_some(kReadsPerLook);
}

void ReadyPipe::read_some(int reads) {
  std::array<char, kBytesPerRead> bytes;
  for (int i = 0; i < reads && reading_end_; ++i) {
    const auto size = ::read(reading_end_.value(), bytes.data(), bytes.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return close();
    const std::string_view said(bytes.data(), static_cast<std::size_t>(size));
    if (hooks_.on_ready && said.contains('\n')) {
      const auto hooks = std::exchange(hooks_, {});
      return hooks.on_ready();  // which may be the end of us
    }
  }
}

void ReadyPipe::close() {
  source_.reset();
  reading_end_.reset();
  const auto hooks = std::exchange(hooks_, {});
  if (hooks.on_closed) hooks.on_closed();
}

}  // namespace upkeep::os
