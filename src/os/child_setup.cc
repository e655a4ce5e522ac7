// Everything here runs between the making of a child and exec, in the order of spec/runtime.md 4.3
// but for the cgroups, which come first: the child then closes all it does not need. No step
// returns an error: what fails is reported through the pipe and ends the child.
//
// The child may share the manager's memory while the manager runs on. So only raw system calls: no
// function of the C or C++ library, for that might write errno, lock, allocate, or be instrumented
// by a sanitizer, as this file is not (src/os/CMakeLists.txt). What needs the library, users and
// groups, is in child_identity.cc, for children with a memory of their own.
#include "os/child_setup.h"

#include <climits>
#include <csignal>

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

#include "os/child_identity.h"
#include "os/command_line.h"
#include "os/raw_syscall.h"
#include "os/setup_report.h"

namespace upkeep::os {
namespace {

using raw::call;

constexpr int kSetupFailed = 255;
/// Our own descriptors are moved here or beyond, clear of 0-2 and of kScriptDescriptor.
constexpr int kFirstOwnDescriptor = kScriptDescriptor + 1;
constexpr int kFirstAfterStreams = 3;
constexpr int kSignals = 64;
constexpr std::size_t kSignalSetSize = kSignals / 8;

/// As the kernel has it, not the C library.
struct KernelSignalAction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  unsigned long mask;
};
/// Not in the headers of the C library; without it x86 refuses to call a handler.
constexpr unsigned long kHasRestorer = 0x04000000;

/// Written by hand, as everything here that the library would have.
std::size_t length_of(const char* text) noexcept {
  std::size_t length = 0;
  while (text[length] != '\0') ++length;
  return length;
}

/// For a signal that would dump core, should it come between its release and the exec: kernels
/// before 5.16 then end everybody who shares the memory, the manager too.
void die_at_once(int /*signal*/) {
  call(SYS_kill, call(SYS_getpid), SIGKILL);
}
void never_returned_to() {}

class Child {
 public:
  explicit Child(const ChildSetup& setup) noexcept : setup_(setup) {}

  [[noreturn]] void run() noexcept {
    move_descriptors();
    enter_cgroups();
    open_terminal();
    place_ready();
    place_script();
    close_others();
    start_session();
    name_watched_process();
    set_standard_streams();
    ask_for_profile();
    set_limits();
    if (setup_.sets_umask) call(SYS_umask, setup_.umask);
    set_nice();
    set_oom_score();
    change_root(setup_.session_root, SetupStep::SessionRoot);
    change_root(setup_.root, SetupStep::Chroot);
    change_directory();
    become_user();
    reset_signals();
    stop_for_debugger();
    request_trace();
    inherit_files();
    execute();
  }

 private:
  void report(SetupStep step, long result, int argument) const noexcept {
    const SetupReport record{step, static_cast<int>(-result), argument};
    // If even this fails the manager sees the exit status.
    call(SYS_write, report_, &record, sizeof record);
  }

  /// `result` is what a system call has returned: -errno.
  [[noreturn]] void fail(SetupStep step, long result, int argument = 0) const noexcept {
    report(step, result, argument);
    for (;;) call(SYS_exit_group, kSetupFailed);
  }

  // ---- Descriptors

  [[nodiscard]] int moved(int descriptor) const noexcept {
    const bool in_the_way = descriptor < kFirstOwnDescriptor || descriptor == setup_.ready_number;
    if (descriptor < 0 || !in_the_way) return descriptor;
    int copy = copied(descriptor);
    if (copy == setup_.ready_number) {
      copy = copied(descriptor);
      call(SYS_close, setup_.ready_number);
    }
    call(SYS_close, descriptor);
    return copy;
  }

  [[nodiscard]] int copied(int descriptor) const noexcept {
    const long copy = call(SYS_fcntl, descriptor, F_DUPFD_CLOEXEC, kFirstOwnDescriptor);
    if (copy < 0) fail(SetupStep::Descriptors, copy);
    return static_cast<int>(copy);
  }

  void move_descriptors() noexcept {
    // First, so that there is a way to report.
    report_ = setup_.report;
    report_ = moved(report_);
    script_ = moved(setup_.script);
    terminal_ = moved(setup_.terminal);
    output_ = moved(setup_.output);
    ready_ = moved(setup_.ready);
  }

  void enter_cgroups() const noexcept {
    if (setup_.cgroup >= 0) {
      const long file = call(SYS_openat, setup_.cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);
      if (file < 0) fail(SetupStep::Cgroup, file);
      enter(static_cast<int>(file), SetupStep::Cgroup, 0);
    }
    for (std::size_t i = 0; i < setup_.join_count; ++i) {
      enter(setup_.joins[i], SetupStep::CgroupJoin, static_cast<int>(i));
    }
  }

  void enter(int procs, SetupStep step, int argument) const noexcept {
    const long written = call(SYS_write, procs, "0", 1);
    if (written < 0) fail(step, written, argument);
  }

  void open_terminal() noexcept {
    if (terminal_ < 0) return;
    // By way of the master: no path that a chroot or an unmounted /dev/pts could take away.
    const long slave = call(SYS_ioctl, terminal_, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) fail(SetupStep::Terminal, slave);
    output_ = moved(static_cast<int>(slave));
  }

  void place_ready() noexcept {
    if (ready_ < 0) return;
    const long placed = call(SYS_dup3, ready_, setup_.ready_number, O_CLOEXEC);
    if (placed < 0) fail(SetupStep::ReadyPipe, placed, setup_.ready_number);
    ready_ = setup_.ready_number;
  }

  void place_script() noexcept {
    if (script_ < 0) return;
    const long placed = call(SYS_dup3, script_, kScriptDescriptor, O_CLOEXEC);
    if (placed < 0) fail(SetupStep::ScriptPipe, placed);
    script_ = kScriptDescriptor;
  }

  /// Closes what the manager had open. Not left to close-on-exec: a child that hangs in a user
  /// look-up would keep sockets and pipes of others open.
  void close_others() const noexcept {
    int first = kFirstAfterStreams;
    for (int kept = next_kept(first); kept != INT_MAX; kept = next_kept(first)) {
      if (kept > first) call(SYS_close_range, first, kept - 1, 0);
      first = kept + 1;
    }
    call(SYS_close_range, first, UINT_MAX, 0);
  }

  /// The lowest descriptor of those we need that is not below `first`, or INT_MAX.
  [[nodiscard]] int next_kept(int first) const noexcept {
    int next = INT_MAX;
    const auto look_at = [&](int descriptor) noexcept {
      if (descriptor >= first && descriptor < next) next = descriptor;
    };
    look_at(report_);
    look_at(output_);
    look_at(ready_);
    look_at(script_);
    for (std::size_t i = 0; i < setup_.file_count; ++i) look_at(setup_.files[i]);
    return next;
  }

  /// What the program shall have, and nothing that a user look-up may have left open.
  void inherit_files() const noexcept {
    call(SYS_close_range, kFirstAfterStreams, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    for (std::size_t i = 0; i < setup_.file_count; ++i) inherit(setup_.files[i]);
    inherit(script_);
    inherit(ready_);
  }

  void inherit(int descriptor) const noexcept {
    if (descriptor < 0) return;
    const long result = call(SYS_fcntl, descriptor, F_SETFD, 0);
    if (result < 0) fail(SetupStep::Descriptors, result);
  }

  // ---- Session, environment, streams

  void start_session() const noexcept {
    const long result = call(SYS_setsid);
    if (result < 0) fail(SetupStep::Session, result);
  }

  /// WATCHDOG_PID, so that children of the program know it is not they who are watched.
  void name_watched_process() const noexcept {
    char* place = setup_.watchdog_pid;
    if (place == nullptr) return;
    long divisor = 1;
    const long pid = call(SYS_getpid);
    while (pid / divisor >= 10) divisor *= 10;
    for (; divisor > 0; divisor /= 10) *place++ = static_cast<char>('0' + pid / divisor % 10);
    *place = '\0';
  }

  [[nodiscard]] int open_null() const noexcept {
    const long null = call(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (null < 0) fail(SetupStep::NullDevice, null);
    return moved(static_cast<int>(null));
  }

  /// -errno where there is none. A serial line may let those wait who open it until somebody
  /// calls: so does not one that is opened non-blocking.
  [[nodiscard]] int open_console() const noexcept {
    const long console =
        call(SYS_openat, AT_FDCWD, "/dev/console", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (console < 0) return static_cast<int>(console);
    const long flags = call(SYS_fcntl, console, F_GETFL);
    if (flags >= 0) call(SYS_fcntl, console, F_SETFL, flags & ~static_cast<long>(O_NONBLOCK));
    return moved(static_cast<int>(console));
  }

  void set_standard_streams() const noexcept {
    switch (setup_.console) {
      case conf::Console::None: {
        const int null = open_null();
        return set_standard_streams(null, null);
      }
      case conf::Console::Log: return set_standard_streams(open_null(), output_);
      case conf::Console::Output: {
        int console = open_console();
        if (console < 0) {
          report(SetupStep::ConsoleMissing, console, 0);
          console = open_null();
        }
        return set_standard_streams(console, console);
      }
      case conf::Console::Owner: {
        const int console = open_console();
        if (console < 0) fail(SetupStep::ConsoleOwner, console);
        const long result = call(SYS_ioctl, console, TIOCSCTTY, 1);
        if (result < 0) fail(SetupStep::ConsoleOwner, result);
        return set_standard_streams(console, console);
      }
    }
  }

  void set_standard_streams(int input, int output) const noexcept {
    place(input, STDIN_FILENO);
    place(output, STDOUT_FILENO);
    place(output, STDERR_FILENO);
    call(SYS_close, input);
    if (output != input) call(SYS_close, output);
  }

  void place(int descriptor, int stream) const noexcept {
    const long result = call(SYS_dup3, descriptor, stream, 0);
    if (result < 0) fail(SetupStep::StandardStreams, result);
  }

  // ---- Attributes

  void ask_for_profile() const noexcept {
    if (setup_.apparmor_exec == nullptr) return;
    // The second is from before there could be several security modules.
    long file = call(SYS_openat, AT_FDCWD, "/proc/self/attr/apparmor/exec", O_WRONLY | O_CLOEXEC);
    if (file == -ENOENT) {
      file = call(SYS_openat, AT_FDCWD, "/proc/self/attr/exec", O_WRONLY | O_CLOEXEC);
    }
    if (file < 0) fail(SetupStep::Profile, file);
    const long written = call(SYS_write, file, setup_.apparmor_exec, setup_.apparmor_exec_size);
    if (written < 0) fail(SetupStep::Profile, written);
    call(SYS_close, file);
  }

  void set_limits() const noexcept {
    const void* const no_result = nullptr;
    // The many descriptors are the manager's need; programs that use select() must not have them.
    if (setup_.descriptor_limit != nullptr) {
      call(SYS_prlimit64, 0, RLIMIT_NOFILE, setup_.descriptor_limit, no_result);
    }
    for (std::size_t i = 0; i < setup_.limit_count; ++i) {
      const auto& limit = setup_.limits[i];
      const long result = call(SYS_prlimit64, 0, limit.resource, &limit.value, no_result);
      if (result < 0) fail(SetupStep::Limit, result, static_cast<int>(i));
    }
    set_mark();
  }

  /// No process shall fail for the want of a mark.
  void set_mark() const noexcept {
    if (setup_.mark == 0) return;
    KernelLimit mark{setup_.mark, setup_.mark};
    KernelLimit inherited;
    const void* const nothing = nullptr;
    if (call(SYS_prlimit64, 0, RLIMIT_LOCKS, &mark, nothing) == 0) return;
    // Without the right to raise it there is at least the mark that we have ourselves.
    if (call(SYS_prlimit64, 0, RLIMIT_LOCKS, nothing, &inherited) < 0) return;
    mark.soft = mark.hard = inherited.hard;
    call(SYS_prlimit64, 0, RLIMIT_LOCKS, &mark, nothing);
  }

  void set_nice() const noexcept {
    if (!setup_.sets_nice) return;
    const long result = call(SYS_setpriority, PRIO_PROCESS, 0, setup_.nice);
    if (result < 0) fail(SetupStep::Nice, result);
  }

  void set_oom_score() const noexcept {
    if (setup_.oom_score == nullptr) return;
    const long file = call(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) fail(SetupStep::OomScore, file);
    const long written = call(SYS_write, file, setup_.oom_score, setup_.oom_score_size);
    if (written < 0) fail(SetupStep::OomScore, written);
    call(SYS_close, file);
  }

  void change_root(const char* root, SetupStep step) const noexcept {
    if (root == nullptr) return;
    const long result = call(SYS_chroot, root);
    if (result < 0) fail(step, result);
  }

  void change_directory() const noexcept {
    if (setup_.directory == nullptr) return;
    const long result = call(SYS_chdir, setup_.directory);
    if (result < 0) fail(SetupStep::Directory, result);
  }

  void become_user() const noexcept {
    if (setup_.user == nullptr && setup_.group == nullptr) return;
    const auto failure = assume_identity(setup_, script_);
    if (failure.error != 0) fail(failure.step, -failure.error);
  }

  // ---- The last steps

  void reset_signals() const noexcept {
    static constexpr KernelSignalAction standard{};
    KernelSignalAction* const no_result = nullptr;
    // KILL and STOP refuse, and are default anyway.
    for (int number = 1; number <= kSignals; ++number) {
      call(SYS_rt_sigaction, number, &standard, no_result, kSignalSetSize);
    }
    if (setup_.shares_memory) {
      // Back to the default by the exec.
      const KernelSignalAction deadly{die_at_once, kHasRestorer, never_returned_to, ~0UL};
      for (const int number : kCoreSignals) {
        call(SYS_rt_sigaction, number, &deadly, no_result, kSignalSetSize);
      }
    }
    const unsigned long none = 0;
    unsigned long* const no_set = nullptr;
    call(SYS_rt_sigprocmask, SIG_SETMASK, &none, no_set, kSignalSetSize);
  }

  void stop_for_debugger() const noexcept {
    if (!setup_.debug_stop) return;
    call(SYS_close, report_);  // counts as executed: nobody should wait for a person at a debugger
    call(SYS_kill, call(SYS_getpid), SIGSTOP);
  }

  void request_trace() const noexcept {
    if (!setup_.trace) return;
    const long result = call(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
    if (result < 0) report(SetupStep::TraceRefused, result, 0);
  }

  /// As execvp() does it. (A slash in the name, or no search path: the name is the path.)
  [[noreturn]] void execute() const noexcept {
    const char* rest = setup_.search_path;
    if (rest == nullptr) fail(SetupStep::Execute, execute(setup_.program));
    const auto name_length = length_of(setup_.program);
    long result = -ENOENT;
    bool denied = false;
    for (bool more = true; more;) {
      std::size_t length = 0;
      while (rest[length] != '\0' && rest[length] != ':') ++length;
      more = rest[length] == ':';
      if (length + 1 + name_length + 1 <= setup_.candidate_size) {
        result = execute(candidate(rest, length, name_length));
        if (result == -EACCES) denied = true;
        if (!means_look_further(result)) fail(SetupStep::Execute, result);
      }
      rest += length + 1;
    }
    fail(SetupStep::Execute, denied ? -EACCES : result);
  }

  [[nodiscard]] static bool means_look_further(long result) noexcept {
    return result == -EACCES || result == -ENOENT || result == -ENOTDIR || result == -ESTALE ||
           result == -ENODEV || result == -ETIMEDOUT;
  }

  /// An empty entry of the PATH is the current directory.
  [[nodiscard]] const char* candidate(const char* directory, std::size_t length,
                                      std::size_t name_length) const noexcept {
    char* place = setup_.candidate;
    for (std::size_t i = 0; i < length; ++i) *place++ = directory[i];
    if (length > 0) *place++ = '/';
    for (std::size_t i = 0; i <= name_length; ++i) *place++ = setup_.program[i];
    return setup_.candidate;
  }

  /// Comes back with -errno.
  [[nodiscard]] long execute(const char* path) const noexcept {
    const long result = call(SYS_execve, path, setup_.arguments, setup_.environment);
    if (result != -ENOEXEC) return result;
    setup_.shell_arguments[1] = const_cast<char*>(path);
    return call(SYS_execve, setup_.shell_arguments[0], setup_.shell_arguments, setup_.environment);
  }

  const ChildSetup& setup_;
  int report_ = -1;
  int script_ = -1;
  int terminal_ = -1;
  int output_ = -1;
  int ready_ = -1;
};

}  // namespace

void run_child(const ChildSetup& setup) noexcept {
  Child(setup).run();
}

void run_shared_child(void* setup) noexcept {
  run_child(*static_cast<const ChildSetup*>(setup));
}

}  // namespace upkeep::os
