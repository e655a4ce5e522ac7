// What the tests of this layer share: a folder of their own, sources, waiting with a deadline.
#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "log/log_streams.h"

namespace upkeep::log {

inline constexpr auto kDeadline = std::chrono::seconds(30);

/// A new folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = std::filesystem::temp_directory_path() / "upkeep-log-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::size_t size_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
}

inline bool exists(const std::string& path) {
  return std::filesystem::exists(path);
}

/// The permission bits of a file.
inline mode_t mode_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

/// What a source is made of: the end the logger reads and the end the job writes.
struct Pair {
  UniqueFd source;
  UniqueFd job;
};

inline Pair make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

inline UniqueFd make_pty_master() {
  UniqueFd master(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (master && ::unlockpt(master.value()) != 0) std::abort();
  return master;
}

inline UniqueFd open_pty_slave(const UniqueFd& master) {
  return UniqueFd(::open(::ptsname(master.value()), O_RDWR | O_NOCTTY | O_CLOEXEC));
}

/// Writes all of `text`, waiting where the other end is slow.
inline void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    ASSERT_GT(size, 0) << errno;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
}

/// How many descriptors a process has.
inline std::ptrdiff_t descriptor_count(pid_t pid) {
  const std::filesystem::directory_iterator entries("/proc/" + std::to_string(pid) + "/fd");
  return std::distance(begin(entries), end(entries));
}

/// A manager's side with its event loop, and the real logger behind it.
class Manager {
 public:
  explicit Manager(LogStreams::Options options = {UPKEEP_LOGGER_PROGRAM, {}}) {
    rlimit descriptors{};
    ::getrlimit(RLIMIT_NOFILE, &descriptors);
    descriptors.rlim_cur = descriptors.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &descriptors);
    std::signal(SIGPIPE, SIG_IGN);  // a job whose stream is dropped fails its test, not all
    sd_event_new(&loop_);
    auto created = LogStreams::create(loop_, std::move(options), [this](std::string text) {
      warnings_.push_back(std::move(text));
    });
    if (!created) std::abort();
    streams_ = std::move(*created);
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager() {
    note_logger();
    streams_.reset();
    sd_event_unref(loop_);
    for (const auto pid : loggers_) reap(pid);
  }

  LogStreams& streams() { return *streams_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  StreamId open(UniqueFd source, const std::string& path) {
    const StreamId id{++last_id_};
    streams_->open(id, std::move(source), path);
    return id;
  }

  /// Runs the loop until `condition` holds; false if it never does.
  [[nodiscard]] bool run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      sd_event_run(loop_, 2000);
      note_logger();
    }
    return true;
  }
  [[nodiscard]] bool run_until_done() {
    return run_until([this] { return streams_->live_streams() == 0; });
  }
  [[nodiscard]] bool run_until_contents(const std::string& path, const std::string& text) {
    return run_until([&] { return contents(path) == text; });
  }

  /// Kills the logger that runs now, and waits until it has ended.
  void kill_logger() {
    const auto pid = streams_->logger_pid();
    ASSERT_GT(pid, 0);
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    loggers_.erase(pid);
  }

  /// The manager goes, as if it had been killed. The logger's pid, which the caller reaps.
  pid_t leave() {
    const auto pid = streams_->logger_pid();
    loggers_.erase(pid);
    streams_.reset();
    return pid;
  }

  /// Waits for the end of a process and returns its wait status; -1 if it had to be killed.
  static int reap(pid_t pid) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > deadline) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return -1;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return status;
  }

 private:
  void note_logger() {
    if (streams_ && streams_->logger_pid() > 0) loggers_.insert(streams_->logger_pid());
  }

  sd_event* loop_ = nullptr;
  std::vector<std::string> warnings_;
  std::unique_ptr<LogStreams> streams_;
  std::set<pid_t> loggers_;
  std::uint64_t last_id_ = 0;
};

}  // namespace upkeep::log
