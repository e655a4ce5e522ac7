// The manager's side and the real logger together: what goes in comes out.
#include "log/log_streams.h"

#include <atomic>
#include <future>

#include "log/test_support.h"

namespace upkeep::log {
namespace {

namespace fs = std::filesystem;

class LogStreamsTest : public testing::Test {
 protected:
  TemporaryFolder folder_;
  std::string path_ = folder_.file("job.log");
  Manager manager_;
};

/// `lines` numbered lines.
std::string numbered(int lines) {
  std::string text;
  for (int i = 0; i < lines; ++i) text += "line " + std::to_string(i) + "\n";
  return text;
}

TEST_F(LogStreamsTest, PipeIsCopiedByteForByte) {
  auto [source, job] = make_pipe();
  const auto id = manager_.open(std::move(source), path_);
  std::string text = numbered(200'000);
  text += std::string("\0\r\xff", 3);
  auto writer = std::async(std::launch::async, [&, fd = std::move(job)]() mutable {
    write_all(fd.value(), text);
    fd.reset();
  });
  ASSERT_TRUE(manager_.run_until_done());
  writer.get();
  manager_.streams().close(id);  // after the end: nothing to do
  EXPECT_TRUE(contents(path_) == text);
  EXPECT_TRUE(manager_.warnings().empty());
}

TEST_F(LogStreamsTest, PtyIsCopiedWithItsLineEnds) {
  auto master = make_pty_master();
  if (!master) GTEST_SKIP() << "no pseudo terminals here";
  auto slave = open_pty_slave(master);
  const auto id = manager_.open(std::move(master), path_);
  constexpr int kLines = 20'000;
  auto writer = std::async(std::launch::async, [&, fd = std::move(slave)]() mutable {
    write_all(fd.value(), numbered(kLines));
    fd.reset();
  });
  ASSERT_TRUE(manager_.run_until_done());
  writer.get();
  manager_.streams().close(id);
  std::string expected;
  for (int i = 0; i < kLines; ++i) expected += "line " + std::to_string(i) + "\r\n";
  EXPECT_TRUE(contents(path_) == expected);
}

TEST_F(LogStreamsTest, PtyThatIsReadBeforeItIsOpenedDoesNotEnd) {
  auto master = make_pty_master();
  if (!master) GTEST_SKIP() << "no pseudo terminals here";
  const UniqueFd own(::fcntl(master.value(), F_DUPFD_CLOEXEC, 0));
  manager_.open(std::move(master), path_);
  // A second stream that comes and goes shows that the logger has looked at the first.
  auto [source, job] = make_pipe();
  manager_.open(std::move(source), folder_.file("other.log"));
  job.reset();
  ASSERT_TRUE(manager_.run_until([&] { return manager_.streams().live_streams() == 1; }));
  auto slave = open_pty_slave(own);
  write_all(slave.value(), "late\n");
  slave.reset();
  ASSERT_TRUE(manager_.run_until_done());
  EXPECT_EQ(contents(path_), "late\r\n");
}

TEST_F(LogStreamsTest, PtyThatWasNeverOpenedEndsWithItsProcess) {
  auto master = make_pty_master();
  if (!master) GTEST_SKIP() << "no pseudo terminals here";
  manager_.streams().close(manager_.open(std::move(master), path_));
  ASSERT_TRUE(manager_.run_until_done());
  EXPECT_FALSE(exists(path_));
}

TEST_F(LogStreamsTest, LeakedDescriptorIsReadOnAfterTheProcess) {
  for (const bool pty : {false, true}) {
    const auto path = folder_.file(pty ? "pty" : "pipe");
    auto [source, job] = make_pipe();
    if (pty) {
      source = make_pty_master();
      if (!source) GTEST_SKIP() << "no pseudo terminals here";
      job = open_pty_slave(source);
    }
    const auto id = manager_.open(std::move(source), path);
    write_all(job.value(), "a");
    manager_.streams().close(id);
    ASSERT_TRUE(manager_.run_until_contents(path, "a"));
    write_all(job.value(), "b");
    ASSERT_TRUE(manager_.run_until_contents(path, "ab"));
    EXPECT_EQ(manager_.streams().live_streams(), 1U);
    job.reset();
    ASSERT_TRUE(manager_.run_until_done());
  }
}

TEST_F(LogStreamsTest, NoOutputMakesNoFile) {
  auto [source, job] = make_pipe();
  manager_.open(std::move(source), path_);
  job.reset();
  ASSERT_TRUE(manager_.run_until_done());
  EXPECT_FALSE(exists(path_));
}

TEST_F(LogStreamsTest, ModeIs0640WhateverTheUmask) {
  for (const mode_t mask : {mode_t{077}, mode_t{0}}) {
    const auto path = folder_.file("mask" + std::to_string(mask));
    const auto before = ::umask(mask);
    Manager manager;
    auto [source, job] = make_pipe();
    manager.open(std::move(source), path);
    ::umask(before);
    write_all(job.value(), "x");
    job.reset();
    ASSERT_TRUE(manager.run_until_done());
    EXPECT_EQ(mode_of(path), 0640U);
  }
}

TEST_F(LogStreamsTest, StreamsOfOneInstanceShareTheFile) {
  auto first = make_pipe();
  auto second = make_pipe();
  manager_.open(std::move(first.source), path_);
  write_all(first.job.value(), "old\n");
  ASSERT_TRUE(manager_.run_until_contents(path_, "old\n"));
  manager_.open(std::move(second.source), path_);
  write_all(second.job.value(), "new\n");
  ASSERT_TRUE(manager_.run_until_contents(path_, "old\nnew\n"));
  write_all(first.job.value(), "last words\n");
  first.job.reset();
  second.job.reset();
  ASSERT_TRUE(manager_.run_until_done());
  EXPECT_EQ(contents(path_), "old\nnew\nlast words\n");
}

TEST_F(LogStreamsTest, MissingDirectoryIsWaitedForWithoutFurtherOutput) {
  const auto path = folder_.file("later/job.log");
  auto [source, job] = make_pipe();
  manager_.open(std::move(source), path);
  write_all(job.value(), "kept\n");
  job.reset();
  ASSERT_TRUE(manager_.run_until_done());  // the end of a stream does not wait for its file
  auto other = make_pipe();
  manager_.open(std::move(other.source), path_);
  fs::create_directory(folder_.file("later"));
  ASSERT_TRUE(manager_.run_until_contents(path, "kept\n"));  // by the logger's timer
}

TEST_F(LogStreamsTest, ServiceIsNeverBlockedByItsFile) {
  auto [source, job] = make_pipe();
  manager_.open(std::move(source), folder_.file("never/job.log"));
  ASSERT_TRUE(manager_.run_until([&] { return manager_.streams().logger_pid() > 0; }));
  write_all(job.value(), std::string(std::size_t{8} * 1024 * 1024, 'x'));  // far above every bound
  job.reset();
  ASSERT_TRUE(manager_.run_until_done());
}

TEST_F(LogStreamsTest, LongLineWithoutEnd) {
  auto [source, job] = make_pipe();
  manager_.open(std::move(source), path_);
  ASSERT_TRUE(manager_.run_until([&] { return manager_.streams().logger_pid() > 0; }));
  const std::string line(std::size_t{1024} * 1024, 'x');
  write_all(job.value(), line);
  job.reset();
  ASSERT_TRUE(manager_.run_until_done());
  EXPECT_TRUE(contents(path_) == line);
}

TEST_F(LogStreamsTest, UnusablePathIsReadAndThrownAway) {
  for (const auto& path : {std::string(), std::string("job.log"), "/" + std::string(5000, 'x')}) {
    auto [source, job] = make_pipe();
    manager_.open(std::move(source), path);
    write_all(job.value(), std::string(200'000, 'x'));
    job.reset();
    ASSERT_TRUE(manager_.run_until_done());
  }
  EXPECT_EQ(manager_.warnings().size(), 3U);
}

TEST_F(LogStreamsTest, SourceThatCannotBeWatchedIsDone) {
  manager_.open(UniqueFd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), path_);
  ASSERT_TRUE(manager_.run_until_done());
}

TEST_F(LogStreamsTest, BlockingSourceStopsNobody) {
  auto blocking = make_pipe();
  ::fcntl(blocking.source.value(), F_SETFL, 0);
  manager_.open(std::move(blocking.source), folder_.file("blocking.log"));
  write_all(blocking.job.value(), "x");
  auto [source, job] = make_pipe();
  manager_.open(std::move(source), path_);
  write_all(job.value(), "heard\n");
  ASSERT_TRUE(manager_.run_until_contents(path_, "heard\n"));
}

TEST_F(LogStreamsTest, NoisyStreamStarvesNobody) {
  auto noisy = make_pipe();
  auto quiet = make_pipe();
  manager_.open(std::move(noisy.source), folder_.file("noisy.log"));
  manager_.open(std::move(quiet.source), path_);
  std::atomic<bool> stop = false;
  auto writer = std::async(std::launch::async, [&] {
    // A bound, so that a failure of the test does not fill the disk.
    for (int i = 0; i < 4000 && !stop; ++i) write_all(noisy.job.value(), std::string(65536, 'n'));
  });
  ASSERT_TRUE(manager_.run_until([&] { return exists(folder_.file("noisy.log")); }));
  write_all(quiet.job.value(), "heard\n");
  EXPECT_TRUE(manager_.run_until_contents(path_, "heard\n"));
  EXPECT_EQ(writer.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  stop = true;
  writer.get();
}

TEST_F(LogStreamsTest, ManyStreamsLeaveNoDescriptorBehind) {
  constexpr int kStreams = 500;
  auto steady = make_pipe();
  manager_.open(std::move(steady.source), folder_.file("steady.log"));
  write_all(steady.job.value(), "x");
  ASSERT_TRUE(manager_.run_until_contents(folder_.file("steady.log"), "x"));
  const auto logger = manager_.streams().logger_pid();
  const auto ours = descriptor_count(::getpid());
  const auto theirs = descriptor_count(logger);

  std::vector<UniqueFd> jobs;
  std::vector<StreamId> ids;
  for (int i = 0; i < kStreams; ++i) {
    auto [source, job] = make_pipe();
    ids.push_back(manager_.open(std::move(source), folder_.file(std::to_string(i))));
    write_all(job.value(), "output of " + std::to_string(i) + "\n");
    jobs.push_back(std::move(job));
  }
  jobs.clear();
  for (const auto id : ids) manager_.streams().close(id);
  ASSERT_TRUE(manager_.run_until([&] { return manager_.streams().live_streams() == 1; }));
  for (int i = 0; i < kStreams; ++i) {
    EXPECT_EQ(contents(folder_.file(std::to_string(i))), "output of " + std::to_string(i) + "\n");
  }
  EXPECT_EQ(descriptor_count(::getpid()), ours);
  EXPECT_EQ(descriptor_count(logger), theirs);
}

TEST(LogStreamsRotation, OptionsReachTheLogger) {
  const TemporaryFolder folder;
  const auto path = folder.file("job.log");
  Manager manager({UPKEEP_LOGGER_PROGRAM, {"--max-size", "100", "--keep", "2"}});
  auto [source, job] = make_pipe();
  manager.open(std::move(source), path);
  std::string written;
  for (int i = 0; i < 5; ++i) {
    const std::string line = std::string(99, static_cast<char>('a' + i)) + "\n";
    write_all(job.value(), line);
    ASSERT_TRUE(manager.run_until_contents(path, line));
  }
  job.reset();
  ASSERT_TRUE(manager.run_until_done());
  EXPECT_EQ(contents(path + ".1"), std::string(99, 'd') + "\n");
  EXPECT_EQ(contents(path + ".2"), std::string(99, 'c') + "\n");
  EXPECT_FALSE(exists(path + ".3"));
}

}  // namespace
}  // namespace upkeep::log
