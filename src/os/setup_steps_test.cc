// Every step of the child set-up is made to fail, by a value that cannot be or else by the kernel
// refusing one system call; the message has to name the step and what it was about.
#include <algorithm>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/launch_fixture.h"

namespace upkeep::os {
namespace {

constexpr int kOpenNull = O_RDWR | O_CLOEXEC | O_NOCTTY;
constexpr int kOpenConsole = kOpenNull | O_NONBLOCK;
/// What the C library opens the lists of users and groups with.
constexpr int kOpenDatabase = O_RDONLY | O_CLOEXEC;

Refusal refuse_flags(int flags, int error) {
  return {SYS_openat, error, 2, static_cast<std::uint32_t>(flags)};
}

struct Row {
  const char* name;
  const char* stanza;  ///< what the job has besides, for people
  std::function<void(core::SpawnRequest&, conf::JobDefinition&)> arrange;
  std::vector<Refusal> refusals;
  std::string failure;
  bool needs_root = false;
  bool is_warning = false;
  std::function<void(PlatformOptions&, Surroundings&)> arrange_around = {};
};

std::size_t resource(std::string_view name) {
  const auto& all = conf::resources();
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all.at(i).name == name) return i;
  }
  std::abort();
}

std::vector<Row> rows() {
  using Request = core::SpawnRequest;
  using Job = conf::JobDefinition;
  const auto nothing = [](Request&, Job&) {};
  const auto nobody = [](Request&, Job& job) { job.setuid = "nobody"; };
  return {
      {"Descriptors",
       "low descriptors are free",
       [](Request&, Job&) { ::close(STDIN_FILENO); },
       {{SYS_fcntl, EMFILE, 1, F_DUPFD_CLOEXEC}},
       "unable to arrange descriptors: Too many open files"},
      {"Cgroup",
       "a cgroup that is none, entered by the child",
       nothing,
       {{SYS_clone3, ENOSYS}},
       "unable to enter cgroup \"/dev\": Permission denied|"
       "unable to enter cgroup \"/dev\": No such file or directory",
       false,
       false,
       [](PlatformOptions&, Surroundings& around) {
         around.cgroup = ::open("/dev", O_RDONLY | O_DIRECTORY);
       }},
      {"CgroupJoin",
       "a cgroup.procs that takes nothing",
       nothing,
       {},
       "unable to enter cgroup \"/dev/full\": No space left on device",
       false,
       false,
       [](PlatformOptions&, Surroundings& around) {
         around.joins = {::open("/dev/null", O_WRONLY), ::open("/dev/full", O_WRONLY)};
       }},
      {"Terminal",
       "console log",
       nothing,
       {{SYS_ioctl, EIO, 1, TIOCGPTPEER}},
       "unable to open the terminal that is logged: Input/output error"},
      {"ReadyPipe",
       "expect fd 1000",
       [](Request&, Job& job) {
         job.expect = conf::Expect::Fd;
         job.expect_fd = 1000;
       },
       {{SYS_dup3, EMFILE, 1, 1000}},
       "unable to make descriptor 1000 that of \"expect fd\": Too many open files"},
      {"ScriptPipe",
       "a script of two lines",
       [](Request&, Job& job) {
         job.process(core::ProcessType::Main) = {conf::Command::Form::Script, ":\n:\n"};
       },
       {{SYS_dup3, EMFILE, 1, 9}},
       "unable to hand over the script: Too many open files"},
      {"Session",
       "",
       nothing,
       {{SYS_setsid, EPERM}},
       "unable to start a session: Operation not permitted"},
      {"NullDevice",
       "",
       nothing,
       {refuse_flags(kOpenNull, ENOENT)},
       "unable to open \"/dev/null\": No such file or directory"},
      {"StandardStreams",
       "",
       nothing,
       {{SYS_dup3, EMFILE, 1, 1}},
       "unable to set standard input and output: Too many open files"},
      {"ConsoleMissing",
       "console output",
       [](Request&, Job& job) { job.console = conf::Console::Output; },
       {refuse_flags(kOpenConsole, ENXIO)},
       "unable to open \"/dev/console\", using \"/dev/null\": No such device or address",
       false,
       true},
      {"ConsoleOwner",
       "console owner",
       [](Request&, Job& job) { job.console = conf::Console::Owner; },
       {refuse_flags(kOpenConsole, ENXIO)},
       "unable to own \"/dev/console\": No such device or address"},
      {"Profile",
       "apparmor switch p-$COLOUR",
       [](Request& request, Job& job) {
         job.apparmor_switch = "p-$COLOUR";
         request.environment.emplace_back("COLOUR=red");
       },
       {{SYS_openat, EACCES, 2, O_WRONLY | O_CLOEXEC}},
       "unable to switch to AppArmor profile \"p-$COLOUR\": Permission denied",
       false,
       false,
       [](PlatformOptions& options, Surroundings&) { options.apparmor_usable = true; }},
      {"Limit",
       "limit core, then a soft limit above the hard one",
       [](Request&, Job& job) {
         job.limits = {{resource("core"), 0, 0}, {resource("nofile"), 20, 10}};
       },
       {},
       "unable to set limit nofile: Invalid argument"},
      {"Nice",
       "nice -5",
       [](Request&, Job& job) { job.nice = -5; },
       {{SYS_setpriority, EACCES}},
       "unable to set nice level -5: Permission denied"},
      {"OomScore",
       "oom score 2000",
       [](Request&, Job& job) { job.oom_score_adj = 2000; },
       {},
       "unable to set OOM score 2000: Invalid argument"},
      {"SessionRoot",
       "a job of a chroot session that has gone",
       [](Request& request, Job&) { request.session = "/gone"; },
       {},
       "unable to change root to that of the session, \"/gone\": No such file or directory",
       true},
      {"Chroot",
       "chroot /nonexistent",
       [](Request&, Job& job) { job.chroot = "/nonexistent"; },
       {},
       "unable to change root to \"/nonexistent\": No such file or directory",
       true},
      {"Directory",
       "chdir /dev/null",
       [](Request&, Job& job) { job.chdir = "/dev/null"; },
       {},
       "unable to change directory to \"/dev/null\": Not a directory"},
      {"UserLookup",
       "setuid nobody, with no way to look",
       nobody,
       {refuse_flags(kOpenDatabase, EIO)},
       "unable to look up user \"nobody\": Input/output error"},
      {"UnknownUser",
       "setuid no-such-user",
       [](Request&, Job& job) { job.setuid = "no-such-user"; },
       {},
       "no such user \"no-such-user\""},
      {"GroupLookup",
       "setgid daemon, with no way to look",
       [](Request&, Job& job) { job.setgid = "daemon"; },
       {refuse_flags(kOpenDatabase, EIO)},
       "unable to look up group \"daemon\": Input/output error"},
      {"UnknownGroup",
       "setgid no-such-group",
       [](Request&, Job& job) { job.setgid = "no-such-group"; },
       {},
       "no such group \"no-such-group\""},
      {"ScriptOwner",
       "setuid nobody and a script of two lines",
       [](Request&, Job& job) {
         job.setuid = "nobody";
         job.process(core::ProcessType::Main) = {conf::Command::Form::Script, ":\n:\n"};
       },
       {{SYS_fchown, EPERM}},
       "unable to give the script to the user of the job: Operation not permitted"},
      {"Groups",
       "setuid nobody",
       nobody,
       {{SYS_setgroups, EPERM}},
       "unable to set supplementary groups: Operation not permitted",
       true},
      {"GroupId",
       "setgid daemon",
       [](Request&, Job& job) { job.setgid = "daemon"; },
       {{SYS_setgid, EPERM}},
       "unable to become group \"daemon\": Operation not permitted",
       true},
      {"GroupIdOfTheUser",
       "setuid nobody",
       nobody,
       {{SYS_setgid, EPERM}},
       "unable to become the group of user \"nobody\": Operation not permitted",
       true},
      {"UserId",
       "setuid nobody",
       nobody,
       {{SYS_setuid, EAGAIN}},
       "unable to become user \"nobody\": Resource temporarily unavailable",
       true},
      {"TraceRefused",
       "expect fork",
       [](Request& request, Job&) { request.trace = true; },
       {{SYS_ptrace, EPERM}},
       "forks cannot be followed here (Operation not permitted): watching for the process that "
       "stays",
       false,
       true},
      {"Execute",
       "exec /nonexistent -x",
       [](Request&, Job& job) {
         job.process(core::ProcessType::Main) = {conf::Command::Form::Exec, "/nonexistent -x"};
       },
       {},
       "unable to execute \"/nonexistent\": No such file or directory"},
  };
}

class SetupStepTest : public LaunchTest, public ::testing::WithParamInterface<Row> {
 protected:
  std::string fail_with(const Row& row) {
    if (row.arrange_around) row.arrange_around(options_, surroundings_);
    auto job = exec("true");
    auto wanted = request(job);
    row.arrange(wanted, job);
    wanted.definition = std::make_shared<const conf::JobDefinition>(std::move(job));
    const auto outcome = run(wanted);
    if (!row.is_warning) {
      return outcome.wait_status == 255 << 8
                 ? outcome.failure
                 : fmt::format("wait status {:#x}, {}", outcome.wait_status, outcome.failure);
    }
    if (outcome.wait_status != 0) return "the program has not run: " + outcome.failure;
    return outcome.warnings.size() == 1 ? outcome.warnings.front() : "no warning";
  }
};

TEST_P(SetupStepTest, NamesTheStepAndItsArgument) {
  const auto& row = GetParam();
  if (row.needs_root && !is_root()) GTEST_SKIP() << "needs root";
  const auto allowed = split(row.failure, '|');
  for (const bool share : {true, false}) {
    options_.share_memory = share;
    const auto said = in_sandbox(row.refusals, [&] { return fail_with(row); });
    EXPECT_EQ(std::ranges::count(allowed, said), 1) << said << ", share: " << share;
  }
}

INSTANTIATE_TEST_SUITE_P(Steps, SetupStepTest, ::testing::ValuesIn(rows()),
                         [](const auto& one) { return std::string(one.param.name); });

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.stanza;
}

TEST(SetupSteps, EachIsInTheTable) {
  // Each failure is worded as only one step can be (setup_report_test.cc), so that counting will
  // do.
  const auto all = static_cast<std::size_t>(SetupStep::Execute) + 1;
  constexpr std::size_t kTwice = 1;  // GroupId
  EXPECT_EQ(rows().size(), all + kTwice);
}

}  // namespace
}  // namespace upkeep::os
