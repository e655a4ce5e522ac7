// What a new child does before it becomes the program of a job (spec/runtime.md 4.3).
#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>

#include <sys/types.h>

#include "conf/job_definition.h"

namespace upkeep::os {

/// What the kernel takes for prlimit64.
struct KernelLimit {
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

struct LimitSetting {
  int resource = 0;
  KernelLimit value;
};

/// Everything the child needs, made by the manager before the child is. Plain data, since a child
/// that shares the manager's memory may call nothing of a library; see SetupBlock, which owns it.
/// A pointer that is not set leaves out its step.
struct ChildSetup {
  const char* program = nullptr;
  const char* search_path = nullptr;  ///< the PATH for a program without slash
  char* candidate = nullptr;          ///< room for one program of the PATH
  std::size_t candidate_size = 0;
  char** arguments = nullptr;  ///< of the program, ending in nullptr
  /// The arguments of /bin/sh for a program that has no format the kernel knows, as execvp() does
  /// it; the second is for the child to fill in.
  char** shell_arguments = nullptr;
  char** environment = nullptr;  ///< the whole of it, ending in nullptr
  /// Where variables of the user may be added to `environment`; kUserVariables places and one for
  /// the nullptr.
  char** user_variables = nullptr;
  char* watchdog_pid = nullptr;  ///< where to write the pid of the child, in decimal

  int report = -1;             ///< writing end of the error pipe
  int script = -1;             ///< reading end of the script pipe, or -1
  int terminal = -1;           ///< console log: master of the pty, or -1
  int output = -1;             ///< console log where there is no pty: writing end of a pipe, or -1
  int ready = -1;              ///< writing end of the pipe of `expect fd`, or -1
  int ready_number = -1;       ///< what it becomes in the program
  const int* files = nullptr;  ///< to be inherited under their own numbers; all of them past
                               ///< kScriptDescriptor, in ascending order
  std::size_t file_count = 0;
  int cgroup = -1;             ///< directory of a cgroup to enter, or -1
  const int* joins = nullptr;  ///< open files cgroup.procs
  std::size_t join_count = 0;

  conf::Console console = conf::Console::None;
  const char* apparmor_exec = nullptr;  ///< what to write to ask for a profile
  std::size_t apparmor_exec_size = 0;
  const KernelLimit* descriptor_limit = nullptr;  ///< where the manager has raised its own
  const LimitSetting* limits = nullptr;
  std::size_t limit_count = 0;
  std::uint64_t mark = 0;  ///< for RLIMIT_LOCKS, soft and hard; 0 leaves it
  bool sets_umask = false;
  mode_t umask = 0;
  bool sets_nice = false;
  int nice = 0;
  const char* oom_score = nullptr;  ///< in decimal
  std::size_t oom_score_size = 0;
  const char* session_root = nullptr;
  const char* root = nullptr;
  const char* directory = nullptr;
  const char* user = nullptr;  ///< either of these two needs a process of its own memory
  const char* group = nullptr;
  bool shares_memory = false;  ///< with the manager
  bool debug_stop = false;
  bool trace = false;  ///< let the manager follow forks
};

/// How many variables a job with `setuid` may get: HOME, USER, LOGNAME, SHELL.
inline constexpr std::size_t kUserVariables = 4;

/// Signals that end a process with a core dump if nobody handles them.
inline constexpr int kCoreSignals[] = {SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,
                                       SIGFPE,  SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS};

/// Runs in the child, with all signals blocked, and never comes back: ends in the program, or in
/// exit status 255 after a SetupReport.
[[noreturn]] void run_child(const ChildSetup& setup) noexcept;

/// The same as the first function on a stack; `setup` points to a ChildSetup.
void run_shared_child(void* setup) noexcept;

}  // namespace upkeep::os
