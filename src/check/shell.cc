// The script goes through a file in memory, not a pipe, so that nobody has to feed it.
#include "check/shell.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace upkeep::check {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kShell[] = "/bin/sh";
constexpr std::chrono::seconds kTimeLimit{10};
constexpr std::size_t kMostOutput = 8U << 10;

std::unexpected<Error> failed(std::string_view what, int error) {
  return failure(fmt::format("cannot {}: {}", what, system_error_text(error)));
}

/// A descriptor to read `text` from.
Result<UniqueFd> file_in_memory(std::string_view text) {
  UniqueFd file(::memfd_create("script", MFD_CLOEXEC));
  if (!file) return failed("make a file in memory", errno);
  while (!text.empty()) {
    const auto size = ::write(file.value(), text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed("write a file in memory", errno);
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  if (::lseek(file.value(), 0, SEEK_SET) != 0) return failed("read a file in memory", errno);
  return file;
}

/// posix_spawn()'s two tables, and their ends.
class SpawnSetup {
 public:
  SpawnSetup(int input, int output) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions_, output, STDERR_FILENO);
    ::posix_spawnattr_init(&attributes_);
    sigset_t as_usual;
    sigemptyset(&as_usual);
    sigaddset(&as_usual, SIGPIPE);  // which we ignore
    sigaddset(&as_usual, SIGCHLD);  // which may have been ignored when we were started
    ::posix_spawnattr_setsigdefault(&attributes_, &as_usual);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  /// The environment is our own, so that the shell reads no start-up file and speaks English.
  [[nodiscard]] Result<pid_t> start() const {
    std::string name = kShell;
    std::string option = "-n";
    std::string path = "PATH=/usr/bin:/bin";
    std::string language = "LC_ALL=C";
    const std::array<char*, 3> words{name.data(), option.data(), nullptr};
    const std::array<char*, 3> environment{path.data(), language.data(), nullptr};
    pid_t pid = -1;
    const int error =
        ::posix_spawn(&pid, kShell, &actions_, &attributes_, words.data(), environment.data());
    if (error != 0) return failed(fmt::format("run {}", kShell), error);
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// Waits until there is something to read; false once the time is over.
bool wait_for_input(int fd, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd input{fd, POLLIN, 0};
    if (::poll(&input, 1, static_cast<int>(left)) > 0) return true;
  }
}

/// Collects what is said until the other side closes, as much as is kept. False if it took too
/// long.
bool listen(int fd, std::string& said) {
  const auto deadline = Clock::now() + kTimeLimit;
  std::array<char, 4096> part;
  while (wait_for_input(fd, deadline)) {
    const auto size = ::read(fd, part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return true;
    const auto room = kMostOutput - said.size();
    said.append(part.data(), std::min(static_cast<std::size_t>(size), room));
  }
  return false;
}

Result<int> wait_for_end(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return failed(fmt::format("wait for {}", kShell), errno);
  }
  return status;
}

/// Nothing that a terminal obeys; each line with its line feed.
std::string as_lines(std::string_view said) {
  std::string lines;
  while (said.ends_with('\n')) said.remove_suffix(1);
  if (said.empty()) return lines;
  for (const auto line : split(said, '\n')) lines += printable(line) + '\n';
  return lines;
}

}  // namespace

Result<std::optional<std::string>> find_shell_error(const std::string& script) {
  const auto input = file_in_memory(script);
  if (!input) return std::unexpected(input.error());
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed("make a pipe", errno);
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  const auto pid = SpawnSetup(input->value(), theirs.value()).start();
  if (!pid) return std::unexpected(pid.error());
  theirs.reset();

  std::string said;
  const bool in_time = listen(ours.value(), said);
  if (!in_time) ::kill(*pid, SIGKILL);
  const auto status = wait_for_end(*pid);
  if (!status) return std::unexpected(status.error());
  if (!in_time) return failure(fmt::format("{} took more than {} s", kShell, kTimeLimit.count()));
  if (WIFSIGNALED(*status)) {
    return failure(fmt::format("{} was ended by signal {}", kShell, WTERMSIG(*status)));
  }
  if (*status == 0) return std::nullopt;
  return as_lines(said);
}

}  // namespace upkeep::check
