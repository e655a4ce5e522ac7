#include "log/log_file.h"

#include <algorithm>
#include <cstring>
#include <set>

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "log/test_support.h"

namespace upkeep::log {
namespace {

namespace fs = std::filesystem;

class LogFileTest : public testing::Test {
 protected:
  LogFile make(std::string path, Rotation rotation = {}) {
    return {std::move(path), rotation, budget_, warn_};
  }
  [[nodiscard]] bool warned(std::string_view part) const {
    return std::ranges::any_of(warnings_, [&](const auto& w) { return w.contains(part); });
  }

  TemporaryFolder folder_;
  std::string path_ = folder_.file("job.log");
  MemoryBudget budget_;
  std::vector<std::string> warnings_;
  Warn warn_ = [this](const std::string& text) { warnings_.push_back(text); };
};

TEST_F(LogFileTest, IsCreatedAtTheFirstOutputAndAppendedTo) {
  auto file = make(path_);
  EXPECT_FALSE(exists(path_));
  file.write("one\n");
  file.write("two\n");
  EXPECT_EQ(contents(path_), "one\ntwo\n");
  auto again = make(path_);
  again.write("three\n");
  EXPECT_EQ(contents(path_), "one\ntwo\nthree\n");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(LogFileTest, ModeIs0640WhateverTheUmask) {
  for (const mode_t mask : {mode_t{077}, mode_t{0}}) {
    const auto path = folder_.file("mask" + std::to_string(mask));
    const auto before = ::umask(mask);
    auto file = make(path);
    file.write("x");
    ::umask(before);
    EXPECT_EQ(mode_of(path), 0640U);
  }
}

TEST_F(LogFileTest, ModeOfAnExistingFileStays) {
  std::ofstream(path_) << "old\n";
  ASSERT_EQ(::chmod(path_.c_str(), 0604), 0);
  auto file = make(path_);
  file.write("new\n");
  EXPECT_EQ(mode_of(path_), 0604U);
  EXPECT_EQ(contents(path_), "old\nnew\n");
}

TEST_F(LogFileTest, DeletedFileAppearsAgain) {
  auto file = make(path_);
  file.write("one\n");
  fs::remove(path_);
  file.write("two\n");
  EXPECT_EQ(contents(path_), "two\n");
}

TEST_F(LogFileTest, TruncatedFileIsGoneOnWithFromItsStart) {
  auto file = make(path_);
  file.write("one\n");
  fs::resize_file(path_, 0);
  file.write("two\n");
  EXPECT_EQ(contents(path_), "two\n");
}

TEST_F(LogFileTest, RenamedFileIsGoneOnWithUntilAnotherStreamJoins) {
  const auto old = folder_.file("job.log.old");
  auto file = make(path_);
  file.write("one\n");
  fs::rename(path_, old);
  file.write("two\n");
  EXPECT_EQ(contents(old), "one\ntwo\n");
  EXPECT_FALSE(exists(path_));
  file.join();
  file.write("three\n");
  EXPECT_EQ(contents(old), "one\ntwo\n");
  EXPECT_EQ(contents(path_), "three\n");
}

TEST_F(LogFileTest, WhatIsNotARegularFileIsRefusedWithOneWarning) {
  const auto fifo = folder_.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const auto read_fifo = folder_.file("read-fifo");
  ASSERT_EQ(::mkfifo(read_fifo.c_str(), 0600), 0);
  const UniqueFd reader(::open(read_fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  const auto directory = folder_.file("directory");
  fs::create_directory(directory);
  const auto link = folder_.file("link");
  fs::create_symlink(folder_.file("target"), link);

  const std::pair<std::string, std::string> cases[] = {
      {fifo, "not a regular file"},        {read_fifo, "not a regular file"},
      {directory, "Is a directory"},       {link, "a symbolic link is not followed"},
      {"/dev/null", "not a regular file"},
  };
  for (const auto& [path, reason] : cases) {
    warnings_.clear();
    auto file = make(path);
    file.write("one\n");
    file.write("two\n");
    file.retry();
    ASSERT_EQ(warnings_.size(), 1U) << path;
    EXPECT_EQ(warnings_[0], path + ": unable to open: " + reason +
                                "; output of its job is kept in memory, at most 256 KiB, until it "
                                "can be written");
    EXPECT_TRUE(file.pending());
  }
  EXPECT_FALSE(exists(folder_.file("target")));
}

TEST_F(LogFileTest, MissingDirectoryIsWaitedFor) {
  const auto directory = folder_.file("later");
  auto file = make(directory + "/job.log");
  file.write("one\n");
  file.write("two\n");
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_TRUE(warnings_[0].contains("unable to open: No such file or directory")) << warnings_[0];
  fs::create_directory(directory);
  file.write("three\n");
  EXPECT_EQ(contents(directory + "/job.log"), "one\ntwo\nthree\n");
  EXPECT_FALSE(file.pending());
  EXPECT_EQ(warnings_.size(), 1U);  // nothing was lost: nothing to say
}

TEST_F(LogFileTest, RetryWritesWhatWasKeptAndLossIsCounted) {
  const auto directory = folder_.file("later");
  auto file = make(directory + "/job.log");
  file.write("lost!");
  file.write(std::string(Backlog::kLimit, 'x'));
  fs::create_directory(directory);
  file.retry();
  EXPECT_EQ(contents(directory + "/job.log"), std::string(Backlog::kLimit, 'x'));
  EXPECT_EQ(budget_.used, 0U);
  ASSERT_EQ(warnings_.size(), 2U);
  EXPECT_TRUE(warnings_[1].contains("written again; 5 bytes of output were lost")) << warnings_[1];
}

TEST_F(LogFileTest, TheLastAttemptSaysWhatIsLost) {
  auto file = make(folder_.file("never/job.log"));
  file.write("12345");
  file.finish();
  EXPECT_FALSE(file.pending());
  EXPECT_TRUE(warned("5 bytes of output are lost"));
}

TEST_F(LogFileTest, FileThatMayNotGrowIsKeptFor) {
  // RLIMIT_FSIZE: a write error that is neither "no space" nor a failure to open.
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  auto file = make(path_);
  file.write("one\n");
  const rlimit small{8, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  file.write("two and more\n");
  const bool kept = file.pending();
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(kept);
  EXPECT_EQ(contents(path_), "one\ntwo ");  // the short write stays
  EXPECT_TRUE(warned("unable to write: File too large"));
  file.write("three\n");
  EXPECT_EQ(contents(path_), "one\ntwo and more\nthree\n");
}

TEST_F(LogFileTest, FullDiskDiscardsNewOutputAndGoesOnWithSpace) {
  if (::geteuid() != 0 || ::unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "needs a mount of its own";
  ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0) << errno;
  const auto disk = folder_.file("disk");
  fs::create_directory(disk);
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k"), 0) << errno;
  const auto path = disk + "/job.log";
  {
    auto file = make(path);
    file.write("begin\n");
    std::ofstream(disk + "/ballast") << std::string(40000, 'b');
    const std::string chunk(40000, 'x');
    file.write(chunk);  // begun, so its rest is kept
    EXPECT_TRUE(file.pending());
    file.write("discarded\n");
    file.write("discarded\n");
    EXPECT_EQ(warnings_.size(), 1U);
    EXPECT_TRUE(warned(path + ": unable to write: No space left on device; output of its job is "
                              "discarded until there is space"));
    fs::remove(disk + "/ballast");
    file.write("after\n");
    EXPECT_EQ(contents(path), "begin\n" + chunk + "after\n");
    EXPECT_EQ(warnings_.size(), 2U);
    EXPECT_TRUE(warned("written again; 20 bytes of output were lost"));
  }
  EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

TEST_F(LogFileTest, RotatesAtALineEnd) {
  auto file = make(path_, {.max_size = 10, .keep = 2});
  file.write("aaaaaaaaaaaa\nbb");  // passed in one chunk: found at the next
  file.write("b\nccc\n");
  EXPECT_EQ(contents(path_ + ".1"), "aaaaaaaaaaaa\nbbb\n");
  EXPECT_EQ(contents(path_), "ccc\n");
  EXPECT_EQ(mode_of(path_), 0640U);
  file.write("dddddd\n");
  file.write("eeeeeeeeee\n");
  EXPECT_EQ(contents(path_ + ".2"), "aaaaaaaaaaaa\nbbb\n");
  EXPECT_EQ(contents(path_ + ".1"), "ccc\ndddddd\n");
  file.write("f\n");
  EXPECT_EQ(contents(path_ + ".2"), "ccc\ndddddd\n");
  EXPECT_EQ(contents(path_ + ".1"), "eeeeeeeeee\n");
  EXPECT_EQ(contents(path_), "f\n");
  EXPECT_FALSE(exists(path_ + ".3"));
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(LogFileTest, ALineWithoutEndIsRotatedAnyhow) {
  auto file = make(path_, {.max_size = 10, .keep = 1});
  file.write(std::string(12, 'x'));
  file.write(std::string(12, 'y'));
  EXPECT_EQ(contents(path_ + ".1"), std::string(12, 'x'));
  EXPECT_EQ(contents(path_), std::string(12, 'y'));
}

TEST_F(LogFileTest, ZeroSizeNeverRotates) {
  auto file = make(path_, {.max_size = 0, .keep = 1});
  file.write("one\n");
  file.write("two\n");
  EXPECT_EQ(contents(path_), "one\ntwo\n");
}

TEST_F(LogFileTest, RotationDoesNotTouchAFileThatTookTheName) {
  const auto old = folder_.file("moved");
  auto file = make(path_, {.max_size = 10, .keep = 3});
  file.write("0123456789\n");
  fs::rename(path_, old);
  std::ofstream(path_) << "other\n";
  file.write("next\n");
  EXPECT_EQ(contents(old), "0123456789\n");
  EXPECT_EQ(contents(path_), "other\nnext\n");
  EXPECT_FALSE(exists(path_ + ".1"));
}

TEST_F(LogFileTest, WhatCannotBeRenamedGrowsOnWithOneWarning) {
  fs::create_directories(path_ + ".1/not-empty");
  auto file = make(path_, {.max_size = 4, .keep = 1});
  for (int i = 0; i < 5; ++i) file.write("line\n");
  EXPECT_EQ(contents(path_), "line\nline\nline\nline\nline\n");
  EXPECT_EQ(warnings_.size(), 1U);
  EXPECT_TRUE(warned("unable to rotate: Is a directory; it goes on growing"));
  EXPECT_FALSE(file.pending());
}

}  // namespace
}  // namespace upkeep::log
