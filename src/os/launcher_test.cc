#include "os/launcher.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/apparmor.h"
#include "os/child_process.h"
#include "os/launch_fixture.h"

namespace upkeep::os {
namespace {

/// Everything that is the same for a child that shares our memory and for one that has its own.
class LauncherTest : public LaunchTest, public ::testing::WithParamInterface<bool> {
 protected:
  LauncherTest() { options_.share_memory = GetParam(); }

  void install(const std::string& name, const std::string& text, mode_t mode = 0755) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name)) << text;
    ASSERT_EQ(::chmod(path(name).c_str(), mode), 0);
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, LauncherTest, ::testing::Bool(),
                         [](const auto& one) { return one.param ? "Shared" : "Copied"; });

TEST_P(LauncherTest, SharesMemoryAsToldTo) {
  const auto wanted = request(exec("true"));
  auto launched = start(wanted);
  ASSERT_TRUE(launched);
  EXPECT_EQ(launched->memory != nullptr, GetParam());
  EXPECT_TRUE(launched->pidfd);
  siginfo_t info{};
  EXPECT_EQ(::waitid(P_PIDFD, static_cast<id_t>(launched->pidfd.value()), &info, WEXITED), 0);
  EXPECT_EQ(info.si_pid, launched->pid);
  EXPECT_EQ(info.si_status, 0);
}

// ---- The program -----------------------------------------------------------------------------

TEST_P(LauncherTest, PathIsSearchedInOrder) {
  install("one/other", "#!/bin/sh\necho wrong\n");
  install("two/prog", "#!/bin/sh\necho two\n");
  install("three/prog", "#!/bin/sh\necho three\n");
  environment_ = {
      fmt::format("PATH={0}/missing:{0}/one:{0}/one/other:{0}/two:{0}/three", path("."))};
  EXPECT_EQ(output_of(exec("prog")), "two\n");
}

TEST_P(LauncherTest, DeniedIsSaidOnlyIfNothingElseIsFound) {
  install("one/prog", "#!/bin/sh\n", 0644);
  install("two/prog", "#!/bin/sh\necho two\n");
  environment_ = {fmt::format("PATH={0}/one:{0}/two", path("."))};
  EXPECT_EQ(output_of(exec("prog")), "two\n");
  environment_ = {fmt::format("PATH={0}/one:{0}/missing", path("."))};
  EXPECT_EQ(run(exec("prog")).failure, "unable to execute \"prog\": Permission denied");
  environment_ = {fmt::format("PATH={0}/missing", path("."))};
  EXPECT_EQ(run(exec("prog")).failure, "unable to execute \"prog\": No such file or directory");
}

TEST_P(LauncherTest, EmptyEntryOfThePathIsTheDirectory) {
  install("prog", "#!/bin/sh\necho here\n");
  for (const auto* value : {"PATH=", "PATH=:/nonexistent", "PATH=/nonexistent:"}) {
    environment_ = {value};
    auto job = exec("prog");
    job.chdir = path(".");
    EXPECT_EQ(output_of(job), "here\n") << value;
  }
}

TEST_P(LauncherTest, NoPathMeansTheSystems) {
  environment_ = {"A=b"};
  EXPECT_EQ(output_of(exec("env")), "A=b\n");
}

TEST_P(LauncherTest, PathsThatAreTooLongAreLeftOut) {
  const std::string deep(5000, 'x');
  environment_ = {"PATH=/" + deep + ":/bin"};
  EXPECT_EQ(output_of(exec("echo found")), "found\n");
  EXPECT_EQ(run(exec(std::string(300, 'y'))).failure,
            fmt::format("unable to execute \"{}\": File name too long", std::string(300, 'y')));
}

TEST_P(LauncherTest, TextWithoutInterpreterIsForTheShell) {
  install("plain", "echo \"$0 $# $1\"\n");
  EXPECT_EQ(output_of(exec(path("plain") + " a b")), path("plain") + " 2 a\n");
  environment_.front() = "PATH=" + path("");
  EXPECT_EQ(output_of(exec("plain c")), path("/plain") + " 1 c\n");
}

// ---- Descriptors -----------------------------------------------------------------------------

/// A file that came with an event.
class Numbered final : public core::EventFile {
 public:
  explicit Numbered(int number)
      : opened_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
        descriptor_(::fcntl(opened_.value(), F_DUPFD_CLOEXEC, number)) {}
  [[nodiscard]] int number() const override { return descriptor_.value(); }

 private:
  UniqueFd opened_, descriptor_;
};

TEST_P(LauncherTest, ReadinessHasItsDescriptor) {
  auto job = script("echo ready >&5; ls -1v /proc/self/fd");
  job.expect = conf::Expect::Fd;
  // 3, 4 and so on are numbers that the manager's own ends of pipes may have.
  for (const int number : {5, 3, 4, 6, 7, 8, 10, 11, 12, 13, 14, 15, 20, 1023}) {
    job.expect_fd = number;
    job.process(core::ProcessType::Main)->text =
        fmt::format("echo ready >/proc/self/fd/{}\nls -1v /proc/self/fd\n", number);
    auto wanted = request(job);
    wanted.files = {std::make_shared<Numbered>(200)};
    auto launched = start(wanted);
    ASSERT_TRUE(launched);
    EXPECT_EQ(end_of_setup(*launched, wanted).failure, "");
    ASSERT_EQ(
        ::write(launched->script_pipe.value(), launched->script.data(), launched->script.size()),
        static_cast<ssize_t>(launched->script.size()));
    launched->script_pipe.reset();
    EXPECT_EQ(read_all(launched->ready.value()), "ready\n") << number;
    const int of_ls = number == 3 ? 4 : 3;  // the directory that it reads
    std::vector<int> expected{0, 1, 2, of_ls, 200, number};
    std::ranges::sort(expected);
    std::string list;
    for (const int descriptor : expected) list += fmt::format("{}\n", descriptor);
    EXPECT_EQ(read_all(launched->output.value()), list) << number;
    EXPECT_EQ(wait_for(launched->pid), 0);
  }
}

TEST_P(LauncherTest, ReadinessTakesNobodysDescriptor) {
  auto job = exec("true");
  job.expect = conf::Expect::Fd;
  job.expect_fd = 200;
  auto wanted = request(job);
  wanted.files = {std::make_shared<Numbered>(200), std::make_shared<Numbered>(100)};
  EXPECT_EQ(run(wanted).failure,
            "descriptor 200 of \"expect fd\" is taken by a file of an event (UPSTART_FDS)");
  auto lines = script(":\n:\n");
  lines.expect = conf::Expect::Fd;
  lines.expect_fd = 9;
  EXPECT_EQ(run(lines).failure, "descriptor 9 of \"expect fd\" is taken by the script");
}

TEST_P(LauncherTest, OnlyMainTellsThatItIsReady) {
  auto job = exec("");
  job.expect = conf::Expect::Fd;
  job.expect_fd = 5;
  job.process(core::ProcessType::PostStart) = {conf::Command::Form::Exec, "env"};
  surroundings_.notify_address = "/run/x";
  auto wanted = request(job);
  wanted.type = core::ProcessType::PostStart;
  auto launched = start(wanted);
  ASSERT_TRUE(launched);
  EXPECT_FALSE(launched->ready);
  EXPECT_EQ(read_all(launched->output.value()), environment_.front() + "\n");
  EXPECT_EQ(wait_for(launched->pid), 0);
}

// ---- Environment -----------------------------------------------------------------------------

TEST_P(LauncherTest, NotifySocketAndWatchdog) {
  auto job = script("echo $NOTIFY_SOCKET $WATCHDOG_USEC; test \"$WATCHDOG_PID\" = $$ && echo mine");
  environment_.emplace_back("NOTIFY_SOCKET=of somebody else");
  surroundings_.notify_address = "/run/notify";
  EXPECT_EQ(run(job).output, "/run/notify\n");
  job.watchdog_seconds = 90;
  EXPECT_EQ(output_of(job), "/run/notify 90000000\nmine\n");
}

TEST_P(LauncherTest, UserBringsVariables) {
  if (!is_root()) GTEST_SKIP() << "setuid needs root";
  const passwd* user = ::getpwnam("nobody");
  ASSERT_NE(user, nullptr);
  auto job = exec("env");
  job.setuid = "nobody";
  const auto path_only = environment_.front() + "\n";
  const auto shell = fmt::format("SHELL={}\n", user->pw_shell);
  EXPECT_EQ(output_of(job), fmt::format("{}HOME={}\nUSER=nobody\nLOGNAME=nobody\n{}", path_only,
                                        user->pw_dir, shell));
  environment_.insert(environment_.end(), {"HOMES=x", "USER=me", "HOME="});
  EXPECT_EQ(output_of(job), path_only + "HOMES=x\nUSER=me\nHOME=\nLOGNAME=nobody\n" + shell);

  auto group_only = exec("env");
  group_only.setgid = "daemon";
  EXPECT_EQ(output_of(group_only), path_only + "HOMES=x\nUSER=me\nHOME=\n");
}

// ---- Attributes ------------------------------------------------------------------------------

std::string locks_line(const std::string& limits) {
  const auto begin = limits.find("Max file locks");
  return begin == std::string::npos ? "" : limits.substr(begin, limits.find('\n', begin) - begin);
}

TEST_P(LauncherTest, MarkIsInherited) {
  auto job = exec("cat /proc/self/limits");
  surroundings_.mark = 12345678901;
  EXPECT_EQ(locks_line(output_of(job)),
            "Max file locks            12345678901          12345678901          locks     ");
}

/// For a process that has everything from root but the right to raise limits.
void give_up_raising_limits() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  ::syscall(SYS_capget, &header, data);
  const auto bit = 1U << CAP_SYS_RESOURCE;
  data[0].effective &= ~bit;
  data[0].permitted &= ~bit;
  ::syscall(SYS_capset, &header, data);
}

TEST_P(LauncherTest, MarkAboveOurOwnLimitHurtsNobody) {
  surroundings_.mark = 5000;
  const auto wanted = request(exec("cat /proc/self/limits"));
  const auto said = in_sandbox({}, [&] {
    give_up_raising_limits();
    const rlimit own{3000, 4000};
    ::setrlimit(RLIMIT_LOCKS, &own);
    const auto outcome = run(wanted);
    return outcome.failure + locks_line(outcome.output);
  });
  EXPECT_EQ(said, "Max file locks            4000                 4000                 locks     ");
}

TEST_P(LauncherTest, SessionRootComesBeforeTheRootOfTheJob) {
  if (!is_root()) GTEST_SKIP() << "chroot needs root";
  std::filesystem::create_directories(path("session/jail/deep"));
  auto job = exec("/bin/true");
  job.chroot = "/jail";
  job.chdir = "/deep";
  auto wanted = request(job);
  wanted.session = path("session");
  EXPECT_EQ(run(wanted).failure, "unable to execute \"/bin/true\": No such file or directory");
  job.chdir = "/jail/deep";
  wanted.definition = std::make_shared<const conf::JobDefinition>(job);
  EXPECT_EQ(run(wanted).failure,
            "unable to change directory to \"/jail/deep\": No such file or directory");
}

TEST_P(LauncherTest, ConsoleOwnerTakesTheTerminalFromAnother) {
  if (!is_root()) GTEST_SKIP() << "mounting needs root";
  auto job = script(
      "read pid name state parent group session tty rest </proc/$$/stat; "
      "echo $tty $(grep flags: /proc/self/fdinfo/0)");
  job.console = conf::Console::Owner;
  const auto wanted = request(job);
  const auto said = in_sandbox({}, [&]() -> std::string {
    const UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    int number = -1;
    if (::unlockpt(master.value()) < 0 || ::ioctl(master.value(), TIOCGPTN, &number) < 0) return "";
    const auto name = fmt::format("/dev/pts/{}", number);
    const UniqueFd slave(::open(name.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (::unshare(CLONE_NEWNS) < 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
        ::mount(name.c_str(), "/dev/console", nullptr, MS_BIND, nullptr) < 0) {
      return "unable to mount";
    }
    // The one who has it so far: us.
    if (::setsid() < 0 || ::ioctl(slave.value(), TIOCSCTTY, 0) < 0) return "no terminal to lose";
    ::signal(SIGHUP, SIG_IGN);
    struct stat status {};
    ::fstat(slave.value(), &status);
    const auto outcome = run(wanted);
    if (!outcome.failure.empty()) return outcome.failure;
    char text[64] = {};
    if (::read(master.value(), text, sizeof text - 1) <= 0) return "no output";
    unsigned long device = 0;
    unsigned flags = 0;
    if (std::sscanf(text, "%lu flags: %o", &device, &flags) != 2) {
      return text;
    }
    return fmt::format("{}, {}", device == status.st_rdev ? "owned" : "another",
                       (flags & unsigned{O_NONBLOCK}) == 0 ? "blocking" : "non-blocking");
  });
  EXPECT_EQ(said, "owned, blocking");
}

// ---- AppArmor --------------------------------------------------------------------------------

TEST_P(LauncherTest, ProfileIsSkippedWhereThereIsNoAppArmor) {
  auto job = exec("true");
  job.apparmor_switch = "$UNKNOWN";
  EXPECT_EQ(run(job).failure, "");
  options_.apparmor_usable = true;
  EXPECT_EQ(run(job).failure,
            "unable to name AppArmor profile \"$UNKNOWN\": Unknown parameter: UNKNOWN");
}

TEST_P(LauncherTest, AppArmorIsUsableUnderFourConditions) {
  EXPECT_FALSE(apparmor_usable(path("root")));
  install("root/sys/module/apparmor/parameters/enabled", "Y\n");
  EXPECT_FALSE(apparmor_usable(path("root")));
  install("root/sbin/apparmor_parser", "");
  EXPECT_TRUE(apparmor_usable(path("root")));
  install("root/sys/module/apparmor/parameters/enabled", "N\n");
  EXPECT_FALSE(apparmor_usable(path("root")));
  install("root/sys/module/apparmor/parameters/enabled", "Y\n");
  install("root/run/container_type", "");
  EXPECT_FALSE(apparmor_usable(path("root")));
  std::filesystem::remove(path("root/run/container_type"));
  std::filesystem::create_directories(path("root/rofs/etc/apparmor.d"));
  EXPECT_FALSE(apparmor_usable(path("root")));
}

// ---- Scripts ---------------------------------------------------------------------------------

TEST_P(LauncherTest, LongScriptArrivesWholeAndOnce) {
  std::string body;
  for (int i = 0; body.size() < 10'000'000; ++i) body += fmt::format("{} {:*>90}\n", i, i % 7);
  std::ofstream(path("body")) << body;
  const auto sum = output_of(exec("sha256sum " + path("body"))).substr(0, 64);
  auto job = script("sha256sum <<'END'\n" + body + "END\necho once\n");
  const auto expected = sum + "  -\nonce\n";
  EXPECT_EQ(output_of(job), expected);
  if (is_root()) {
    job.setuid = "nobody";
    EXPECT_EQ(output_of(job), expected) << "as nobody";
  }
}

// ---- cgroups ---------------------------------------------------------------------------------

TEST_P(LauncherTest, BornInItsCgroup) {
  const std::string parent = "/sys/fs/cgroup/unified";
  const auto root = std::filesystem::exists(parent) ? parent : std::string("/sys/fs/cgroup");
  const auto name = fmt::format("upkeep-launch-{}", ::getpid());
  const auto group = root + "/" + name;
  if (!std::filesystem::exists(root + "/cgroup.controllers") || ::mkdir(group.c_str(), 0755) < 0) {
    GTEST_SKIP() << "no cgroup can be made here";
  }
  const UniqueFd directory(::open(group.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd procs(::open((group + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  const auto wanted = request(script("grep ^0: /proc/self/cgroup"));
  const auto is_there = [&] { return run(wanted).output.ends_with("/" + name + "\n"); };
  surroundings_.cgroup = directory.value();
  EXPECT_TRUE(is_there()) << "by clone3";
  const auto without = in_sandbox({{SYS_clone3, ENOSYS}}, [&] { return is_there() ? "y" : "n"; });
  EXPECT_EQ(without, "y") << "without clone3";
  surroundings_.cgroup = -1;
  surroundings_.joins = {procs.value()};
  EXPECT_TRUE(is_there()) << "by joining";
  EXPECT_EQ(::rmdir(group.c_str()), 0);
}

// ---- Ways to make a child --------------------------------------------------------------------

using ChildMakingTest = LaunchTest;

TEST_F(ChildMakingTest, SandboxDecidesTheWay) {
  const auto wanted = request(exec("echo here"));
  const auto way = [&]() -> std::string {
    auto launched = start(wanted);
    if (!launched) return launched.error().description;
    const bool shared = launched->memory != nullptr;
    const bool held = static_cast<bool>(launched->pidfd);
    const auto output = read_all(launched->output.value());
    return fmt::format("{}{}{}", output, shared ? "shared" : "copied",
                       held ? "" : " without pidfd");
  };
  const auto twice = [&] { return way() + " " + way(); };
  const Refusal no_clone3{SYS_clone3, ENOSYS};
  const Refusal no_sharing{SYS_clone, EPERM, 0, 0x100, 0x100};  // CLONE_VM
  EXPECT_EQ(in_sandbox({}, twice), "here\nshared here\nshared");
  EXPECT_EQ(in_sandbox({no_clone3}, twice), "here\nshared here\nshared");
  EXPECT_EQ(in_sandbox({{SYS_clone3, EPERM}}, twice), "here\nshared here\nshared");
  EXPECT_EQ(in_sandbox({no_clone3, no_sharing}, twice), "here\ncopied here\ncopied");
}

TEST_F(ChildMakingTest, NoProcessIsAFailureForNow) {
  const auto wanted = request(exec("true"));
  const auto said = in_sandbox({{SYS_clone3, EAGAIN}, {SYS_clone, EAGAIN}}, [&] {
    auto launched = start(wanted);
    if (launched) return std::string("launched");
    const bool temporary = is_temporary(launched.error().error);
    return launched.error().description + (temporary ? "" : ", for good");
  });
  EXPECT_EQ(said, "unable to create a process: Resource temporarily unavailable");
}

TEST_F(ChildMakingTest, WhoTakesACopy) {
  const auto is_shared = [&](const conf::JobDefinition& job) {
    const auto wanted = request(job);
    auto launched = start(wanted);
    if (!launched) return false;
    (void)end_of_setup(*launched, wanted);
    ::kill(launched->pid, SIGKILL);
    wait_for(launched->pid);
    return launched->memory != nullptr;
  };
  const auto with = [&](auto set) {
    auto job = exec("true");
    set(job);
    return is_shared(job);
  };
  EXPECT_FALSE(with([](auto& job) { job.setuid = "nobody"; }));
  EXPECT_FALSE(with([](auto& job) { job.setgid = "daemon"; }));
  EXPECT_FALSE(with([](auto& job) { job.oom_score_adj = 5; }));
  EXPECT_FALSE(with([](auto& job) { job.cgroups.push_back({"memory", {}, {}, {}}); }));
  EXPECT_TRUE(with([](auto& job) { job.nice = 5; }));
  EXPECT_TRUE(with([](auto& job) { job.chroot = "/"; }));
  EXPECT_TRUE(with([](auto& job) { job.umask = 0; }));
  EXPECT_TRUE(with([](auto& job) { job.debug = true; }));
  options_.honour_debug = true;
  EXPECT_FALSE(with([](auto& job) { job.debug = true; }));
}

// ---- Children that share our memory ----------------------------------------------------------

/// Programs that cannot be executed as long as we will not have it: somebody has a write lease on
/// the file, and exec waits for its end.
class HangingExecTest : public LaunchTest {
 protected:
  HangingExecTest() : before_(::signal(SIGIO, SIG_IGN)) {}
  ~HangingExecTest() override {
    let_go();
    ::signal(SIGIO, before_);
  }

  /// A new program that hangs; its job. The kernel cannot bear a thousand who wait for one file.
  conf::JobDefinition hanging_job() {
    const auto program = path(fmt::format("prog-{}", leases_.size()));
    std::filesystem::copy_file("/bin/true", program);
    // Not for writing: a program that is open for writing cannot be executed.
    UniqueFd lease(::open(program.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(::fcntl(lease.value(), F_SETLEASE, F_WRLCK), 0);
    leases_.push_back(std::move(lease));
    auto job = exec(program);
    job.console = conf::Console::None;
    return job;
  }

  static std::string status_field(pid_t pid, std::string_view key) {
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(key)) return line.substr(key.size() + 2);
    }
    return "";
  }

  static bool wait_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      ::sched_yield();
    }
    return true;
  }

  /// Whether it sleeps in a system call, which can only be the exec: its signals are let through
  /// by then.
  static bool hangs(pid_t pid) {
    return status_field(pid, "SigBlk") == "0000000000000000" &&
           status_field(pid, "State").starts_with("S");
  }

  void let_go() { leases_.clear(); }

  static long mappings() {
    std::ifstream maps("/proc/self/maps");
    return std::count(std::istreambuf_iterator<char>(maps), {}, '\n');
  }
  static long resident_kilobytes() { return std::stol(status_field(::getpid(), "VmRSS")); }

 private:
  std::vector<UniqueFd> leases_;
  sighandler_t before_;
};

TEST_F(HangingExecTest, HoldsUpNobodyElse) {
  const auto wanted = request(hanging_job());
  auto hanging = start(wanted);
  ASSERT_TRUE(hanging);
  ASSERT_NE(hanging->memory, nullptr);
  ASSERT_TRUE(wait_until([&] { return hangs(hanging->pid); }));
  EXPECT_TRUE(hanging->memory->is_occupied());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(output_of(exec("echo other")), "other\n");
  EXPECT_TRUE(hangs(hanging->pid));
  EXPECT_TRUE(hanging->memory->is_occupied());

  let_go();
  EXPECT_EQ(end_of_setup(*hanging, wanted).failure, "");
  EXPECT_FALSE(hanging->memory->is_occupied()) << "the end of the report means that it is gone";
  EXPECT_EQ(wait_for(hanging->pid), 0);
}

TEST_F(HangingExecTest, MemoryIsKeptWithoutAnOwner) {
  auto hanging = start(request(hanging_job()));
  ASSERT_TRUE(hanging);
  ASSERT_TRUE(wait_until([&] { return hangs(hanging->pid); }));
  hanging->memory.reset();
  EXPECT_EQ(count_child_memory().abandoned, 1U);
  EXPECT_EQ(output_of(exec("echo other")), "other\n");
  EXPECT_EQ(count_child_memory().abandoned, 1U);
  EXPECT_EQ(::kill(hanging->pid, SIGKILL), 0);
  EXPECT_EQ(wait_for(hanging->pid), SIGKILL);
  EXPECT_EQ(count_child_memory().abandoned, 0U);
}

TEST_F(HangingExecTest, SignalThatDumpsCoreEndsTheChildAlone) {
  for (const int signal : kCoreSignals) {
    auto hanging = start(request(hanging_job()));
    ASSERT_TRUE(hanging);
    ASSERT_TRUE(wait_until([&] { return hangs(hanging->pid); }));
    EXPECT_EQ(::kill(hanging->pid, signal), 0);
    EXPECT_EQ(wait_for(hanging->pid), SIGKILL) << signal << ": not a dump of what is ours";
  }
}

TEST_F(HangingExecTest, SignalsThatEndItDoSo) {
  for (const int signal : {SIGTERM, SIGHUP, SIGINT, SIGUSR1, SIGPIPE, SIGCHLD + 47}) {
    auto hanging = start(request(hanging_job()));
    ASSERT_TRUE(hanging);
    ASSERT_TRUE(wait_until([&] { return hangs(hanging->pid); }));
    EXPECT_EQ(::kill(hanging->pid, signal), 0);
    EXPECT_EQ(wait_for(hanging->pid), signal);
  }
}

thread_local std::array<unsigned char, 4096> thread_data;

TEST_F(HangingExecTest, TwoThousandAtOnceLeaveTheManagerAlone) {
  constexpr std::size_t kChildren = 2000;
  constexpr std::size_t kPrograms = 200;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit many{std::min<rlim_t>(before.rlim_max, 4 * kChildren), before.rlim_max};
  if (many.rlim_cur < 4 * kChildren) GTEST_SKIP() << "too few descriptors";
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &many), 0);
  EXPECT_EQ(output_of(exec("echo warm")), "warm\n");
  for (std::size_t i = 0; i < thread_data.size(); ++i) {
    thread_data.at(i) = static_cast<unsigned char>(i * 7);
  }
  const auto seen = thread_data;
  const int descriptors = open_descriptors();
  [[maybe_unused]] const long mapped = mappings();
  [[maybe_unused]] const long resident = resident_kilobytes();

  std::vector<core::SpawnRequest> requests;
  for (std::size_t i = 0; i < kPrograms; ++i) requests.push_back(request(hanging_job()));
  std::vector<Launched> children;
  children.reserve(kChildren);
  errno = 1234;
  for (std::size_t i = 0; i < kChildren; ++i) {
    auto launched = start(requests.at(i % kPrograms));
    ASSERT_TRUE(launched) << launched.error().description;
    children.push_back(std::move(*launched));
  }
  EXPECT_EQ(errno, 1234);
  for (const auto& child : children) {
    ASSERT_TRUE(wait_until([&] { return hangs(child.pid); }));
    ASSERT_NE(child.memory, nullptr);
    EXPECT_TRUE(child.memory->is_occupied());
  }
  errno = 1234;
  let_go();
  EXPECT_EQ(errno, 1234);
  for (auto& child : children) {
    EXPECT_EQ(end_of_setup(child, requests.front()).failure, "");
    EXPECT_EQ(wait_for(child.pid), 0);
    EXPECT_FALSE(child.memory->is_occupied());
  }
  EXPECT_EQ(thread_data, seen);
  children.clear();
  EXPECT_EQ(count_child_memory().abandoned, 0U);
  EXPECT_GT(count_child_memory().idle, 0U);
  [[maybe_unused]] const auto idle = static_cast<long>(count_child_memory().idle);
  EXPECT_EQ(open_descriptors(), descriptors);
#ifndef __SANITIZE_ADDRESS__  // whose allocator has mappings of its own
  EXPECT_LE(mappings(), mapped + 2 * idle + 4) << "of which a few are the allocator's";
  EXPECT_LT(resident_kilobytes(), resident + 20'000);
#endif
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

using SharedMemoryTest = LaunchTest;

TEST_F(SharedMemoryTest, StacksAreUsedAgain) {
  EXPECT_EQ(output_of(exec("echo one")), "one\n");
  const auto idle = count_child_memory().idle;
  ASSERT_GT(idle, 0U);
  for (int i = 0; i < 200; ++i) {
    auto launched = start(request(exec("true")));
    ASSERT_TRUE(launched);
    EXPECT_EQ(count_child_memory().idle, idle - 1);
    EXPECT_EQ(wait_for(launched->pid), 0);
    launched->memory.reset();
    ASSERT_EQ(count_child_memory().idle, idle);
  }
}

TEST_F(SharedMemoryTest, FailedSetUpLeavesAfterItsReport) {
  const auto wanted = request(exec("/nonexistent"));
  for (int i = 0; i < 200; ++i) {
    auto launched = start(wanted);
    ASSERT_TRUE(launched);
    ASSERT_FALSE(end_of_setup(*launched, wanted).failure.empty());
    EXPECT_FALSE(launched->memory->is_occupied()) << "read to the end of the pipe";
    EXPECT_EQ(wait_for(launched->pid), 255 << 8);
  }
}

TEST_F(SharedMemoryTest, ManagerStaysDumpable) {
  ASSERT_EQ(::prctl(PR_SET_DUMPABLE, 1), 0);
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(::prctl(PR_SET_DUMPABLE, 1), 0);  // whatever the tests before have done
  ASSERT_EQ(::stat("/proc/self/environ", &before), 0);
  auto job = exec("true");
  job.nice = 3;
  job.chroot = is_root() ? std::optional<std::string>("/") : std::nullopt;
  EXPECT_EQ(output_of(job), "");
  if (is_root()) {
    job.setuid = "nobody";
    EXPECT_EQ(output_of(job), "");
  }
  ASSERT_EQ(::stat("/proc/self/environ", &after), 0);
  EXPECT_EQ(before.st_uid, after.st_uid);
  EXPECT_EQ(::prctl(PR_GET_DUMPABLE), 1);
}

}  // namespace
}  // namespace upkeep::os
