// Everything here runs between fork and exec, in the order of spec/runtime.md 4.3. No step
// returns an error: what fails is reported through the pipe and ends the child. The cgroup and
// AppArmor steps have their place between the others, but are not taken yet.
#include "os/child_setup.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <string_view>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/command_line.h"
#include "os/setup_report.h"

namespace upkeep::os {
namespace {

constexpr int kSetupFailed = 255;
/// Our own descriptors are moved here or beyond, clear of 0-2 and of kScriptDescriptor.
constexpr int kFirstOwnDescriptor = kScriptDescriptor + 1;

class Child {
 public:
  explicit Child(const ChildSetup& setup) noexcept : setup_(setup), job_(*setup.definition) {}

  [[noreturn]] void run() noexcept {
    move_descriptors();
    open_terminal();
    place_script();
    close_others();
    start_session();
    environ = const_cast<char**>(setup_.environment);
    set_standard_streams();
    restore_descriptor_limit();
    if (setup_.attributes) {
      set_limits();
      if (setup_.umask) ::umask(*setup_.umask);
      set_nice();
      set_oom_score();
      change_root();
      change_directory();
      find_user_and_group();
      give_script_away();
      set_groups();
      become_user();
    }
    reset_signals();
    stop_for_debugger();
    request_trace();
    execute();
  }

 private:
  void report(SetupStep step, int error, int argument) const noexcept {
    const SetupReport record{step, error, argument};
    // If even this fails the manager sees the exit status.
    [[maybe_unused]] const auto written = ::write(report_, &record, sizeof record);
  }

  [[noreturn]] void fail(SetupStep step, int error = errno, int argument = 0) const noexcept {
    report(step, error, argument);
    ::_exit(kSetupFailed);
  }

  [[nodiscard]] int moved(int descriptor) const noexcept {
    if (descriptor < 0 || descriptor >= kFirstOwnDescriptor) return descriptor;
    const int copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, kFirstOwnDescriptor);
    if (copy < 0) fail(SetupStep::Descriptors);
    ::close(descriptor);
    return copy;
  }

  void move_descriptors() noexcept {
    report_ = setup_.report;
    report_ = moved(report_);
    script_ = moved(setup_.script);
    terminal_ = moved(setup_.terminal);
    output_ = moved(setup_.output);
  }

  void open_terminal() noexcept {
    if (terminal_ < 0) return;
    // By way of the master: no path that a chroot or an unmounted /dev/pts could take away.
    const int slave = ::ioctl(terminal_, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) fail(SetupStep::Terminal);
    output_ = moved(slave);
  }

  void place_script() noexcept {
    if (script_ < 0) return;
    if (::dup2(script_, kScriptDescriptor) < 0) fail(SetupStep::ScriptPipe);
    script_ = kScriptDescriptor;
  }

  /// Closes what the manager had open. Not left to close-on-exec: a child that hangs in a user
  /// lookup would keep sockets and pipes of others open.
  void close_others() const noexcept {
    std::array<int, 3> own{script_, report_, output_};
    std::sort(own.begin(), own.end());
    unsigned first = STDERR_FILENO + 1;
    const auto keep = [&first](int descriptor) noexcept {
      if (descriptor < 0) return;
      const auto position = static_cast<unsigned>(descriptor);
      if (position > first) ::close_range(first, position - 1, 0);
      first = position + 1;
    };
    auto file = setup_.files.begin();
    for (const int descriptor : own) {
      for (; file != setup_.files.end() && *file < descriptor; ++file) keep(*file);
      keep(descriptor);
    }
    for (; file != setup_.files.end(); ++file) keep(*file);
    ::close_range(first, UINT_MAX, 0);
  }

  void start_session() const noexcept {
    if (::setsid() < 0) fail(SetupStep::Session);
  }

  [[nodiscard]] int open_null() const noexcept {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (null < 0) fail(SetupStep::NullDevice);
    return moved(null);
  }

  void set_standard_streams() const noexcept {
    switch (setup_.console) {
      case conf::Console::None: {
        const int null = open_null();
        return set_standard_streams(null, null);
      }
      case conf::Console::Log: return set_standard_streams(open_null(), output_);
      case conf::Console::Output: {
        int console = ::open("/dev/console", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (console < 0) report(SetupStep::ConsoleMissing, errno, 0);
        console = console < 0 ? open_null() : moved(console);
        return set_standard_streams(console, console);
      }
      case conf::Console::Owner: {
        int console = ::open("/dev/console", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (console < 0) fail(SetupStep::ConsoleOwner);
        console = moved(console);
        if (::ioctl(console, TIOCSCTTY, 1) < 0) fail(SetupStep::ConsoleOwner);
        return set_standard_streams(console, console);
      }
    }
  }

  void set_standard_streams(int input, int output) const noexcept {
    if (::dup2(input, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
        ::dup2(output, STDERR_FILENO) < 0) {
      fail(SetupStep::StandardStreams);
    }
    ::close(input);
    if (output != input) ::close(output);
  }

  /// The many descriptors are the manager's need; programs that use select() must not inherit it.
  void restore_descriptor_limit() const noexcept {
    if (setup_.descriptor_limit) (void)::setrlimit(RLIMIT_NOFILE, &*setup_.descriptor_limit);
  }

  void set_limits() const noexcept {
    const auto value = [](std::uint64_t number) -> rlim_t {
      return number == conf::ResourceLimit::kUnlimited ? RLIM_INFINITY : number;
    };
    for (std::size_t i = 0; i < job_.limits.size(); ++i) {
      const auto& limit = job_.limits[i];
      const rlimit wanted{value(limit.soft), value(limit.hard)};
      const auto resource =
          static_cast<__rlimit_resource>(conf::resources()[limit.resource].number);
      if (::setrlimit(resource, &wanted) < 0) {
        fail(SetupStep::Limit, errno, static_cast<int>(i));
      }
    }
  }

  void set_nice() const noexcept {
    if (!job_.nice) return;
    if (::setpriority(PRIO_PROCESS, 0, *job_.nice) < 0) fail(SetupStep::Nice);
  }

  void set_oom_score() const noexcept {
    const int score = job_.oom_score_adj.value_or(0);
    if (score == 0) return;
    std::array<char, 16> text{};
    const int length = std::snprintf(text.data(), text.size(), "%d", score);
    const int file = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0 || ::write(file, text.data(), static_cast<std::size_t>(length)) != length) {
      fail(SetupStep::OomScore);
    }
    ::close(file);
  }

  void change_root() const noexcept {
    if (job_.chroot && ::chroot(job_.chroot->c_str()) < 0) fail(SetupStep::Chroot);
  }

  void change_directory() const noexcept {
    if (setup_.directory && ::chdir(setup_.directory) < 0) fail(SetupStep::Directory);
  }

  /// The C library gives various errors for a name that simply is not there.
  [[nodiscard]] static bool means_unknown(int error) noexcept {
    return error == 0 || error == ENOENT || error == ESRCH;
  }

  void find_user_and_group() noexcept {
    uid_ = ::geteuid();
    gid_ = ::getegid();
    if (job_.setuid) {
      errno = 0;
      const passwd* user = ::getpwnam(job_.setuid->c_str());
      if (user == nullptr) {
        if (means_unknown(errno)) fail(SetupStep::UnknownUser, ENOENT);
        fail(SetupStep::UserLookup);
      }
      uid_ = user->pw_uid;
      gid_ = user->pw_gid;  // not the group of the manager (Q12)
    }
    if (job_.setgid) {
      errno = 0;
      const group* entry = ::getgrnam(job_.setgid->c_str());
      if (entry == nullptr) {
        if (means_unknown(errno)) fail(SetupStep::UnknownGroup, ENOENT);
        fail(SetupStep::GroupLookup);
      }
      gid_ = entry->gr_gid;
    }
  }

  [[nodiscard]] bool changes_identity() const noexcept { return job_.setuid || job_.setgid; }

  void give_script_away() const noexcept {
    // The shell opens the pipe by its path in /proc, which asks for permission.
    if (script_ < 0 || !changes_identity()) return;
    if (::fchown(script_, uid_, gid_) < 0) fail(SetupStep::ScriptOwner);
  }

  /// A job that names neither user nor group keeps the groups of the manager, without a look-up
  /// that a bare chroot or a directory server that is down would make fail.
  void set_groups() const noexcept {
    if (!changes_identity() || ::geteuid() != 0) return;
    if (job_.setuid) {
      if (::initgroups(job_.setuid->c_str(), gid_) < 0) fail(SetupStep::Groups);
      return;
    }
    const passwd* self = ::getpwuid(uid_);
    const bool done =
        self != nullptr ? ::initgroups(self->pw_name, gid_) == 0 : ::setgroups(1, &gid_) == 0;
    if (!done) fail(SetupStep::Groups);
  }

  void become_user() const noexcept {
    if (changes_identity() && ::setgid(gid_) < 0) fail(SetupStep::GroupId);
    if (job_.setuid && ::setuid(uid_) < 0) fail(SetupStep::UserId);
  }

  static void reset_signals() noexcept {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    // KILL, STOP and the two the C library keeps for itself refuse, and are default anyway.
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &action, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
  }

  void stop_for_debugger() const noexcept {
    if (!setup_.debug_stop) return;
    ::close(report_);  // counts as executed: nobody should wait for a person at a debugger
    ::raise(SIGSTOP);
  }

  void request_trace() const noexcept {
    if (setup_.trace && ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) < 0) fail(SetupStep::Trace);
  }

  [[noreturn]] void execute() const noexcept {
    // Once more, for what the user lookup may have left open.
    ::close_range(STDERR_FILENO + 1, kScriptDescriptor - 1, CLOSE_RANGE_CLOEXEC);
    ::close_range(script_ < 0 ? kScriptDescriptor : kFirstOwnDescriptor, UINT_MAX,
                  CLOSE_RANGE_CLOEXEC);
    for (const int file : setup_.files) {
      if (::fcntl(file, F_SETFD, 0) < 0) fail(SetupStep::Descriptors);
    }
    ::execvp(setup_.arguments[0], setup_.arguments);  // searches the PATH of the job by now
    fail(SetupStep::Execute);
  }

  const ChildSetup& setup_;
  const conf::JobDefinition& job_;
  int report_ = -1;
  int script_ = -1;
  int terminal_ = -1;
  int output_ = -1;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
};

}  // namespace

void run_child(const ChildSetup& setup) noexcept {
  Child(setup).run();
}

}  // namespace upkeep::os
