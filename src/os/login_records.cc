#include "os/login_records.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <vector>

#include <fcntl.h>
#include <unistd.h>
#include <utmpx.h>

#include "base/unique_fd.h"
#include "os/helper_child.h"

namespace upkeep::os {
namespace {

/// The file is read to here and no further: more than anybody has logins, less than a millisecond.
constexpr std::size_t kMaxRecords = 2048;
constexpr time_t kSettledSeconds = 2;

bool same_time(const timespec& one, const timespec& other) {
  return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

bool same_content(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino && one.st_size == other.st_size &&
         same_time(one.st_mtim, other.st_mtim) && same_time(one.st_ctim, other.st_ctim);
}

/// Whether the next change will show in the time of the file, which goes in steps.
bool is_settled(const struct stat& status) {
  return ::time(nullptr) - status.st_mtim.tv_sec >= kSettledSeconds;
}

/// Whatever else has been put there, to open it must not make anybody wait. What is no file cannot
/// be read or written at a place.
UniqueFd open_file(const std::string& path, int flags) {
  return UniqueFd(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

/// The whole records of the file, within the bound.
std::vector<utmpx> read_all(int file) {
  std::vector<utmpx> records(kMaxRecords);
  std::size_t size = 0;
  while (size < records.size() * sizeof(utmpx)) {
    const auto count = ::pread(file, reinterpret_cast<char*>(records.data()) + size,
                               records.size() * sizeof(utmpx) - size, static_cast<off_t>(size));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    size += static_cast<std::size_t>(count);
  }
  records.resize(size / sizeof(utmpx));
  return records;
}

bool is_open(const utmpx& record) {
  return record.ut_type == INIT_PROCESS || record.ut_type == LOGIN_PROCESS ||
         record.ut_type == USER_PROCESS;
}

// ---- What the child does ---------------------------------------------------------------------

/// Waits for other writers; glibc's take the same lock.
bool lock(int file) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  return ::fcntl(file, F_SETLKW, &whole) == 0;
}

/// The record as it has become; nothing if there is none any more.
std::optional<utmpx> close_current(const std::string& path, pid_t pid) {
  const auto file = open_file(path, O_RDWR);
  if (!file || !lock(file.value())) return std::nullopt;
  auto records = read_all(file.value());
  const auto found = std::ranges::find_if(
      records, [&](const utmpx& record) { return record.ut_pid == pid && is_open(record); });
  if (found == records.end()) return std::nullopt;

  found->ut_type = DEAD_PROCESS;
  std::memset(found->ut_user, 0, sizeof found->ut_user);
  std::memset(found->ut_host, 0, sizeof found->ut_host);
  found->ut_tv = {};
  const auto place = (found - records.begin()) * static_cast<off_t>(sizeof(utmpx));
  if (::pwrite(file.value(), &*found, sizeof *found, place) != sizeof *found) return std::nullopt;
  return *found;
}

void append_to_history(const std::string& path, utmpx record) {
  const auto file = open_file(path, O_RDWR);
  if (!file || !lock(file.value())) return;
  record.ut_tv.tv_sec = static_cast<decltype(record.ut_tv.tv_sec)>(::time(nullptr));
  // What is not a whole record at the end is somebody's failed attempt: readers count in records.
  struct stat status {};
  if (::fstat(file.value(), &status) < 0) return;
  const auto whole = status.st_size - status.st_size % static_cast<off_t>(sizeof record);
  const auto written = ::pwrite(file.value(), &record, sizeof record, whole);
  if (written != sizeof record && ::ftruncate(file.value(), whole) < 0) return;
}

}  // namespace

std::optional<pid_t> LoginRecords::process_ended(pid_t pid) {
  if (!has_record(pid)) return std::nullopt;
  return start_helper({}, [&] {
    const auto closed = close_current(files_.current, pid);
    if (closed) append_to_history(files_.history, *closed);
  });
}

bool LoginRecords::has_record(pid_t pid) {
  struct stat status {};
  if (::stat(files_.current.c_str(), &status) < 0) return false;
  if (static_cast<std::size_t>(status.st_size) < sizeof(utmpx)) return false;
  if (!read_when_ || !same_content(*read_when_, status)) read_records(status);
  return recorded_.contains(pid);
}

void LoginRecords::read_records(const struct stat& status) {
  recorded_.clear();
  read_when_.reset();
  const auto file = open_file(files_.current, O_RDONLY);
  if (!file) return;
  const bool settled = is_settled(status);  // before it is read
  for (const auto& record : read_all(file.value())) {
    if (is_open(record)) recorded_.insert(record.ut_pid);
  }
  if (settled) read_when_ = status;
}

}  // namespace upkeep::os
