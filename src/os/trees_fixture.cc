#include "os/trees_fixture.h"

#include <algorithm>
#include <chrono>
#include <csignal>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/process_scan.h"

namespace upkeep::os {
namespace {

/// Nothing of a test may be left, whatever has gone wrong: all that descends from this process.
void kill_all_descendants() {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < deadline) {
    while (::waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
    }
    std::vector<pid_t> children;
    ChildList list(::getpid(), ::getpid());
    while (list.read(children)) {
    }
    if (children.empty()) return;
    for (const int signal : {SIGSTOP, SIGKILL}) {
      int budget = 1'000'000;
      ProcessScan scan(
          children, [](pid_t) { return true; }, nullptr);
      [[maybe_unused]] const bool all =
          scan.go_on(budget, [signal](const PinnedProcess& process) { process.send(signal); });
    }
  }
}

}  // namespace

TreesTest::TreesTest() {
  void* memory =
      ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  board_ = new (memory) Board{};
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sd_event* loop = nullptr;
  EXPECT_GE(sd_event_new(&loop), 0);
  loop_.reset(loop);
  auto reaper = Reaper::create(loop, [this](const ChildStatus& status) {
    const bool end =
        status.kind == ChildStatus::Kind::Exited || status.kind == ChildStatus::Kind::Killed;
    if (!end) return;
    reaped_.push_back(status.pid);
    trees_->ended(status.pid);
  });
  EXPECT_TRUE(reaper);
  reaper_ = std::move(*reaper);
  make_trees();
}

TreesTest::~TreesTest() {
  kill_all_descendants();
  trees_.reset();
  reaper_.reset();
  ::munmap(board_, sizeof(Board));
}

void TreesTest::make_trees(ProcessTrees::Options options) {
  auto trees = ProcessTrees::create(
      loop_.get(), std::move(options), [this](core::TreeId tree) { emptied_.push_back(tree); },
      [this](core::Priority, std::string text) { messages_.push_back(std::move(text)); });
  EXPECT_TRUE(trees) << trees.error().message;
  trees_ = std::move(*trees);
}

pid_t TreesTest::in_child(const std::function<void()>& program) {
  const pid_t pid = ::fork();
  EXPECT_GE(pid, 0);
  if (pid != 0) return pid;
  program();
  ::_exit(0);
}

pid_t TreesTest::start_stranger(const std::function<void()>& program) {
  return in_child([&] {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setsid();
    program();
  });
}

pid_t TreesTest::start(core::TreeId tree, const std::function<void()>& program) {
  core::SpawnRequest request;
  request.tree = tree;
  request.definition = std::make_shared<conf::JobDefinition>(job_);
  const auto place = trees_->place(request);
  EXPECT_TRUE(place) << place.error().description;
  if (!place) return -1;
  const pid_t pid = start_stranger([&] {
    std::vector<int> joins;
    for (const auto& file : place->joins) joins.push_back(file.value());
    const int group =
        place->cgroup ? ::openat(place->cgroup.value(), "cgroup.procs", O_WRONLY | O_CLOEXEC) : -1;
    if (group >= 0) joins.push_back(group);
    for (const int file : joins) {
      if (::write(file, "0", 1) != 1) ::_exit(1);
    }
    if (place->mark) {
      const rlimit limit{*place->mark, *place->mark};
      if (::setrlimit(RLIMIT_LOCKS, &limit) < 0) ::_exit(1);
    }
    program();
  });
  trees_->started(tree, pid);
  return pid;
}

void TreesTest::stay() const {
  ++board_->ready;
  for (;;) ::pause();
}

bool TreesTest::run_until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    if (sd_event_run(loop_.get(), 5'000) < 0) return false;
  }
  return true;
}

bool TreesTest::run_until_ready(int processes) {
  return run_until([&] { return board_->ready == processes; });
}

bool TreesTest::run_until_emptied(core::TreeId tree) {
  return run_until([&] { return emptied(tree) > 0; });
}

bool TreesTest::end(core::TreeId tree, int signal) {
  trees_->end(tree, signal);
  return run_until_emptied(tree);
}

int TreesTest::emptied(core::TreeId tree) const {
  return static_cast<int>(std::ranges::count(emptied_, tree));
}

bool TreesTest::alive(pid_t pid) {
  const auto stat = process_stat(pid);
  return stat && !stat->dead();
}

}  // namespace upkeep::os
