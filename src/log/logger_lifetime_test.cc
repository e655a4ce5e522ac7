// Either side dies, or lies, or is not there: what becomes of the streams.
#include <atomic>
#include <cstring>
#include <future>
#include <sstream>

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "log/channel.h"
#include "log/logger_process.h"
#include "log/test_support.h"

namespace upkeep::log {
namespace {

class LoggerLifetimeTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string path_ = folder_.file("job.log");
};

TEST_F(LoggerLifetimeTest, StartsWithTheFirstStreamInASessionOfItsOwn) {
  Manager manager;
  EXPECT_EQ(manager.streams().logger_pid(), 0);
  auto [source, job] = make_pipe();
  manager.open(std::move(source), path_);
  const auto pid = manager.streams().logger_pid();
  write_all(job.value(), "x");
  ASSERT_TRUE(manager.run_until_contents(path_, "x"));
  EXPECT_EQ(::getsid(pid), pid);
  // Standard ones, socket, epoll, the stream, its file: nothing of the manager's.
  EXPECT_EQ(descriptor_count(pid), 7);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) ::kill(pid, signal);
  write_all(job.value(), "y");
  ASSERT_TRUE(manager.run_until_contents(path_, "xy"));
  EXPECT_EQ(manager.streams().logger_pid(), pid);
}

TEST_F(LoggerLifetimeTest, IdleLoggerHasNoTimer) {
  Manager manager;
  auto [source, job] = make_pipe();
  manager.open(std::move(source), path_);
  write_all(job.value(), "x");
  ASSERT_TRUE(manager.run_until_contents(path_, "x"));
  // The system call the logger sits in: epoll_wait, whose fourth argument is the timeout.
  const auto call = "/proc/" + std::to_string(manager.streams().logger_pid()) + "/syscall";
  if (!std::ifstream(call)) GTEST_SKIP() << call << " cannot be read";
  EXPECT_TRUE(manager.run_until([&] {
    std::istringstream words(contents(call));
    std::string number, epoll, events, count, timeout;
    words >> number >> epoll >> events >> count >> timeout;
    return timeout.ends_with("ffffffff");
  }));
}

TEST_F(LoggerLifetimeTest, KilledLoggerIsReplacedAndNothingUnreadIsLost) {
  Manager manager;
  auto pipe = make_pipe();
  const auto pipe_id = manager.open(std::move(pipe.source), path_);
  write_all(pipe.job.value(), "before\n");
  ASSERT_TRUE(manager.run_until_contents(path_, "before\n"));

  manager.kill_logger();
  write_all(pipe.job.value(), "while dead\n");
  manager.streams().close(pipe_id);
  auto late = make_pipe();
  manager.open(std::move(late.source), folder_.file("late.log"));
  write_all(late.job.value(), "opened while dead\n");
  ASSERT_TRUE(manager.run_until_contents(path_, "before\nwhile dead\n"));
  ASSERT_EQ(manager.warnings().size(), 1U);
  EXPECT_TRUE(manager.warnings()[0].contains("has ended unexpectedly"));

  write_all(pipe.job.value(), "after\n");
  pipe.job.reset();
  late.job.reset();
  ASSERT_TRUE(manager.run_until_done());
  EXPECT_EQ(contents(path_), "before\nwhile dead\nafter\n");
  EXPECT_EQ(contents(folder_.file("late.log")), "opened while dead\n");
}

TEST_F(LoggerLifetimeTest, KilledInTheMiddleTheStreamGoesOn) {
  Manager manager;
  auto master = make_pty_master();
  if (!master) GTEST_SKIP() << "no pseudo terminals here";
  auto slave = open_pty_slave(master);
  manager.open(std::move(master), path_);
  std::atomic<bool> stop = false;
  auto writer = std::async(std::launch::async, [&stop, fd = std::move(slave)]() mutable {
    std::size_t size = 0;
    // The bound keeps a test that fails from filling the disk.
    for (int i = 0; i < 20'000'000 && !stop; ++i) {
      const auto line = std::to_string(i) + "\n";
      write_all(fd.value(), line);
      size += line.size() + 1;  // the terminal makes CR LF of it
    }
    write_all(fd.value(), "last words\n");
    fd.reset();
    return size + std::string_view("last words\r\n").size();
  });
  for (int death = 0; death < 2; ++death) {
    const auto size = size_of(path_);
    EXPECT_TRUE(manager.run_until([&] { return size_of(path_) > size; }));
    manager.kill_logger();
    EXPECT_TRUE(manager.run_until([&] { return manager.streams().logger_pid() == 0; }));
    EXPECT_TRUE(manager.run_until([&] { return manager.streams().logger_pid() != 0; }));
  }
  stop = true;
  EXPECT_TRUE(manager.run_until_done());
  const auto written = writer.get();
  // What each dead logger had in its hands may be missing, and nothing else.
  EXPECT_LE(size_of(path_), written);
  EXPECT_GE(size_of(path_) + std::size_t{2} * 65536, written);
  EXPECT_TRUE(contents(path_).ends_with("last words\r\n"));
  EXPECT_EQ(manager.warnings().size(), 2U);
}

TEST_F(LoggerLifetimeTest, NextLoggerHearsThatAProcessHasEnded) {
  Manager manager;
  auto master = make_pty_master();
  if (!master) GTEST_SKIP() << "no pseudo terminals here";
  auto [source, job] = make_pipe();
  manager.open(std::move(source), path_);
  write_all(job.value(), "x");
  ASSERT_TRUE(manager.run_until_contents(path_, "x"));
  manager.kill_logger();
  // Never opened, so that only the end of its process ends it.
  manager.streams().close(manager.open(std::move(master), folder_.file("pty.log")));
  ASSERT_TRUE(manager.run_until([&] { return manager.streams().live_streams() == 1; }));
}

TEST_F(LoggerLifetimeTest, LoggerOutlivesTheManagerUntilEveryStreamHasEnded) {
  Manager manager;
  auto first = make_pipe();
  auto second = make_pipe();
  manager.open(std::move(first.source), path_);
  manager.open(std::move(second.source), path_);
  const auto pid = manager.leave();
  ASSERT_GT(pid, 0);
  write_all(first.job.value(), "one\n");
  first.job.reset();
  const std::string text(300'000, 'x');
  write_all(second.job.value(), text);
  second.job.reset();
  EXPECT_EQ(Manager::reap(pid), 0);
  const auto written = contents(path_);
  EXPECT_EQ(written.size(), text.size() + 4);
  EXPECT_TRUE(written.contains("one\n"));
}

TEST_F(LoggerLifetimeTest, LoggerWithoutStreamsEndsWithTheManager) {
  Manager manager;
  auto [source, job] = make_pipe();
  manager.open(std::move(source), path_);
  job.reset();
  ASSERT_TRUE(manager.run_until_done());
  EXPECT_EQ(Manager::reap(manager.leave()), 0);
}

TEST_F(LoggerLifetimeTest, KeptOutputIsTriedOnceMoreAtTheEnd) {
  const auto path = folder_.file("later/job.log");
  Manager manager;
  auto [source, job] = make_pipe();
  manager.open(std::move(source), path);
  write_all(job.value(), "kept\n");
  job.reset();
  ASSERT_TRUE(manager.run_until_done());
  std::filesystem::create_directory(folder_.file("later"));
  EXPECT_EQ(Manager::reap(manager.leave()), 0);
  EXPECT_EQ(contents(path), "kept\n");
}

TEST_F(LoggerLifetimeTest, MoreStreamsThanTheSocketHoldsReachTheLogger) {
  // A stopped logger takes nothing: everything above the socket's size is queued.
  Manager manager;
  auto steady = make_pipe();
  manager.open(std::move(steady.source), path_);
  write_all(steady.job.value(), "x");
  ASSERT_TRUE(manager.run_until_contents(path_, "x"));
  const auto pid = manager.streams().logger_pid();
  ::kill(pid, SIGSTOP);
  constexpr int kStreams = 1000;
  for (int i = 0; i < kStreams; ++i) {
    auto [source, job] = make_pipe();
    const auto id = manager.open(std::move(source), folder_.file("many.log"));
    write_all(job.value(), std::to_string(i) + "\n");
    manager.streams().close(id);
  }
  ::kill(pid, SIGCONT);
  ASSERT_TRUE(manager.run_until([&] { return manager.streams().live_streams() == 1; }));
  std::istringstream words(contents(folder_.file("many.log")));
  std::set<std::string> lines;
  for (std::string word; words >> word;) lines.insert(word);
  EXPECT_EQ(lines.size(), kStreams);
  EXPECT_EQ(manager.streams().logger_pid(), pid);
  EXPECT_TRUE(manager.warnings().empty());
}

TEST_F(LoggerLifetimeTest, MissingProgramIsSaidOnceAndTriedAgain) {
  const auto program = folder_.file("upkeep-logger");
  Manager manager({program, {}});
  auto [source, job] = make_pipe();
  manager.open(std::move(source), path_);
  write_all(job.value(), "waits\n");
  ASSERT_TRUE(manager.run_until([&] { return !manager.warnings().empty(); }));
  EXPECT_TRUE(
      manager.warnings()[0].contains("unable to start " + program + ": No such file or directory"))
      << manager.warnings()[0];
  // A second failure is not said again.
  ASSERT_TRUE(manager.run_until([&] { return manager.streams().logger_pid() != 0; }));
  ASSERT_TRUE(manager.run_until([&] { return manager.streams().logger_pid() == 0; }));
  std::filesystem::create_symlink(UPKEEP_LOGGER_PROGRAM, program);
  job.reset();
  ASSERT_TRUE(manager.run_until_done());
  EXPECT_EQ(contents(path_), "waits\n");
  EXPECT_EQ(manager.warnings().size(), 1U);
}

TEST_F(LoggerLifetimeTest, StartThatFailsForLackOfDescriptorsIsTriedAgain) {
  Manager manager;
  auto [source, job] = make_pipe();
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  manager.open(std::move(source), path_);
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_EQ(manager.warnings().size(), 1U);
  EXPECT_TRUE(manager.warnings()[0].contains("unable to create a socket: Too many open files"))
      << manager.warnings()[0];
  write_all(job.value(), "waits\n");
  ASSERT_TRUE(manager.run_until_contents(path_, "waits\n"));
  EXPECT_EQ(manager.warnings(), std::vector{manager.warnings()[0]});
}

TEST_F(LoggerLifetimeTest, ProgramThatDiesAtOnceIsNotStartedInASpin) {
  Manager manager({"/bin/false", {}});
  auto [source, job] = make_pipe();
  const auto start = std::chrono::steady_clock::now();
  manager.open(std::move(source), path_);
  ASSERT_TRUE(manager.run_until([&] { return manager.warnings().size() == 4; }));
  // 0.1 + 0.2 + 0.4 s lie between four starts.
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(700));
}

// The logger alone, spoken to by hand.

TEST_F(LoggerLifetimeTest, MalformedMessagesAreSurvived) {
  auto process = start_logger(UPKEEP_LOGGER_PROGRAM, {});
  ASSERT_TRUE(process) << process.error().message;
  const auto socket = process->socket.value();
  for (const auto* bad : {"x", "UL1_______________", "garbage that is long enough for a header"}) {
    ASSERT_GT(::send(socket, bad, std::strlen(bad), 0), 0);
  }
  ASSERT_EQ(send_message(socket, StreamDone{{1}}), SendResult::Sent);
  ASSERT_EQ(send_message(socket, CloseStream{{99}}), SendResult::Sent);
  ASSERT_EQ(send_message(socket, OpenStream{{1}, path_}), SendResult::Sent);  // no descriptor
  auto [source, job] = make_pipe();
  ASSERT_EQ(send_message(socket, OpenStream{{1}, path_}, source.value()), SendResult::Sent);
  ASSERT_EQ(send_message(socket, OpenStream{{1}, path_}, source.value()), SendResult::Sent);
  write_all(job.value(), "fine\n");
  job.reset();
  process->socket.reset();
  EXPECT_EQ(Manager::reap(process->pid), 0);
  EXPECT_EQ(contents(path_), "fine\n");
}

TEST_F(LoggerLifetimeTest, WithoutFreeDescriptorsFurtherStreamsWait) {
  std::vector<UniqueFd> jobs;
  constexpr std::size_t kStreams = 60;
  Manager limited({"/bin/sh", {"-c", std::string("ulimit -n 64; exec ") + UPKEEP_LOGGER_PROGRAM}});
  for (std::size_t i = 0; i < kStreams; ++i) {
    auto [source, job] = make_pipe();
    limited.open(std::move(source), folder_.file("many.log"));
    write_all(job.value(), "x");
    jobs.push_back(std::move(job));
  }
  // As many as have room are read; each that ends makes room for another.
  ASSERT_TRUE(limited.run_until([&] { return contents(folder_.file("many.log")).size() >= 39; }));
  jobs.clear();
  ASSERT_TRUE(limited.run_until_done());
  EXPECT_EQ(contents(folder_.file("many.log")), std::string(kStreams, 'x'));
}

TEST_F(LoggerLifetimeTest, RefusesWrongOptions) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--keep", "0"}, {"--max-size"}, {"--other", "1"}}) {
    auto process = start_logger(UPKEEP_LOGGER_PROGRAM, arguments);
    ASSERT_TRUE(process);
    const int status = Manager::reap(process->pid);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << status;
  }
}

}  // namespace
}  // namespace upkeep::log
