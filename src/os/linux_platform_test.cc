#include "os/linux_platform.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conf/parser.h"
#include "os/platform_fixture.h"

namespace upkeep::os {
namespace {

using core::ProcessType;
using core::Resume;
using core::SignalTarget;

class LinuxPlatformTest : public PlatformTest {
 protected:
  static std::size_t resource(std::string_view name) {
    const auto& all = conf::resources();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all.at(i).name == name) return i;
    }
    std::abort();
  }
};

// ---- Ends and their order --------------------------------------------------------------------

TEST_F(LinuxPlatformTest, ReportsExecThenExit) {
  const auto id = spawn(exec("sh -c exit"));
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "exited 0"}));
}

TEST_F(LinuxPlatformTest, ReportsExitStatusAndSignal) {
  const auto exits = spawn(script("exit 7"));
  const auto dies = spawn(script("kill -USR1 $$"));
  ASSERT_TRUE(run_until_ended(exits));
  ASSERT_TRUE(run_until_ended(dies));
  EXPECT_EQ(history(exits), (History{"spawned", "exited 7"}));
  EXPECT_EQ(history(dies), (History{"spawned", "signalled USR1"}));
}

TEST_F(LinuxPlatformTest, VerbsDoNotCallBack) {
  const auto missing = spawn(exec(""));
  platform_->signal({999}, SIGTERM, SignalTarget::Group);
  platform_->resume({999}, Resume::Continue);
  platform_->collect_log({999});
  EXPECT_TRUE(history(missing).empty());
  EXPECT_TRUE(history({999}).empty());
  ASSERT_TRUE(run_until_ended(missing));
  ASSERT_TRUE(run_until_history({999}, 1));
  EXPECT_EQ(history({999}), History{"vanished"});
}

TEST_F(LinuxPlatformTest, FastExitIsAlwaysSpawnedFirst) {
  constexpr int kBatches = 40;
  constexpr int kBatch = 25;
  for (int batch = 0; batch < kBatches; ++batch) {
    std::vector<core::SpawnId> ids;
    ids.reserve(kBatch);
    for (int i = 0; i < kBatch; ++i) ids.push_back(spawn(exec("true")));
    for (const auto id : ids) {
      ASSERT_TRUE(run_until_ended(id));
      ASSERT_EQ(history(id), (History{"spawned", "exited 0"}));
    }
  }
}

TEST_F(LinuxPlatformTest, DeadBeforeTheFirstLookIsStillInOrder) {
  const auto good = spawn(exec("true"));
  const auto bad = spawn(exec("/nonexistent"));
  // Both are zombies before the loop turns for the first time.
  siginfo_t info{};
  for (int zombies = 0; zombies < 1;) {
    ASSERT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    ++zombies;
  }
  ASSERT_TRUE(run_until_ended(good));
  ASSERT_TRUE(run_until_ended(bad));
  EXPECT_EQ(history(good), (History{"spawned", "exited 0"}));
  ASSERT_TRUE(run_until([] { return ::waitpid(-1, nullptr, WNOHANG) < 0; }));
  EXPECT_EQ(history(bad).size(), 1U) << "the exit status of a failed set-up is not reported";
}

// ---- Failures in words -----------------------------------------------------------------------

TEST_F(LinuxPlatformTest, MissingProgram) {
  EXPECT_EQ(failure_of(exec("/usr/bin/nope -x")),
            "failed: unable to execute \"/usr/bin/nope\": No such file or directory");
  EXPECT_EQ(failure_of(exec("nope-not-in-path")),
            "failed: unable to execute \"nope-not-in-path\": No such file or directory");
}

TEST_F(LinuxPlatformTest, MissingDirectory) {
  auto job = exec("true");
  job.chdir = "/nonexistent/x";
  EXPECT_EQ(failure_of(job),
            "failed: unable to change directory to \"/nonexistent/x\": No such file or directory");
}

TEST_F(LinuxPlatformTest, MissingUserAndGroup) {
  auto job = exec("true");
  job.setuid = "no-such-user";
  EXPECT_EQ(failure_of(job), "failed: no such user \"no-such-user\"");
  job.setuid.reset();
  job.setgid = "no-such\x01group";
  EXPECT_EQ(failure_of(job), "failed: no such group \"no-such\\x01group\"");
}

TEST_F(LinuxPlatformTest, ImpossibleLimit) {
  auto job = exec("true");
  job.limits.push_back({resource("core"), 0, 0});
  job.limits.push_back({resource("nofile"), 20, 10});
  EXPECT_EQ(failure_of(job), "failed: unable to set limit nofile: Invalid argument");
}

TEST_F(LinuxPlatformTest, MissingChroot) {
  if (!is_root()) GTEST_SKIP() << "chroot needs root";
  auto job = exec("true");
  job.chroot = "/nonexistent";
  EXPECT_EQ(failure_of(job),
            "failed: unable to change root to \"/nonexistent\": No such file or directory");
}

TEST_F(LinuxPlatformTest, ProgramIsLookedUpInsideTheChroot) {
  if (!is_root()) GTEST_SKIP() << "chroot needs root";
  auto job = exec("/bin/true");
  job.chroot = path("");
  EXPECT_EQ(failure_of(job), "failed: unable to execute \"/bin/true\": No such file or directory");
  job.chdir = "/missing";
  EXPECT_EQ(failure_of(job),
            "failed: unable to change directory to \"/missing\": No such file or directory");
}

TEST_F(LinuxPlatformTest, FailedSetUpClosesTheLog) {
  const auto id = spawn(exec("/nonexistent"));
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_TRUE(sink_.streams.at(id.value).closed);
}

// ---- What the program finds ------------------------------------------------------------------

TEST_F(LinuxPlatformTest, EnvironmentIsExact) {
  EXPECT_EQ(output_of(exec("env")), "PATH=/usr/local/bin:/usr/bin:/bin\nCOLOUR=light blue\n");
}

TEST_F(LinuxPlatformTest, ProgramIsSearchedInThePathOfTheJob) {
  std::ofstream(path("only-here")) << "#!/bin/sh\necho found\n";
  ASSERT_EQ(::chmod(path("only-here").c_str(), 0755), 0);
  environment_ = {"PATH=/nonexistent:" + path("")};
  EXPECT_EQ(output_of(exec("only-here")), "found\n");
}

TEST_F(LinuxPlatformTest, RunsInItsOwnSessionInRoot) {
  const auto id =
      spawn(script("read a b c parent group session rest </proc/$$/stat\n"
                   "echo $$ $group $session $PWD"));
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(sink_.text(id.value), fmt::format("{0} {0} {0} /\n", first_pid(id)));
}

TEST_F(LinuxPlatformTest, SessionInitStaysInItsDirectory) {
  start({.start_in_root = false});
  const auto here = std::filesystem::current_path().string();
  EXPECT_EQ(output_of(exec("pwd")), here + "\n");
}

TEST_F(LinuxPlatformTest, LogReadsNothingAndPrintsToATerminal) {
  const auto text =
      output_of(script("readlink /proc/self/fd/0\n test -t 1 && test -t 2\n"
                       "test \"$(cat)\" = ''\necho out\n echo err >&2\n"
                       "(: </dev/tty) 2>/dev/null || echo no terminal of its own"));
  EXPECT_EQ(text, "/dev/null\nout\nerr\nno terminal of its own\n");
}

TEST_F(LinuxPlatformTest, LogGoesToTheFileOfTheJob) {
  const auto id = spawn(exec("true"));
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(sink_.streams.at(id.value).path, path("job.log"));
  EXPECT_FALSE(sink_.streams.at(id.value).closed);
  platform_->collect_log(id);
  platform_->collect_log(id);
  EXPECT_TRUE(sink_.streams.at(id.value).closed);
}

TEST_F(LinuxPlatformTest, NoConsoleMeansNullEverywhere) {
  const auto links = script("for i in 0 1 2; do readlink /proc/$$/fd/$i; done >" + path("links"));
  const auto expect_null = [&](const core::SpawnId id) {
    ASSERT_TRUE(run_until_ended(id));
    ASSERT_EQ(history(id), (History{"spawned", "exited 0"}));
    EXPECT_TRUE(sink_.streams.empty());
    std::ifstream file(path("links"));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(text, "/dev/null\n" + path("links") + "\n/dev/null\n");
  };
  auto job = links;
  job.console = conf::Console::None;
  expect_null(spawn(job));
  start({.log_enabled = false});
  expect_null(spawn(links));
  start({.default_console = conf::Console::None});
  expect_null(spawn(links));
}

TEST_F(LinuxPlatformTest, NoDescriptorLeaks) {
  const UniqueFd careless(::open("/dev/null", O_RDONLY));
  ASSERT_TRUE(careless);
  const UniqueFd high(::fcntl(careless.value(), F_DUPFD, 500));
  const UniqueFd nine(::dup2(careless.value(), 9));
  // Descriptor 3 is the directory that ls reads.
  EXPECT_EQ(output_of(exec("ls -1 /proc/self/fd")), "0\n1\n2\n3\n");
  EXPECT_EQ(output_of(script("ls -1 /proc/self/fd\n:")), "0\n1\n2\n3\n");
}

/// A file that came with an event, under a number of the test's choice.
class NumberedFile final : public core::EventFile {
 public:
  NumberedFile(const std::string& path, int number)
      : opened_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
        descriptor_(::fcntl(opened_.value(), F_DUPFD_CLOEXEC, number)) {
    EXPECT_EQ(descriptor_.value(), number);
  }
  [[nodiscard]] int number() const override { return descriptor_.value(); }

 private:
  UniqueFd opened_;
  UniqueFd descriptor_;
};

TEST_F(LinuxPlatformTest, EventFilesAndNoOthersAreInheritedUnderTheirNumbers) {
  std::ofstream(path("text")) << "from the event\n";
  const UniqueFd careless(::open("/dev/null", O_RDONLY));
  const UniqueFd between(::fcntl(careless.value(), F_DUPFD, 150));
  const UniqueFd above(::fcntl(careless.value(), F_DUPFD, 500));
  for (const int number : {200, 100, 199}) {  // not in order, two side by side
    files_.push_back(std::make_shared<NumberedFile>(path("text"), number));
  }
  // Descriptor 3 is the directory that ls reads.
  const std::string expected = "0\n1\n2\n3\n100\n199\n200\n";
  EXPECT_EQ(output_of(exec("ls -1v /proc/self/fd")), expected);
  EXPECT_EQ(output_of(script("ls -1v /proc/self/fd\n:")), expected);
  EXPECT_EQ(output_of(script("cat /proc/self/fd/200\ncat /proc/self/fd/100")),
            "from the event\nfrom the event\n");
  EXPECT_EQ(::fcntl(200, F_GETFD), FD_CLOEXEC) << "in the manager";

  files_.clear();
  EXPECT_EQ(output_of(exec("ls -1 /proc/self/fd")), "0\n1\n2\n3\n");
  EXPECT_EQ(::fcntl(200, F_GETFD), -1) << "it was closed with its last owner";
}

TEST_F(LinuxPlatformTest, LowDescriptorsOfTheManagerDoNotGetInTheWay) {
  const UniqueFd stdin_copy(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100));
  auto wrong = script("echo hello\necho $#");
  wrong.chdir = "/nonexistent";
  const auto run_without_stdin = [&](const conf::JobDefinition& job) {
    ::close(STDIN_FILENO);
    const auto id = spawn(job);
    EXPECT_TRUE(run_until_ended(id));
    ::dup2(stdin_copy.value(), STDIN_FILENO);
    return id;
  };
  std::vector<UniqueFd> filling;
  for (int i = 0; i < 12; ++i) {
    // Each time other ends of the new pipes are 0 or 9.
    const auto good = run_without_stdin(script("echo hello\necho $#"));
    EXPECT_EQ(history(good), (History{"spawned", "exited 0"}));
    EXPECT_EQ(sink_.text(good.value), "hello\n0\n");
    const auto bad = run_without_stdin(wrong);
    ASSERT_FALSE(history(bad).empty());
    EXPECT_TRUE(history(bad).front().starts_with("failed: unable to change directory"));
    sink_.streams.clear();
    filling.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
}

TEST_F(LinuxPlatformTest, SignalsAreDefaultAndUnblocked) {
  const auto text = output_of(exec("cat /proc/self/status"));
  for (const auto* set : {"SigBlk", "SigIgn", "SigCgt"}) {
    EXPECT_NE(text.find(fmt::format("{}:\t0000000000000000\n", set)), std::string::npos) << text;
  }
}

TEST_F(LinuxPlatformTest, Umask) {
  EXPECT_EQ(output_of(script("umask")), "0022\n");
  auto job = script("umask");
  job.umask = 077;
  EXPECT_EQ(output_of(job), "0077\n");

  const mode_t before = ::umask(027);
  start({.default_umask = std::nullopt});
  const auto inherited = output_of(script("umask"));
  ::umask(before);
  EXPECT_EQ(inherited, "0027\n");
}

TEST_F(LinuxPlatformTest, LimitsAndNice) {
  auto job = script("ulimit -Sn; ulimit -Hn; ulimit -c; nice");
  job.limits.push_back({resource("nofile"), 100, 200});
  job.limits.push_back({resource("core"), 0, conf::ResourceLimit::kUnlimited});
  job.limits.back().hard = 0;
  job.nice = 5;
  EXPECT_EQ(output_of(job), "100\n200\n0\n5\n");
}

TEST_F(LinuxPlatformTest, LimitBelowOurOwnDescriptorsIsNoTrouble) {
  auto job = script("echo fine\nulimit -n");
  job.limits.push_back({resource("nofile"), 20, 20});
  EXPECT_EQ(output_of(job), "fine\n20\n");
}

TEST_F(LinuxPlatformTest, JobsDoNotInheritTheManagersDescriptorLimit) {
  rlimit own{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &own), 0);
  start({.descriptor_limit = rlimit{77, own.rlim_max}});
  EXPECT_EQ(output_of(script("ulimit -Sn")), "77\n");
}

TEST_F(LinuxPlatformTest, OomScore) {
  auto job = exec("cat /proc/self/oom_score_adj");
  job.oom_score_adj = 300;
  EXPECT_EQ(output_of(job), "300\n");
}

TEST_F(LinuxPlatformTest, UserWithoutGroupGetsTheUsersOwn) {
  if (!is_root()) GTEST_SKIP() << "setuid needs root";
  auto job = exec("id -urn");
  job.setuid = "nobody";
  EXPECT_EQ(output_of(job), "nobody\n");
  auto groups = exec("id -G");
  groups.setuid = "daemon";
  EXPECT_EQ(output_of(groups), "1\n") << "not group 0 (Q12)";
}

TEST_F(LinuxPlatformTest, UserReadsAScriptOfSeveralLines) {
  if (!is_root()) GTEST_SKIP() << "setuid needs root";
  auto job = script("id -u\nid -g\nid -G");
  job.setuid = "nobody";
  job.setgid = "daemon";
  EXPECT_EQ(output_of(job), "65534\n1\n1\n");
}

TEST_F(LinuxPlatformTest, GroupAlone) {
  if (!is_root()) GTEST_SKIP() << "setgid needs root";
  auto job = script("id -u; id -g");
  job.setgid = "daemon";
  EXPECT_EQ(output_of(job), "0\n1\n");
}

TEST_F(LinuxPlatformTest, SecurityProcessGoesWithoutAttributes) {
  auto job = exec("");
  job.chdir = "/nonexistent";
  job.setuid = "no-such-user";
  job.process(ProcessType::Security) = {conf::Command::Form::Exec, "true"};
  const auto id = spawn(job, ProcessType::Security);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "exited 0"}));
}

class TmpfilesTest : public LinuxPlatformTest {
 protected:
  /// Puts a program in the place of systemd-tmpfiles, for the processes of this test.
  void install(const std::string& text) {
    std::filesystem::create_directory(path("bin"));
    const auto program = path("bin/systemd-tmpfiles");
    std::ofstream(program) << "#!/bin/sh\n" << text << '\n';
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    environment_ = {"PATH=" + path("bin") + ":/usr/bin:/bin"};
  }
  static conf::JobDefinition parsed(const std::string& text) {
    auto job = conf::parse_job(text);
    if (job) return std::move(job->definition);
    ADD_FAILURE() << conf::format_diagnostic("the job of the test", job.error().front());
    return {};
  }
};

TEST_F(TmpfilesTest, RunsAsTheManagerItself) {
  start({.default_umask = std::nullopt, .start_in_root = false});
  const std::string look =
      "id -u; pwd; ulimit -Sn; ulimit -c; umask; nice; cat /proc/self/oom_score_adj";
  const auto own = output_of(script(look));
  install(look);
  auto job = parsed(
      "tmpfiles a.conf\n"
      "setuid no-such-user\nsetgid no-such-group\nchroot /nonexistent\nchdir /nonexistent\n"
      "limit core 3 3\nlimit nofile 20 20\numask 071\nnice 7\noom score 500\n");
  const auto id = spawn(job, ProcessType::Tmpfiles);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "exited 0"}));
  EXPECT_EQ(sink_.text(id.value), own);

  job.process(ProcessType::PreStart) = {conf::Command::Form::Exec, "true"};
  const auto other = spawn(job, ProcessType::PreStart);
  ASSERT_TRUE(run_until_ended(other));
  EXPECT_TRUE(history(other).front().starts_with("failed: ")) << "the other processes do not";
}

TEST_F(TmpfilesTest, GivesThePathsAsTheyAre) {
  install("for one; do echo \"<$one>\"; done");
  const auto job = parsed(R"(tmpfiles a.conf "/etc/b c.conf" '/d/$HOME' "it's" '`id`;*')");
  const auto id = spawn(job, ProcessType::Tmpfiles);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "exited 0"}));
  EXPECT_EQ(sink_.text(id.value),
            "<--create>\n<-->\n<a.conf>\n</etc/b c.conf>\n</d/$HOME>\n<it's>\n<`id`;*>\n");
}

TEST_F(TmpfilesTest, EndsAsTheProgramEnds) {
  install("echo impossible >&2; exit 73");
  const auto id = spawn(parsed("tmpfiles a.conf\n"), ProcessType::Tmpfiles);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "exited 73"}));
  EXPECT_EQ(sink_.text(id.value), "impossible\n");
}

TEST_F(TmpfilesTest, WithoutTheProgramThereIsNothingToDo) {
  for (const auto& variable : {"PATH=" + path("nothing"), std::string("PATH=")}) {
    environment_ = {variable};
    const auto id = spawn(parsed("tmpfiles a.conf\n"), ProcessType::Tmpfiles);
    ASSERT_TRUE(run_until_ended(id));
    EXPECT_EQ(history(id), (History{"spawned", "exited 0"})) << variable;
    EXPECT_EQ(sink_.text(id.value), "") << variable;
  }
}

TEST_F(LinuxPlatformTest, DebugStopsBeforeTheProgram) {
  start({.honour_debug = true});
  auto job = exec("/nonexistent");
  job.debug = true;
  const auto id = spawn(job);
  ASSERT_TRUE(run_until_history(id, 2));
  EXPECT_EQ(history(id), (History{"spawned", "stopped STOP"}));
  platform_->resume(id, Resume::Continue);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id).back(), "exited 255");

  start({});
  EXPECT_TRUE(failure_of(job).starts_with("failed: unable to execute"));
}

// ---- Scripts ---------------------------------------------------------------------------------

TEST_F(LinuxPlatformTest, LongScriptArrivesWhole) {
  std::string text;
  const std::string line = ": " + std::string(997, 'x') + "\n";
  while (text.size() < 10'000'000) text += line;
  text += "echo $(( 40 + 2 ))\n";
  EXPECT_EQ(output_of(script(text)), "42\n");
}

TEST_F(LinuxPlatformTest, ReaderThatGoesAwayEndsTheScript) {
  const int before = open_descriptors();
  const auto id = spawn(script("exit 3\n" + std::string(1'000'000, '#') + "\n"));
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "exited 3"}));
  EXPECT_EQ(open_descriptors(), before + 1) << "only the pty of the sink";
}

TEST_F(LinuxPlatformTest, ScriptStopsAtTheFirstError) {
  const auto id = spawn(script("echo one\nfalse\necho two"));
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id).back(), "exited 1");
  EXPECT_EQ(sink_.text(id.value), "one\n");
}

// ---- Signals ---------------------------------------------------------------------------------

TEST_F(LinuxPlatformTest, SignalToTheGroupReachesAll) {
  const auto id = spawn(script("sleep 1000 & echo $!; wait"));
  ASSERT_TRUE(run_until([&] { return !sink_.text(id.value).empty(); }));
  const pid_t sleeper = std::stoi(sink_.text(id.value));
  platform_->signal(id, SIGTERM, SignalTarget::Group);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "signalled TERM"}));
  EXPECT_TRUE(run_until([&] { return !exists(sleeper); }));
}

TEST_F(LinuxPlatformTest, SignalToTheProcessReachesItAlone) {
  const auto id = spawn(script("sleep 1000 & echo $!; wait"));
  ASSERT_TRUE(run_until([&] { return !sink_.text(id.value).empty(); }));
  const pid_t sleeper = std::stoi(sink_.text(id.value));
  platform_->signal(id, SIGHUP, SignalTarget::Process);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id).back(), "signalled HUP");
  EXPECT_TRUE(exists(sleeper));
  ::kill(sleeper, SIGKILL);
}

TEST_F(LinuxPlatformTest, SignalDuringSetUpDoesNotReachTheManager) {
  // The child may still be in our own process group, where SIGTERM would end this test.
  for (int i = 0; i < 50; ++i) {
    const auto id = spawn(exec("sleep 1000"));
    platform_->signal(id, SIGTERM, SignalTarget::Group);
    ASSERT_TRUE(run_until_ended(id));
    // KILL if it was for the set-up, which nothing else ends.
    ASSERT_TRUE(history(id).back() == "signalled KILL" || history(id).back() == "signalled TERM")
        << history(id).back();
  }
}

TEST_F(LinuxPlatformTest, SignalAfterTheEndVanishes) {
  const auto id = spawn(exec("true"));
  ASSERT_TRUE(run_until_ended(id));
  platform_->signal(id, SIGTERM, SignalTarget::Group);
  ASSERT_TRUE(run_until_history(id, 3));
  EXPECT_EQ(history(id).back(), "vanished");
}

TEST_F(LinuxPlatformTest, StopIsReportedAndLeftUntilResumed) {
  const auto id = spawn(script("kill -STOP $$; echo on"));
  ASSERT_TRUE(run_until_history(id, 2));
  EXPECT_EQ(history(id), (History{"spawned", "stopped STOP"}));
  EXPECT_EQ(sink_.text(id.value), "");
  platform_->resume(id, Resume::Continue);
  ASSERT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "stopped STOP", "exited 0"}));
  EXPECT_EQ(sink_.text(id.value), "on\n");
}

// ---- Resources of the manager ----------------------------------------------------------------

/// Leaves the process two free descriptors for as long as it lives, one less than a spawn takes.
/// (Not none: the undefined behaviour sanitizer needs a pipe of its own.)
class FewDescriptors {
 public:
  FewDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const UniqueFd second(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const rlimit few{static_cast<rlim_t>(second.value()) + 1, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(LinuxPlatformTest, ShortageIsTemporary) {
  core::SpawnId id;
  {
    const FewDescriptors shortage;
    id = spawn(exec("true"));
    ASSERT_TRUE(run_until([&] { return !history(id).empty(); }));
  }
  EXPECT_EQ(history(id), History{"failed for now: unable to create a terminal to log from: Too "
                                 "many open files"});
  const auto next = spawn(exec("true"));
  ASSERT_TRUE(run_until_ended(next));
  EXPECT_EQ(history(next), (History{"spawned", "exited 0"}));
}

TEST_F(LinuxPlatformTest, DescriptorsAreGivenBack) {
  const auto round = [&] {
    std::vector<core::SpawnId> ids;
    ids.push_back(spawn(exec("true")));
    ids.push_back(spawn(exec("/nonexistent")));
    ids.push_back(spawn(script("echo\necho")));
    for (const auto id : ids) {
      ASSERT_TRUE(run_until_ended(id));
      sink_.streams.erase(id.value);
    }
  };
  round();
  const int before = open_descriptors();
  for (int i = 0; i < 50; ++i) round();
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
}  // namespace upkeep::os
