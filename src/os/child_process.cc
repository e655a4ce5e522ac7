// A child that shares our memory costs no copy of its page tables, which is most of what fork()
// takes in a large process, and slows us down afterwards by no faults. Other than after vfork() we
// do not wait for its exec: a program on a dead file server holds up itself alone.
//
// Three ways, the first that works; what has been refused once is not tried again:
//   1. clone3(): the only one that puts the child into its cgroup from the start;
//   2. clone(): sandboxes know it that do not know clone3(). The child enters its cgroup by itself;
//   3. fork(): also for children that need the C library. It must be that of the library then,
//      whose locks and thread data are in order in the child. But for a cgroup clone3() is worth
//      more, and what the library does not set right here, the cached thread id, nobody asks for
//      in a process of one thread.
#include "os/child_process.h"

#include <cerrno>
#include <csignal>
#include <utility>

#include <linux/sched.h>
#include <unistd.h>

#include "os/raw_syscall.h"

namespace upkeep::os {
namespace {

// Until it is refused.
bool clone3_works = raw::kCanStartOnStack;
bool clone_works = raw::kCanStartOnStack;

/// No handler of ours may ever run in a child: signals stay blocked until it has put back the
/// defaults.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

/// Errors by which a sandbox or an old kernel refuses a system call or some of its flags.
bool is_refusal(long result) {
  return result == -ENOSYS || result == -EPERM || result == -EINVAL || result == -E2BIG;
}

constexpr std::uint64_t kSharing = CLONE_VM | CLONE_PIDFD | CLONE_CHILD_CLEARTID;

std::uint64_t address(const void* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

/// What all uses of clone3() have in common.
clone_args clone3_arguments(int cgroup, const int& pidfd) {
  clone_args arguments{};
  arguments.flags = CLONE_PIDFD;
  arguments.pidfd = address(&pidfd);
  arguments.exit_signal = SIGCHLD;
  if (cgroup >= 0) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(cgroup);
  }
  return arguments;
}

// The following give a pid, or -errno.

long clone3_sharing(const ChildMemory& memory, int cgroup, int& pidfd) {
  auto arguments = clone3_arguments(cgroup, pidfd);
  arguments.flags |= kSharing;
  arguments.child_tid = address(memory.stack.occupied());
  arguments.stack = address(memory.stack.begin());
  arguments.stack_size = memory.stack.size();
  return raw::start_on_stack(SYS_clone3, raw::word(&arguments), sizeof arguments, 0, 0, 0,
                             run_shared_child, &memory.block->setup());
}

long clone_sharing(const ChildMemory& memory, int& pidfd) {
  const auto flags = static_cast<long>(kSharing | SIGCHLD);
  const long top = raw::word(memory.stack.begin()) + static_cast<long>(memory.stack.size());
  const long occupied = raw::word(memory.stack.occupied());
  constexpr long kNoThreadData = 0;
#if defined(__x86_64__)
  const long fourth = occupied, fifth = kNoThreadData;
#else
  const long fourth = kNoThreadData, fifth = occupied;
#endif
  return raw::start_on_stack(SYS_clone, flags, top, raw::word(&pidfd), fourth, fifth,
                             run_shared_child, &memory.block->setup());
}

long clone3_copying(const ChildSetup& setup, int cgroup, int& pidfd) {
  const auto arguments = clone3_arguments(cgroup, pidfd);
  const long pid = raw::call(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) run_child(setup);
  return pid;
}

long fork_copying(const ChildSetup& setup, int& pidfd) {
  const pid_t pid = ::fork();
  if (pid == 0) run_child(setup);
  if (pid < 0) return -errno;
  // It keeps its pid until we reap it.
  const long opened = raw::call(SYS_pidfd_open, pid, 0);
  if (opened < 0 && opened != -ENOSYS) {
    ::kill(pid, SIGKILL);  // no process is better than one that cannot be held on to
    return opened;
  }
  pidfd = static_cast<int>(opened);
  return pid;
}

std::expected<ChildProcess, int> created(long pid, int pidfd, ChildMemoryHandle memory) {
  if (pid < 0) return std::unexpected(static_cast<int>(-pid));
  return ChildProcess{static_cast<pid_t>(pid), UniqueFd(pidfd), std::move(memory)};
}

/// Leaves `memory` alone if it is refused.
std::expected<ChildProcess, int> create_sharing(ChildMemoryHandle& memory, int cgroup) {
  auto& setup = memory->block->setup();
  setup.shares_memory = true;
  int pidfd = -1;
  long pid = -ENOSYS;
  const BlockedSignals blocked;
  if (clone3_works) {
    pid = clone3_sharing(*memory, cgroup, pidfd);
    clone3_works = !is_refusal(pid);
  }
  if (!clone3_works) {
    setup.cgroup = cgroup;
    pid = clone_sharing(*memory, pidfd);
    clone_works = !is_refusal(pid);
  }
  if (pid < 0) return std::unexpected(static_cast<int>(-pid));
  memory->pid = static_cast<pid_t>(pid);
  return created(pid, pidfd, std::move(memory));
}

std::expected<ChildProcess, int> create_copying(SetupBlock& block, int cgroup) {
  auto& setup = block.setup();
  setup.shares_memory = false;
  int pidfd = -1;
  long pid = -ENOSYS;
  const BlockedSignals blocked;
  if (cgroup >= 0 && clone3_works) {
    pid = clone3_copying(setup, cgroup, pidfd);
    clone3_works = !is_refusal(pid);
  }
  if (cgroup < 0 || !clone3_works) {
    setup.cgroup = cgroup;
    pid = fork_copying(setup, pidfd);
  }
  return created(pid, pidfd, nullptr);
}

}  // namespace

bool can_share_memory() {
  return clone3_works || clone_works;
}

std::expected<ChildProcess, int> create_child(std::unique_ptr<SetupBlock> block, bool share,
                                              int cgroup) {
  if (share && can_share_memory()) {
    auto memory = obtain_child_memory(std::move(block));
    if (!memory) return std::unexpected(errno);
    auto child = create_sharing(memory, cgroup);
    if (child || can_share_memory()) return child;
    block = std::move(memory->block);
  }
  return create_copying(*block, cgroup);
}

}  // namespace upkeep::os
