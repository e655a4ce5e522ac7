#include "os/login_records.h"

#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmpx.h>

#include "base/unique_fd.h"

namespace upkeep::os {
namespace {

namespace fs = std::filesystem;

constexpr pid_t kGetty = 4242;
constexpr time_t kLogin = 1'500'000'000;

utmpx record(short type, pid_t pid, std::string_view line = "tty1", std::string_view user = "ann") {
  utmpx made{};
  made.ut_type = type;
  made.ut_pid = pid;
  line.copy(made.ut_line, sizeof made.ut_line);
  line.substr(3).copy(made.ut_id, sizeof made.ut_id);
  user.copy(made.ut_user, sizeof made.ut_user);
  std::string_view("far.example").copy(made.ut_host, sizeof made.ut_host);
  made.ut_tv.tv_sec = kLogin;
  made.ut_addr_v6[0] = 0x7f000001;
  return made;
}

class LoginRecordsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pattern = (fs::temp_directory_path() / "upkeep-login-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    files_ = {directory_ + "/utmp", directory_ + "/wtmp"};
    records_ = LoginRecords(files_);
    write(files_.history, {});
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }

  static void write(const std::string& path, const std::vector<utmpx>& records,
                    std::string_view rest = "") {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(records.data()),
               static_cast<std::streamsize>(records.size() * sizeof(utmpx)));
    file << rest;
  }

  static std::string bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// As who(1) and last(1) read.
  static std::vector<utmpx> read(const std::string& path) {
    std::vector<utmpx> records;
    ::utmpxname(path.c_str());
    ::setutxent();
    while (const auto* next = ::getutxent()) records.push_back(*next);
    ::endutxent();
    return records;
  }

  static bool same(const utmpx& one, const utmpx& other) {
    const auto bytes_of = [](const utmpx& record) {
      return std::string_view(reinterpret_cast<const char*>(&record), sizeof record);
    };
    return bytes_of(one) == bytes_of(other);
  }

  /// Whether there was anything to do; all is done when this returns.
  bool end(pid_t pid) {
    const auto child = records_.process_ended(pid);
    int status = 0;
    if (child) {
      EXPECT_EQ(::waitpid(*child, &status, 0), *child);
      EXPECT_EQ(status, 0);
    }
    return child.has_value();
  }

  std::string directory_;
  LoginFiles files_;
  LoginRecords records_;
};

TEST_F(LoginRecordsTest, TheRecordOfAGettyIsClosedAndTheHistoryGoesOn) {
  const auto before =
      std::vector{record(BOOT_TIME, 0, "~~~~", "reboot"), record(USER_PROCESS, 100, "tty2"),
                  record(USER_PROCESS, kGetty, "tty1")};
  const auto history = record(BOOT_TIME, 0, "~~~~", "reboot");
  write(files_.current, before);
  write(files_.history, {history});
  const auto now = ::time(nullptr);
  ASSERT_TRUE(end(kGetty));

  auto closed = before[2];
  closed.ut_type = DEAD_PROCESS;
  std::memset(closed.ut_user, 0, sizeof closed.ut_user);
  std::memset(closed.ut_host, 0, sizeof closed.ut_host);
  closed.ut_tv = {};
  const auto after = read(files_.current);
  ASSERT_EQ(after.size(), 3U);
  EXPECT_TRUE(same(after.at(0), before[0]));
  EXPECT_TRUE(same(after.at(1), before[1]));
  EXPECT_TRUE(same(after.at(2), closed));

  auto told = read(files_.history);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_TRUE(same(told.at(0), history));
  EXPECT_GE(told.at(1).ut_tv.tv_sec, now);
  EXPECT_LE(told.at(1).ut_tv.tv_sec, ::time(nullptr));
  told.at(1).ut_tv = {};
  EXPECT_TRUE(same(told.at(1), closed));

  EXPECT_FALSE(end(kGetty)) << "it is closed already";
}

TEST_F(LoginRecordsTest, OnlyTheFirstOpenRecordOfThePid) {
  write(files_.current,
        {record(DEAD_PROCESS, kGetty, "tty1"), record(LOGIN_PROCESS, kGetty, "tty2"),
         record(INIT_PROCESS, kGetty, "tty3")});
  ASSERT_TRUE(end(kGetty));
  auto after = read(files_.current);
  EXPECT_EQ(after.at(0).ut_tv.tv_sec, kLogin);
  EXPECT_EQ(after.at(1).ut_type, DEAD_PROCESS);
  EXPECT_EQ(after.at(2).ut_type, INIT_PROCESS);
  ASSERT_TRUE(end(kGetty));
  after = read(files_.current);
  EXPECT_EQ(after.at(2).ut_type, DEAD_PROCESS);
  EXPECT_EQ(read(files_.history).size(), 2U);
}

TEST_F(LoginRecordsTest, ARunlevelIsNotTakenForAProcess) {
  constexpr pid_t kLevelTwoFromNone = 'N' * 256 + '2';
  write(files_.current, {record(RUN_LVL, kLevelTwoFromNone), record(EMPTY, kGetty),
                         record(ACCOUNTING, kGetty), record(BOOT_TIME, 0)});
  for (const pid_t pid : {kLevelTwoFromNone, kGetty, 0}) EXPECT_FALSE(end(pid));
}

TEST_F(LoginRecordsTest, NothingIsDoneWithoutARecord) {
  EXPECT_FALSE(end(kGetty)) << "no file";
  EXPECT_FALSE(fs::exists(files_.current));
  write(files_.current, {});
  EXPECT_FALSE(end(kGetty)) << "empty";
  write(files_.current, {record(USER_PROCESS, kGetty + 1)});
  EXPECT_FALSE(end(kGetty)) << "of another";
  EXPECT_TRUE(read(files_.history).empty());
}

TEST_F(LoginRecordsTest, AFileOrHistoryThatIsMissingIsNotCreated) {
  fs::remove(files_.history);
  write(files_.current, {record(USER_PROCESS, kGetty)});
  ASSERT_TRUE(end(kGetty));
  EXPECT_EQ(read(files_.current).at(0).ut_type, DEAD_PROCESS);
  EXPECT_FALSE(fs::exists(files_.history));
}

TEST_F(LoginRecordsTest, SeesEveryChangeHoweverQuickly) {
  for (int i = 0; i < 50; ++i) {  // same size, and mostly the same time by the kernel's clock
    write(files_.current, {record(USER_PROCESS, kGetty + i)});
    EXPECT_TRUE(end(kGetty + i));
    EXPECT_FALSE(end(kGetty + i));
  }
}

TEST_F(LoginRecordsTest, AnUnchangedFileIsNotReadAgain) {
  const auto read_calls = [] {
    std::ifstream file("/proc/self/io");
    std::string key;
    long value = 0;
    while (file >> key >> value && key != "syscr:") {
    }
    return value;
  };
  const auto calls_at_end = [&](pid_t pid) {
    const auto before = read_calls();
    const auto itself = read_calls() - before;
    EXPECT_FALSE(end(pid));
    return read_calls() - before - 2 * itself;
  };
  write(files_.current, {record(USER_PROCESS, kGetty)});
  EXPECT_GT(calls_at_end(1), 0);
  EXPECT_GT(calls_at_end(1), 0) << "the next change might bear the same time";
  fs::last_write_time(files_.current,
                      fs::last_write_time(files_.current) - std::chrono::seconds(10));
  EXPECT_GT(calls_at_end(1), 0);
  EXPECT_EQ(calls_at_end(1), 0);
  EXPECT_EQ(calls_at_end(2), 0);
  EXPECT_TRUE(end(kGetty));
}

// ---- Hostile files ---------------------------------------------------------------------------

TEST_F(LoginRecordsTest, HalfARecordAtTheEnd) {
  write(files_.current, {record(USER_PROCESS, kGetty)}, std::string(100, '\7'));
  write(files_.history, {record(BOOT_TIME, 0)}, std::string(383, '\7'));
  ASSERT_TRUE(end(kGetty));
  EXPECT_EQ(bytes(files_.current).size(), sizeof(utmpx) + 100);
  const auto told = read(files_.history);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told.at(1).ut_pid, kGetty);

  write(files_.current, {}, std::string(sizeof(utmpx) - 1, '\7'));
  EXPECT_FALSE(end(kGetty));
}

TEST_F(LoginRecordsTest, Garbage) {
  std::string garbage;
  for (unsigned i = 0, seed = 1; i < 100'000; ++i) {
    seed = seed * 1'664'525 + 1'013'904'223;
    garbage += static_cast<char>(seed >> 24);
  }
  write(files_.current, {}, garbage);
  EXPECT_FALSE(end(kGetty));
  EXPECT_EQ(bytes(files_.current), garbage);
}

TEST_F(LoginRecordsTest, AHugeFileIsReadToABound) {
  write(files_.current, std::vector(2047, record(USER_PROCESS, 1)));
  std::ofstream(files_.current, std::ios::binary | std::ios::app)
      .write(reinterpret_cast<const char*>(
                 std::vector{record(USER_PROCESS, 2), record(USER_PROCESS, 3)}.data()),
             2 * sizeof(utmpx));
  EXPECT_TRUE(end(2));
  EXPECT_FALSE(end(3));
  fs::resize_file(files_.current, std::uintmax_t{1} << 40);  // sparse
  EXPECT_FALSE(end(2));
  EXPECT_TRUE(end(1));
}

TEST_F(LoginRecordsTest, WhatIsNoFileIsLeftAlone) {
  ASSERT_EQ(::mkfifo(files_.current.c_str(), 0600), 0);
  EXPECT_FALSE(end(kGetty));
  fs::remove(files_.current);
  fs::create_directory(files_.current);
  EXPECT_FALSE(end(kGetty));
  fs::remove(files_.current);
  fs::create_symlink(files_.current, files_.current);
  EXPECT_FALSE(end(kGetty));
  fs::remove(files_.current);

  write(files_.current, {record(USER_PROCESS, kGetty)});
  fs::remove(files_.history);
  ASSERT_EQ(::mkfifo(files_.history.c_str(), 0600), 0);
  EXPECT_TRUE(end(kGetty));
  EXPECT_EQ(read(files_.current).at(0).ut_type, DEAD_PROCESS);
}

TEST_F(LoginRecordsTest, NoRightToWriteChangesNothing) {
  write(files_.current, {record(USER_PROCESS, kGetty)});
  const auto before = bytes(files_.current);
  fs::permissions(files_.current,
                  fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
  fs::permissions(directory_, fs::perms::all);
  const pid_t unprivileged = ::fork();
  if (unprivileged == 0) {
    if (::geteuid() == 0 && ::setuid(65534) < 0) ::_exit(1);
    const auto child = records_.process_ended(kGetty);
    int status = 1;
    if (child) ::waitpid(*child, &status, 0);
    ::_exit(status);
  }
  int status = 1;
  ASSERT_EQ(::waitpid(unprivileged, &status, 0), unprivileged);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(bytes(files_.current), before);
  EXPECT_TRUE(read(files_.history).empty());
}

TEST_F(LoginRecordsTest, SomebodyElsesLockHoldsUpOnlyTheChild) {
  write(files_.current, {record(USER_PROCESS, kGetty)});
  const auto before = bytes(files_.current);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  // Not this process: closing the file in whatever way would end its locks.
  const pid_t holder = ::fork();
  if (holder == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const UniqueFd file(::open(files_.current.c_str(), O_RDWR | O_CLOEXEC));
    struct flock whole {};
    whole.l_type = F_WRLCK;
    if (::fcntl(file.value(), F_SETLK, &whole) != 0 || ::write(writing.value(), "", 1) != 1) {
      ::_exit(1);
    }
    for (;;) ::pause();
  }
  writing.reset();
  char locked = 1;
  ASSERT_EQ(::read(reading.value(), &locked, 1), 1);

  const auto child = records_.process_ended(kGetty);
  ASSERT_TRUE(child);
  const auto is_waiting = [&] {
    std::ifstream locks("/proc/locks");
    const auto waiting = fmt::format(" {} ", *child);
    for (std::string line; std::getline(locks, line);) {
      if (line.contains("->") && line.contains(waiting)) return true;
    }
    return false;
  };
  const auto has_ended = [&] {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(*child), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid != 0;
  };
  while (!is_waiting() && !has_ended()) {  // which its own alarm limits
  }
  EXPECT_FALSE(has_ended());
  EXPECT_EQ(bytes(files_.current), before);  // glibc's reader would wait for the lock as well
  ::kill(holder, SIGKILL);
  ASSERT_EQ(::waitpid(holder, nullptr, 0), holder);
  ASSERT_EQ(::waitpid(*child, nullptr, 0), *child);
  EXPECT_EQ(read(files_.current).at(0).ut_type, DEAD_PROCESS);
}

}  // namespace
}  // namespace upkeep::os
