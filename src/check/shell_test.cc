#include "check/shell.h"

#include <atomic>
#include <bitset>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

namespace upkeep::check {
namespace {

bool accepts(const std::string& script) {
  const auto answer = find_shell_error(script);
  EXPECT_TRUE(answer) << answer.error().message;
  return answer && !*answer;
}

/// What the shell says against a script that it refuses.
std::string error_of(const std::string& script) {
  return find_shell_error(script).value().value();
}

std::string large_script() {
  std::string script;
  while (script.size() < (4U << 20)) script += "echo a line of a long script\n";
  return script;
}

/// As a parent may leave a signal to us.
class WithIgnored {
 public:
  explicit WithIgnored(int signal) : signal_(signal), before_(std::signal(signal, SIG_IGN)) {}
  WithIgnored(const WithIgnored&) = delete;
  WithIgnored& operator=(const WithIgnored&) = delete;
  ~WithIgnored() { (void)std::signal(signal_, before_); }

 private:
  int signal_;
  void (*before_)(int);
};

TEST(Shell, AcceptsWhatItCanRead) {
  EXPECT_TRUE(accepts(""));
  EXPECT_TRUE(accepts("if true; then\n  exec a\nfi\n"));
  EXPECT_TRUE(accepts("nosuchprogram \xff\n"));
}

TEST(Shell, SaysWhatIsWrong) {
  const auto error = error_of("true\nif true; then\n");
  EXPECT_NE(error.find("yntax error"), std::string::npos) << error;
  EXPECT_TRUE(error.ends_with('\n'));
}

TEST(Shell, RunsNothing) {
  const auto file = std::filesystem::temp_directory_path() / "upkeep-shell-test";
  std::filesystem::remove(file);
  EXPECT_TRUE(accepts("touch " + file.native() + "\n: $(touch " + file.native() + ")\n"));
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(Shell, WhatItSaysIsPrintableAndBounded) {
  const auto error = error_of("case \x1b[31m" + std::string(100'000, 'x') + ")\n");
  EXPECT_EQ(error.find('\x1b'), std::string::npos);
  EXPECT_LT(error.size(), 40'000U);
}

TEST(Shell, TakesLargeScripts) {
  EXPECT_TRUE(accepts(large_script()));
}

TEST(Shell, MayItselfFail) {
  // As deep as this, some shells refuse it and some do not survive; none may hold us up.
  const auto answer = find_shell_error(std::string(1'000'000, '('));
  if (answer) {
    EXPECT_TRUE(*answer);
  } else {
    EXPECT_TRUE(answer.error().message.starts_with("/bin/sh was ended by signal "));
  }
}

TEST(Shell, AnEndThatNobodyTellsIsNoVerdict) {
  const WithIgnored children(SIGCHLD);
  for (const auto* const script : {"(", ":"}) {
    const auto answer = find_shell_error(script);
    ASSERT_FALSE(answer) << script;
    EXPECT_EQ(answer.error().message, "cannot wait for /bin/sh: No child processes");
  }
}

TEST(Shell, WithoutDescriptorsThereIsNoVerdict) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto answer = find_shell_error("(");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message, "cannot make a file in memory: Too many open files");
}

/// The signals that a process ignores, from the lowest bit on; nothing unless it runs `name`.
std::optional<std::uint64_t> ignored_signals(const std::string& pid, const std::string& name) {
  std::ifstream status("/proc/" + pid + "/status");
  std::string line;
  if (!std::getline(status, line) || line != "Name:\t" + name) return std::nullopt;
  while (std::getline(status, line)) {
    if (line.starts_with("SigIgn:")) return std::stoull(line.substr(7), nullptr, 16);
  }
  return std::nullopt;
}

// The shell sets signals up for itself, so it has to be met before, which takes several attempts.
TEST(Shell, StartsWithSignalsAsUsual) {
  constexpr int kEnough = 100;
  const WithIgnored children(SIGCHLD);
  const WithIgnored pipes(SIGPIPE);
  const auto list = fmt::format("/proc/self/task/{}/children", ::gettid());
  std::uint64_t ignored = 0;
  std::atomic<int> meetings = 0;
  std::jthread watcher([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::ifstream pids(list);
      for (std::string pid; pids >> pid;) {
        const auto met = ignored_signals(pid, "sh");
        ignored |= met.value_or(0);
        if (met) ++meetings;
      }
    }
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (meetings < kEnough && std::chrono::steady_clock::now() < deadline) {
    EXPECT_FALSE(find_shell_error(":"));  // its end is lost, which is another matter
  }
  watcher.request_stop();
  watcher.join();
  EXPECT_GE(meetings, kEnough);
  const std::bitset<64> signals(ignored);
  EXPECT_FALSE(signals.test(SIGCHLD - 1));
  EXPECT_FALSE(signals.test(SIGPIPE - 1));
}

}  // namespace
}  // namespace upkeep::check
