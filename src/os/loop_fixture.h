// A real event loop and real children, for tests of what lives in the loop.
#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <vector>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "loop/handles.h"

namespace upkeep::os {

class LoopTest : public ::testing::Test {
 protected:
  using Clock = std::chrono::steady_clock;

  LoopTest() {
    sd_event* loop = nullptr;
    if (sd_event_new(&loop) < 0) std::abort();
    loop_.reset(loop);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  }

  /// Kills what child() has made and waits for everybody, orphans as well.
  ~LoopTest() override {
    for (const pid_t pid : children_) ::kill(pid, SIGKILL);
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
  }

  /// A child that does `work` and exits with 0.
  pid_t child(const std::function<void()>& work) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      work();
      ::_exit(0);
    }
    children_.push_back(pid);
    return pid;
  }

  /// Waits for a child to end; whether it has exited with 0.
  bool wait_for(pid_t pid) {
    std::erase(children_, pid);
    int status = 0;
    return ::waitpid(pid, &status, 0) == pid && status == 0;
  }

  /// Runs the loop until the condition holds; false after twenty seconds.
  bool run_until(const std::function<bool()>& condition) {
    const auto deadline = Clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (Clock::now() > deadline) return false;
      if (sd_event_run(loop_.get(), 5'000) < 0) return false;
    }
    return true;
  }

  void run_for(Clock::duration time) {
    const auto end = Clock::now() + time;
    run_until([&] { return Clock::now() >= end; });
  }

  /// Runs the loop as long as something is ready.
  void run_what_is_ready() {
    while (sd_event_run(loop_.get(), 0) > 0) {
    }
  }

  static bool is_root() { return ::geteuid() == 0; }

  static long open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  }

  loop::EventLoop loop_;

 private:
  std::vector<pid_t> children_;
};

}  // namespace upkeep::os
