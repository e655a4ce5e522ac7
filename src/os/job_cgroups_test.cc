// Groups on this machine, as far as it lets us make some.
#include "os/job_cgroups.h"

#include <csignal>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/strings.h"
#include "os/process_scan.h"
#include "os/trees_fixture.h"

namespace upkeep::os {
namespace {

using core::TreeId;

constexpr TreeId kTree{1};
constexpr TreeId kOther{2};

bool writable(const std::string& directory) {
  return !directory.empty() && ::access(directory.c_str(), W_OK) == 0;
}

class JobCgroupsTest : public TreesTest {
 protected:
  static std::string legacy_directory(std::string_view controller) {
    const auto found = find_cgroups("");
    const auto* hierarchy = found.legacy_with(controller);
    return hierarchy == nullptr ? "" : hierarchy->directory;
  }
  static std::string unified_directory() {
    const auto found = find_cgroups("");
    return found.unified ? found.unified->directory : "";
  }

  void stanza(std::string controller, std::optional<std::string> name, std::string key,
              std::string value) {
    job_.cgroups.push_back(
        {std::move(controller), std::move(name), std::move(key), std::move(value)});
  }

  core::SpawnRequest request(TreeId tree) const {
    core::SpawnRequest request;
    request.tree = tree;
    request.instance = instance_;
    request.environment = {"POOL=swimming/big", "UP=.."};
    request.definition = std::make_shared<conf::JobDefinition>(job_);
    return request;
  }

  std::string refusal() {
    const auto place = trees_->place(request(kTree));
    return place ? "none" : place.error().description;
  }

  /// The one directory of this name below `top`, or empty.
  static std::string find_group(const std::string& top, const std::string& name) {
    for (const auto* const base : {"/upkeep", "/upkeep-2", "/upkeep-3", "/upkeep-4"}) {
      auto path = top + base + "/" + name;
      if (::access(path.c_str(), F_OK) == 0) return path;
    }
    return "";
  }

  static std::string text_of(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
  }

  JobCgroupsTest() { job_.name = "cgroups-test-" + std::to_string(::getpid()); }

  std::string instance_;
};

TEST_F(JobCgroupsTest, NoGroupsForJobsThatNeedNone) {
  const auto place = trees_->place(request(kTree));
  ASSERT_TRUE(place);
  EXPECT_FALSE(place->cgroup);
  EXPECT_TRUE(place->joins.empty());
}

// ---- v1 ----------------------------------------------------------------------------------------

struct LegacyCase {
  const char* controller;
  const char* key;
  const char* value;
  const char* stored;
};

TEST_F(JobCgroupsTest, SettingsOfCgroup1AreWrittenAndJoined) {
  const LegacyCase cases[]{{"memory", "limit_in_bytes", "104857600", "104857600"},
                           {"pids", "max", "20", "20"},
                           {"cpu", "shares", "512", "512"}};
  int tried = 0;
  for (const auto& test : cases) {
    const auto top = legacy_directory(test.controller);
    if (!writable(top)) continue;
    ++tried;
    job_.cgroups.clear();
    stanza(test.controller, {}, test.key, test.value);
    const TreeId tree{static_cast<std::uint64_t>(tried)};
    const pid_t pid = start(tree, [this] { stay(); });
    ASSERT_TRUE(run_until_ready(tried));
    const auto group = find_group(top, "upstart/" + job_.name);
    ASSERT_NE(group, "") << test.controller;
    EXPECT_EQ(text_of(group + "/" + test.controller + "." + test.key), test.stored);
    EXPECT_EQ(text_of(group + "/cgroup.procs"), std::to_string(pid));

    ASSERT_TRUE(end(tree, SIGKILL));
    trees_->forget(tree);
    EXPECT_EQ(find_group(top, "upstart/" + job_.name), "") << "not removed";
  }
  if (tried == 0) GTEST_SKIP() << "no cgroup v1 hierarchy that can be written";
}

TEST_F(JobCgroupsTest, LimitOfProcessesHolds) {
  const auto top = legacy_directory("pids");
  if (!writable(top)) GTEST_SKIP() << "no cgroup v1 hierarchy with pids that can be written";
  stanza("pids", {}, "max", "5");
  start(kTree, [this] {
    for (int i = 0; i < 10; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) stay();
      if (pid < 0) ++board_->ticks;
    }
    stay();
  });
  ASSERT_TRUE(run_until_ready(5));
  ASSERT_TRUE(run_until([&] { return board_->ticks == 6; }));
  EXPECT_TRUE(end(kTree, SIGKILL));
}

TEST_F(JobCgroupsTest, CpusetIsReadyForProcesses) {
  const auto top = legacy_directory("cpuset");
  if (!writable(top)) GTEST_SKIP() << "no cgroup v1 hierarchy with cpuset that can be written";
  stanza("cpuset", {}, "cpus", "0");
  start(kTree, [this] { stay(); });
  ASSERT_TRUE(run_until_ready(1));
  const auto group = find_group(top, "upstart/" + job_.name);
  EXPECT_EQ(text_of(group + "/cpuset.cpus"), "0");
  EXPECT_NE(text_of(group + "/cpuset.mems"), "");
  EXPECT_NE(text_of(group + "/cgroup.procs"), "");
}

TEST_F(JobCgroupsTest, NamesStayBelowTheBase) {
  const auto top = legacy_directory("pids");
  if (!writable(top)) GTEST_SKIP() << "no cgroup v1 hierarchy with pids that can be written";
  stanza("pids", "$POOL-" + job_.name, "max", "7");
  ASSERT_EQ(refusal(), "none");
  EXPECT_NE(find_group(top, "swimming_big-" + job_.name), "");

  job_.cgroups.front().name = "$UP";
  EXPECT_EQ(refusal(), "cgroup pids $UP: no name for a group: ..");
  job_.cgroups.front().name = "$NOT_THERE";
  EXPECT_EQ(refusal(), "cgroup pids $NOT_THERE: Unknown parameter: NOT_THERE");
  job_.cgroups.front().name.reset();
  instance_ = "../../x";
  ASSERT_EQ(refusal(), "none");
  EXPECT_NE(find_group(top, "upstart/" + job_.name + "-.._.._x"), "");
}

TEST_F(JobCgroupsTest, WhatTheKernelRefusesIsSaid) {
  if (!writable(legacy_directory("pids"))) GTEST_SKIP() << "no cgroup v1 hierarchy with pids";
  stanza("pids", {}, "max", "many");
  const auto group = "upstart/" + job_.name;
  EXPECT_EQ(refusal(), "cgroup: unable to set pids.max of " + group + " to many: Invalid argument");
  job_.cgroups.front().key = "mix";
  EXPECT_EQ(refusal(), "cgroup: unable to set pids.mix of " + group +
                           " to many: the kernel has no such setting");
  job_.cgroups.front().key = "../cgroup.procs";
  EXPECT_EQ(refusal(), "cgroup pids: bad setting ../cgroup.procs");
}

TEST_F(JobCgroupsTest, GroupIsSharedUntilTheLastUserGoes) {
  const auto top = legacy_directory("pids");
  if (!writable(top)) GTEST_SKIP() << "no cgroup v1 hierarchy with pids that can be written";
  stanza("pids", job_.name, "max", "50");
  ASSERT_TRUE(trees_->place(request(kTree)));
  ASSERT_TRUE(trees_->place(request(kOther)));
  trees_->forget(kTree);
  EXPECT_NE(find_group(top, job_.name), "");
  trees_->forget(kOther);
  EXPECT_EQ(find_group(top, job_.name), "");
}

TEST_F(JobCgroupsTest, GroupWithProcessesStaysAndIsUsedAgain) {
  const auto top = legacy_directory("pids");
  if (!writable(top)) GTEST_SKIP() << "no cgroup v1 hierarchy with pids that can be written";
  stanza("pids", {}, "max", "50");
  start(kTree, [this] { stay(); });
  ASSERT_TRUE(run_until_ready(1));
  trees_->forget(kTree);
  ASSERT_NE(find_group(top, "upstart/" + job_.name), "");
  job_.cgroups.front().value = "60";
  EXPECT_EQ(refusal(), "none");
  EXPECT_EQ(text_of(find_group(top, "upstart/" + job_.name) + "/pids.max"), "60");
}

TEST_F(JobCgroupsTest, TwoManagersDoNotMeet) {
  const auto top = legacy_directory("pids");
  if (!writable(top)) GTEST_SKIP() << "no cgroup v1 hierarchy with pids that can be written";
  stanza("pids", {}, "max", "50");
  JobCgroups first;
  JobCgroups second;
  const auto one = first.prepare(request(kTree));
  const auto two = second.prepare(request(kTree));
  ASSERT_TRUE(one && two);
  struct stat left {};
  struct stat right {};
  ASSERT_EQ(::fstat(one->joins.front().value(), &left), 0);
  ASSERT_EQ(::fstat(two->joins.front().value(), &right), 0);
  EXPECT_NE(left.st_ino, right.st_ino);
}

// ---- v2 ----------------------------------------------------------------------------------------

TEST_F(JobCgroupsTest, ControllerThatIsNowhereIsRefused) {
  stanza("nonsense", {}, "max", "1");
  const auto text = refusal();
  EXPECT_TRUE(text.starts_with("cgroup nonsense: ")) << text;
}

TEST_F(JobCgroupsTest, TreeHasAGroupOfItsOwn) {
  const auto top = unified_directory();
  if (!writable(top)) GTEST_SKIP() << "no cgroup v2 hierarchy that can be written";
  job_.kill_mode = conf::KillMode::Tree;
  const pid_t pid = start(kTree, [this] { stay(); });
  ASSERT_TRUE(run_until_ready(1));
  const auto group = find_group(top, "upstart/" + job_.name);
  ASSERT_NE(group, "");
  EXPECT_EQ(text_of(group + "/cgroup.procs"), std::to_string(pid));
  ASSERT_TRUE(end(kTree, SIGKILL));
  trees_->forget(kTree);
  EXPECT_EQ(find_group(top, "upstart/" + job_.name), "");
}

TEST_F(JobCgroupsTest, ProcessWithoutMarkIsKnownByItsGroup) {
  if (!writable(unified_directory())) GTEST_SKIP() << "no cgroup v2 hierarchy that can be written";
  job_.kill_mode = conf::KillMode::Tree;
  const pid_t first = start(kTree, [this] {
    in_child([this] {
      const rlimit limit{5, 5};
      ::setrlimit(RLIMIT_LOCKS, &limit);
      ::setsid();
      board_->pids[0] = ::getpid();
      stay();
    });
  });
  ASSERT_TRUE(run_until([&] { return board_->ready == 1 && !reaped_.empty(); }));
  ASSERT_EQ(reaped_.front(), first);
  EXPECT_TRUE(trees_->contains(kTree, board_->pids[0]));
  EXPECT_TRUE(end(kTree, SIGTERM));
  EXPECT_FALSE(alive(board_->pids[0]));
}

TEST_F(JobCgroupsTest, WhoWasPutIntoTheGroupIsKilledWithIt) {
  const auto top = unified_directory();
  if (!writable(top)) GTEST_SKIP() << "no cgroup v2 hierarchy that can be written";
  job_.kill_mode = conf::KillMode::Tree;
  start(kTree, [this] { stay(); });
  const pid_t stranger = start_stranger([this] { stay(); });
  ASSERT_TRUE(run_until_ready(2));
  const auto group = find_group(top, "upstart/" + job_.name);
  if (::access((group + "/cgroup.kill").c_str(), W_OK) < 0) GTEST_SKIP() << "no cgroup.kill";
  std::ofstream(group + "/cgroup.procs") << stranger;
  ASSERT_TRUE(end(kTree, SIGKILL));
  EXPECT_FALSE(alive(stranger));
}

TEST_F(JobCgroupsTest, ForkBombInAGroupIsEndedByTheKernel) {
  const auto top = unified_directory();
  if (!writable(top)) GTEST_SKIP() << "no cgroup v2 hierarchy that can be written";
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to limit the processes of somebody else";
  job_.kill_mode = conf::KillMode::Tree;
  start(kTree, [this, user = 1'000'000 + static_cast<uid_t>(::getpid())] {
    const rlimit limit{200, 200};
    if (::setrlimit(RLIMIT_NPROC, &limit) < 0 || ::setuid(user) < 0) ::_exit(1);
    for (;;) {
      if (::fork() == 0) ++board_->ticks;
    }
  });
  ASSERT_TRUE(run_until([&] { return board_->ticks > 150; }));
  EXPECT_TRUE(end(kTree, SIGKILL));
}

TEST_F(JobCgroupsTest, EmptyOnlyWhenTheGroupIs) {
  const auto top = unified_directory();
  if (!writable(top)) GTEST_SKIP() << "no cgroup v2 hierarchy that can be written";
  job_.kill_mode = conf::KillMode::Tree;
  start(kTree, [this] { stay(); });
  const pid_t stranger = start_stranger([this] {
    ::signal(SIGTERM, SIG_IGN);
    stay();
  });
  ASSERT_TRUE(run_until_ready(2));
  std::ofstream(find_group(top, "upstart/" + job_.name) + "/cgroup.procs") << stranger;
  trees_->end(kTree, SIGTERM);
  ASSERT_TRUE(run_until([&] { return !reaped_.empty(); }));
  for (int i = 0; i < 20; ++i) sd_event_run(loop_.get(), 1'000);
  EXPECT_EQ(emptied(kTree), 0);
  ::kill(stranger, SIGKILL);
  EXPECT_TRUE(run_until_emptied(kTree));
}

TEST_F(JobCgroupsTest, GroupsThatTheJobHasMadeAreRemovedToo) {
  const auto top = unified_directory();
  if (!writable(top)) GTEST_SKIP() << "no cgroup v2 hierarchy that can be written";
  job_.kill_mode = conf::KillMode::Tree;
  start(kTree, [] {});
  const auto group = find_group(top, "upstart/" + job_.name);
  ASSERT_EQ(::mkdir((group + "/inner").c_str(), 0755), 0);
  ASSERT_EQ(::mkdir((group + "/inner/most").c_str(), 0755), 0);
  ASSERT_TRUE(end(kTree, SIGKILL));
  trees_->forget(kTree);
  EXPECT_EQ(find_group(top, "upstart/" + job_.name), "");
}

TEST_F(JobCgroupsTest, SharedGroupIsNotKilledForOneJob) {
  if (!writable(unified_directory())) GTEST_SKIP() << "no cgroup v2 hierarchy that can be written";
  job_.kill_mode = conf::KillMode::Tree;
  // The instance "b" of "a" and the job "a-b" have the same name for their group.
  const auto name = job_.name;
  instance_ = "";
  job_.name = name + "-b";
  start(kTree, [this] { stay(); });
  const pid_t other = start(kOther, [this] { stay(); });
  ASSERT_TRUE(run_until_ready(2));
  ASSERT_TRUE(end(kTree, SIGKILL));
  EXPECT_TRUE(alive(other));
}

// ---- v2 with controllers: only where the kernel offers them there, as in a virtual machine
// ---------

class UnifiedControllersTest : public JobCgroupsTest {
 protected:
  void SetUp() override {
    const auto top = unified_directory();
    const auto offered = text_of(top + "/cgroup.controllers");
    const bool enough = offered.find("memory") != std::string::npos &&
                        offered.find("pids") != std::string::npos &&
                        offered.find("cpu") != std::string::npos;
    if (!writable(top) || !enough) {
      GTEST_SKIP() << "no cgroup v2 hierarchy with memory, pids and cpu that can be written";
    }
    box_ = top + "/box-" + std::to_string(::getpid());
  }

  /// Runs as a manager in a cgroup of its own, with somebody else in there or not; its answer to
  /// a job with these stanzas.
  std::string refusal_in_box(bool with_stranger) {
    EXPECT_EQ(::mkdir(box_.c_str(), 0755), 0);
    if (with_stranger) {
      board_->pids[0] = start_stranger([this] { stay(); });
      EXPECT_TRUE(run_until_ready(1));
      std::ofstream(box_ + "/cgroup.procs") << board_->pids[0];
    }
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t manager = in_child([&] {
      std::ofstream(box_ + "/cgroup.procs") << ::getpid() << std::flush;
      in_child([this] { stay(); });  // a job without a group
      while (board_->ready != (with_stranger ? 2 : 1)) ::usleep(1'000);
      JobCgroups cgroups;
      const auto groups = cgroups.prepare(request(kTree));
      auto text = groups ? text_of(find_group(box_, "upstart/" + job_.name) + "/pids.max")
                         : groups.error().description;
      text += ";" + text_of("/proc/self/cgroup");
      EXPECT_GT(::write(ends[1], text.data(), text.size()), 0);
    });
    ::close(ends[1]);
    std::string text(1'000, ' ');
    const auto size = ::read(ends[0], text.data(), text.size());
    ::close(ends[0]);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    EXPECT_TRUE(run_until([&] { return !alive(manager); }));
    std::ofstream(box_ + "/cgroup.kill") << 1;
    EXPECT_TRUE(run_until([&] {
      ::rmdir((box_ + "/upkeep-manager").c_str());
      return ::rmdir(box_.c_str()) == 0;
    }));
    return text;
  }

  std::string box_;
};

TEST_F(UnifiedControllersTest, SettingsAreTranslatedWrittenAndJoined) {
  stanza("memory", {}, "limit_in_bytes", "104857600");
  stanza("pids", {}, "max", "20");
  stanza("cpu", {}, "shares", "512");
  stanza("freezer", {}, "state", "THAWED");
  const pid_t pid = start(kTree, [this] { stay(); });
  ASSERT_TRUE(run_until_ready(1));
  const auto group = find_group(unified_directory(), "upstart/" + job_.name);
  ASSERT_NE(group, "");
  EXPECT_EQ(text_of(group + "/memory.max"), "104857600");
  EXPECT_EQ(text_of(group + "/pids.max"), "20");
  EXPECT_EQ(text_of(group + "/cpu.weight"), "50");
  EXPECT_EQ(text_of(group + "/cgroup.procs"), std::to_string(pid));
  ASSERT_TRUE(end(kTree, SIGKILL));
  trees_->forget(kTree);
  EXPECT_EQ(find_group(unified_directory(), "upstart/" + job_.name), "");
}

TEST_F(UnifiedControllersTest, LimitOfProcessesHolds) {
  stanza("pids", {}, "max", "5");
  start(kTree, [this] {
    for (int i = 0; i < 10; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) stay();
      if (pid < 0) ++board_->ticks;
    }
    stay();
  });
  ASSERT_TRUE(run_until_ready(5));
  ASSERT_TRUE(run_until([&] { return board_->ticks == 6; }));
  EXPECT_TRUE(end(kTree, SIGKILL));
}

TEST_F(UnifiedControllersTest, LimitOfMemoryHolds) {
  stanza("memory", {}, "limit_in_bytes", "33554432");
  stanza("memory", {}, "swap.max", "0");
  start(kTree, [this] {
    in_child([] {
      std::vector<char> memory(100'000'000);
      for (std::size_t i = 0; i < memory.size(); i += 4'096) memory[i] = 1;
      ::_exit(memory[4'096]);
    });
    int status = 0;
    ::wait(&status);
    board_->ticks = WIFSIGNALED(status) ? WTERMSIG(status) : -1;
    stay();
  });
  ASSERT_TRUE(run_until([&] { return board_->ticks != 0; }));
  EXPECT_EQ(board_->ticks, SIGKILL);
}

TEST_F(UnifiedControllersTest, OneGroupForAllControllers) {
  stanza("memory", "one-" + job_.name, "limit_in_bytes", "104857600");
  stanza("pids", "two-" + job_.name, "max", "20");
  EXPECT_EQ(refusal(),
            "cgroup: in cgroup v2 a process is in one group for all controllers, not in "
            "one-" +
                job_.name + " and two-" + job_.name);
}

TEST_F(UnifiedControllersTest, WhatOnlyCgroup1HasIsRefused) {
  stanza("devices", {}, "deny", "a");
  EXPECT_EQ(refusal(), "cgroup devices: cgroup v2 has no such controller");
  job_.cgroups = {{"nonsense", {}, {}, {}}};
  const auto text = refusal();
  EXPECT_TRUE(text.starts_with("cgroup nonsense: the kernel does not offer this controller in "))
      << text;
}

TEST_F(UnifiedControllersTest, ManagerStepsAside) {
  stanza("pids", {}, "max", "20");
  const auto text = refusal_in_box(false);
  EXPECT_TRUE(text.starts_with("20;")) << text;
  EXPECT_NE(text.find("/upkeep-manager"), std::string::npos) << text;
}

TEST_F(UnifiedControllersTest, WhoIsInTheWayIsNamed) {
  stanza("pids", {}, "max", "20");
  const auto text = refusal_in_box(true);
  EXPECT_TRUE(text.starts_with("cgroup pids: cannot be handed down from " + box_ +
                               " while other processes are in there: "))
      << text;
  EXPECT_NE(text.find(fmt::format(": {} (", board_->pids[0].load())), std::string::npos) << text;
}

TEST_F(JobCgroupsTest, OptionSwitchesThemOff) {
  make_trees({.cgroups = false});
  job_.kill_mode = conf::KillMode::Tree;
  stanza("nonsense", {}, "max", "1");
  const auto place = trees_->place(request(kTree));
  ASSERT_TRUE(place);
  EXPECT_FALSE(place->cgroup);
  EXPECT_TRUE(place->joins.empty());
}

}  // namespace
}  // namespace upkeep::os
