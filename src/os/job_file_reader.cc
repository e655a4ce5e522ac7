// Four system calls for an ordinary file: thousands are read in one go.
#include "os/job_file_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "conf/parser.h"

namespace upkeep::os {
namespace {

using Instead = ReadError::Instead;

std::unexpected<ReadError> failed(int number) {
  return std::unexpected(ReadError{number, "unable to read: " + system_error_text(number), {}});
}

std::unexpected<ReadError> too_large() {
  return std::unexpected(ReadError{
      EFBIG, fmt::format("file too large (more than {} bytes)", conf::kMaxJobFileBytes), {}});
}

/// Reads what is there, up to the bound, even if the size it was said to have is not true.
std::expected<std::string, ReadError> read_all(int fd, std::size_t said) {
  constexpr std::size_t kPart = 16U << 10;
  std::string text(said + 1, '\0');
  std::size_t filled = 0;
  for (;;) {
    const auto size = ::read(fd, text.data() + filled, text.size() - filled);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed(errno);
    filled += static_cast<std::size_t>(size);
    // Files of the kernel say 0 and have more.
    if (size == 0 || (filled == said && said > 0)) break;
    if (filled > conf::kMaxJobFileBytes) return too_large();
    if (filled == text.size()) text.resize(std::max(2 * filled, kPart));
  }
  text.resize(filled);
  return text;
}

}  // namespace

std::expected<std::string, ReadError> read_job_file(const std::string& path, int flags) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | flags));
  if (!fd) return failed(errno);
  struct stat info {};
  if (::fstat(fd.value(), &info) != 0) return failed(errno);
  if (!S_ISREG(info.st_mode)) {
    const auto instead = S_ISDIR(info.st_mode) ? Instead::Directory : Instead::Special;
    return std::unexpected(ReadError{ENOENT, "not a regular file", instead});
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > conf::kMaxJobFileBytes) return too_large();
  return read_all(fd.value(), size);
}

}  // namespace upkeep::os
