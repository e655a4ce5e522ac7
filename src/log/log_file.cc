#include "log/log_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"

namespace upkeep::log {
namespace {

constexpr mode_t kMode = 0640;
constexpr int kOpenFlags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

/// A disk that is full, empty, and full again within this time is one trouble, not many.
constexpr auto kReportInterval = std::chrono::seconds(60);

std::string error_text(int error) {
  return std::strerror(error);  // NOLINT(concurrency-mt-unsafe): one thread
}

bool is_no_space(int error) {
  return error == ENOSPC || error == EDQUOT;
}

bool is_symlink(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

/// Opens the file as it is, or creates it with exactly kMode. -1 and errno if that is not possible.
UniqueFd open_or_create(const std::string& path) {
  // A file can come and go between the two calls, but hardly three times in a row.
  for (int attempt = 0; attempt < 3; ++attempt) {
    UniqueFd fd(::open(path.c_str(), kOpenFlags));
    if (fd || errno != ENOENT) return fd;
    fd.reset(::open(path.c_str(), kOpenFlags | O_CREAT | O_EXCL, kMode));
    if (fd) {
      ::fchmod(fd.value(), kMode);  // the umask has taken bits away
      return fd;
    }
    if (errno != EEXIST) return fd;
  }
  return {};
}

/// Renames NAME to NAME.1, NAME.1 to NAME.2 and so on; what was NAME.keep is gone. 0 or errno.
int shift_names(const std::string& path, unsigned keep) {
  for (unsigned number = keep; number >= 1; --number) {
    const auto from = number == 1 ? path : fmt::format("{}.{}", path, number - 1);
    const auto to = fmt::format("{}.{}", path, number);
    if (std::rename(from.c_str(), to.c_str()) != 0 && (errno != ENOENT || number == 1)) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

LogFile::LogFile(std::string path, Rotation rotation, MemoryBudget& budget, const Warn& warn)
    : path_(std::move(path)),
      rotation_(rotation),
      warn_(warn),
      rotate_from_(rotation.max_size),
      backlog_(budget) {}

void LogFile::write(std::string_view output) {
  const auto size = output.size();
  auto failure = flush_backlog();
  if (!failure) failure = append(output);
  if (!failure) return recovered();

  failed(*failure);
  // A chunk that was begun is kept, so that the log goes on where it stopped.
  const bool begun = output.size() < size;
  if (failure->kind == Failure::Kind::NoSpace && !begun) {
    lost_ += output.size();
  } else {
    lost_ += backlog_.add(output);
  }
}

void LogFile::retry() {
  if (const auto failure = flush_backlog()) return failed(*failure);
  recovered();
}

void LogFile::finish() {
  if (pending()) retry();
  const auto lost = lost_ + backlog_.bytes().size();
  if (lost > 0) warn(fmt::format("{} bytes of output are lost", lost));
  backlog_.remove(backlog_.bytes().size());
  lost_ = 0;
}

std::optional<LogFile::Failure> LogFile::flush_backlog() {
  auto rest = backlog_.bytes();
  const auto failure = append(rest);
  backlog_.remove(backlog_.bytes().size() - rest.size());
  return failure;
}

/// Writes from the front of `bytes` and leaves there what could not be written.
std::optional<LogFile::Failure> LogFile::append(std::string_view& bytes) {
  while (!bytes.empty()) {
    if (auto failure = make_ready()) return failure;
    auto piece = bytes;
    if (rotation_is_due()) {
      const auto line_end = bytes.find('\n');
      if (at_line_start_ || line_end == std::string_view::npos) {
        rotate();
        continue;
      }
      piece = bytes.substr(0, line_end + 1);
    }
    const auto written = ::write(fd_.value(), piece.data(), piece.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      auto failure = describe("write", written < 0 ? errno : EIO);
      if (failure.kind == Failure::Kind::Other) fd_.reset();
      return failure;
    }
    at_line_start_ = bytes[static_cast<std::size_t>(written) - 1] == '\n';
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return std::nullopt;
}

/// Sees to it that the file is open, still has a name, and its size is known.
std::optional<LogFile::Failure> LogFile::make_ready() {
  if (fd_) {
    struct stat status {};
    if (::fstat(fd_.value(), &status) != 0 || status.st_nlink == 0 ||
        (check_name_ && !is_named_by_path())) {
      fd_.reset();
    } else {
      size_ = static_cast<std::uint64_t>(status.st_size);
    }
  }
  check_name_ = false;
  return fd_ ? std::nullopt : open_file();
}

std::optional<LogFile::Failure> LogFile::open_file() {
  auto fd = open_or_create(path_);
  if (!fd) {
    const auto error = errno;
    if (error == ELOOP && is_symlink(path_)) {
      return Failure{Failure::Kind::Other, "unable to open: a symbolic link is not followed"};
    }
    // ENXIO: a FIFO that nobody reads, a socket, a device that is not there.
    if (error == ENXIO) return Failure{Failure::Kind::Other, "unable to open: not a regular file"};
    return describe("open", error);
  }
  struct stat status {};
  if (::fstat(fd.value(), &status) != 0) return describe("open", errno);
  if (!S_ISREG(status.st_mode)) {
    return Failure{Failure::Kind::Other, "unable to open: not a regular file"};
  }
  fd_ = std::move(fd);
  size_ = static_cast<std::uint64_t>(status.st_size);
  rotate_from_ = rotation_.max_size;
  at_line_start_ = true;
  return std::nullopt;
}

bool LogFile::is_named_by_path() const {
  struct stat open {};
  struct stat named {};
  return ::fstat(fd_.value(), &open) == 0 && ::lstat(path_.c_str(), &named) == 0 &&
         open.st_dev == named.st_dev && open.st_ino == named.st_ino;
}

bool LogFile::rotation_is_due() const {
  return rotation_.max_size > 0 && size_ >= rotate_from_;
}

/// Leaves the file closed, so that a new one is begun; or open with its bound moved, if the old
/// one cannot be renamed.
void LogFile::rotate() {
  // Somebody else has renamed our file: that was the rotation, and what now has its name is not
  // ours to rename.
  if (!is_named_by_path()) return fd_.reset();

  if (const auto error = shift_names(path_, rotation_.keep); error != 0) {
    rotate_from_ = size_ + rotation_.max_size;
    if (!rotation_failed_) {
      warn(fmt::format("unable to rotate: {}; it goes on growing", error_text(error)));
    }
    rotation_failed_ = true;
    return;
  }
  rotation_failed_ = false;
  fd_.reset();
}

LogFile::Failure LogFile::describe(std::string_view action, int error) {
  return {is_no_space(error) ? Failure::Kind::NoSpace : Failure::Kind::Other,
          fmt::format("unable to {}: {}", action, error_text(error))};
}

void LogFile::failed(const Failure& failure) {
  const auto kind = static_cast<std::size_t>(failure.kind);
  const auto now = std::chrono::steady_clock::now();
  if (reported_[kind] || (last_report_[kind] && now - *last_report_[kind] < kReportInterval)) {
    return;
  }
  reported_[kind] = true;
  last_report_[kind] = now;
  warn(fmt::format("{}; output of its job is {}", failure.text,
                   failure.kind == Failure::Kind::NoSpace
                       ? "discarded until there is space"
                       : fmt::format("kept in memory, at most {} KiB, until it can be written",
                                     Backlog::kLimit / 1024)));
}

void LogFile::recovered() {
  const bool was_reported = reported_[0] || reported_[1];
  reported_ = {};
  if (!was_reported || lost_ == 0) return;
  warn(fmt::format("written again; {} bytes of output were lost", lost_));
  lost_ = 0;
}

void LogFile::warn(std::string_view text) const {
  warn_(fmt::format("{}: {}", printable(path_), text));
}

}  // namespace upkeep::log
