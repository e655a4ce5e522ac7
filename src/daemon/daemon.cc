#include "daemon/daemon.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/process_one.h"
#include "os/apparmor.h"

namespace upkeep::daemon {
namespace {

using core::Priority;

/// What clients of the original look for; our own version is told by --version.
constexpr const char* kVersionProperty = "init (upstart 1.13.2)";

core::TimePoint now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return core::TimePoint{} + std::chrono::seconds(time.tv_sec) +
         std::chrono::nanoseconds(time.tv_nsec);
}

Error system_error(std::string_view what, int error) {
  return Error{fmt::format("{}: {}", what, std::strerror(error))};
}

/// upkeep-logger: beside upkeepd in a build tree, else where it is installed.
std::string logger_program() {
  std::array<char, 4096> path{};
  const auto length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  if (length > 0) {
    std::string beside(path.data(), static_cast<std::size_t>(length));
    beside.replace(beside.rfind('/') + 1, std::string::npos, "upkeep-logger");
    if (::access(beside.c_str(), X_OK) == 0) return beside;
  }
  return UPKEEP_LIBEXEC "/upkeep-logger";
}

/// Each logged process costs the manager a descriptor. Returns what jobs are to have instead.
std::optional<rlimit> raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return {};
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) != 0) return {};
  return limit;
}

MessageLog::Target message_target(const Configuration& configuration) {
  return configuration.role == Role::ProcessOne && standard_error_is_console()
             ? MessageLog::Target::Kernel
             : MessageLog::Target::StandardError;
}

/// Without what whoever has started us meant for us alone (sd_notify(3), sd_listen_fds(3)).
Environment without_our_own(Environment environment) {
  constexpr std::array kOurOwn{"NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC=",
                               "LISTEN_PID=",    "LISTEN_FDS=",   "LISTEN_FDNAMES="};
  std::erase_if(environment, [&](const std::string& variable) {
    return std::ranges::any_of(kOurOwn, [&](auto name) { return variable.starts_with(name); });
  });
  return environment;
}

control::ControlOptions::Mode control_mode(Role role) {
  using Mode = control::ControlOptions::Mode;
  switch (role) {
    case Role::ProcessOne: return Mode::ProcessOne;
    case Role::Supervisor: return Mode::Supervisor;
    case Role::Session: break;
  }
  return Mode::User;
}

}  // namespace

Result<std::unique_ptr<Daemon>> Daemon::create(Configuration configuration,
                                               Environment environment) {
  std::unique_ptr<Daemon> daemon(new Daemon(std::move(configuration), std::move(environment)));
  if (auto opened = daemon->open(); !opened) return std::unexpected(opened.error());
  return daemon;
}

Daemon::Daemon(Configuration configuration, Environment environment)
    : configuration_(std::move(configuration)),
      environment_(without_our_own(std::move(environment))),
      messages_(message_target(configuration_), configuration_.log_priority) {}

Daemon::~Daemon() = default;

// ---------------------------------------------------------------- building the parts

Result<void> Daemon::open() {
  sd_event* loop = nullptr;
  if (const int error = sd_event_new(&loop); error < 0) {
    return std::unexpected(system_error("unable to create an event loop", -error));
  }
  loop_.reset(loop);
  if (auto made = make_timer(); !made) return made;

  if (configuration_.role != Role::ProcessOne) become_subreaper();
  if (auto done = open_control(); !done) return done;
  prepare_directories();
  if (auto done = open_logs(); !done) return done;
  if (auto done = open_platform(); !done) return done;
  observers_.add(*this);
  manager_ = std::make_unique<core::ServiceManager>(*platform_, observers_, manager_options());
  if (control_) {
    control_->attach(*manager_);
    observers_.add(*control_);
  }
  job_files_ = std::make_unique<os::JobFiles>(
      loop_.get(), os::JobFileSources{configuration_.sources, configuration_.master_file},
      [this](core::ConfChange change) { handle(std::move(change)); },
      [this](Priority priority, const std::string& text) { message(priority, text); });
  return watch_signals();
}

Result<void> Daemon::open_control() {
  auto control = control::ControlServer::create(
      loop_.get(),
      {.address = configuration_.control_address,
       .version = kVersionProperty,
       .mode = control_mode(configuration_.role)},
      {.handle = [this](core::Input input) { handle(std::move(input)); },
       .reload_configuration = [this] { reload(); },
       .log_priority = [this] { return messages_.threshold(); },
       .set_log_priority = [this](Priority priority) { messages_.set_threshold(priority); },
       .log = [this](Priority priority, std::string_view text) { message(priority, text); }});
  if (control) {
    control_ = *std::move(control);
    return {};
  }
  // Two supervisors in one place would both start the same services.
  if (configuration_.role == Role::Supervisor) return std::unexpected(control.error());
  // But an init goes on: a machine without control is better than none.
  message(Priority::Warning, control.error().message + "; going on without control");
  return {};
}

void Daemon::prepare_directories() {
  const auto created = create_private_directories(configuration_.private_directories);
  if (!created) message(Priority::Warning, created.error().message);
  if (configuration_.role != Role::Session) {
    (void)::mkdir(configuration_.log_directory.c_str(), 0755);
  }
}

Result<void> Daemon::open_logs() {
  if (!configuration_.log_enabled) return {};
  auto logs = log::LogStreams::create(
      loop_.get(), {.program = logger_program(), .arguments = {}},
      [this](const std::string& text) { message(Priority::Warning, text); });
  if (!logs) return std::unexpected(logs.error());
  logs_ = *std::move(logs);
  return {};
}

Result<void> Daemon::open_platform() {
  const bool session = configuration_.role == Role::Session;
  const bool own_umask = session && configuration_.inherit_environment;
  os::PlatformOptions options{
      .default_console = configuration_.default_console,
      .log_enabled = configuration_.log_enabled,
      .log_directory = configuration_.log_directory,
      .default_umask = own_umask ? std::nullopt : std::optional<mode_t>(022),
      .start_in_root = !session,
      .descriptor_limit = raise_descriptor_limit(),
      .honour_debug = configuration_.log_priority == Priority::Debug,
      .apparmor_usable = os::apparmor_usable(),
      .cgroups = configuration_.cgroups,
  };
  auto platform = os::LinuxPlatform::create(
      loop_.get(), std::move(options), logs_.get(),
      [this](core::Input input) { handle(std::move(input)); },
      [this](Priority priority, const std::string& text) { message(priority, text); });
  if (!platform) return std::unexpected(platform.error());
  platform_ = *std::move(platform);
  return {};
}

core::ManagerOptions Daemon::manager_options() const {
  core::ManagerOptions options{.daemon_environment = environment_,
                               .apparmor_usable = os::apparmor_usable()};
  const bool session = configuration_.role == Role::Session;
  if (session) options.session_address = configuration_.control_address;
  if (session && configuration_.inherit_environment) {
    options.job_environment = environment_;
    return options;
  }
  for (const auto* name : {"PATH", "TERM"}) {
    if (const auto value = find_variable(environment_, name)) {
      options.job_environment.push_back(fmt::format("{}={}", name, *value));
    }
  }
  return options;
}

/// Orphans of jobs come to us, so that daemons can be followed when their parents have gone.
void Daemon::become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0) return;
  message(Priority::Warning, "unable to become the reaper of orphaned processes");
  subreaper_failed_ = true;
}

/// Made now: when descriptors run out, a process that is to be tried again needs it.
///
/// Of ordinary priority, so that it takes turns with everything else: a queue of events that never
/// ends cannot starve the others, nor clients that never pause the deadlines.
Result<void> Daemon::make_timer() {
  sd_event_source* source = nullptr;
  int error = sd_event_add_time(loop_.get(), &source, CLOCK_MONOTONIC, 0, 1, on_timer, this);
  timer_.reset(source);
  if (error >= 0) error = sd_event_source_set_enabled(source, SD_EVENT_OFF);
  if (error < 0) return std::unexpected(system_error("unable to make a timer", -error));
  return {};
}

Result<void> Daemon::watch_signals() {
  // Blocked here, read from the loop. What a role does not use is blocked all the same where its
  // default would end a process 1.
  const bool session = configuration_.role == Role::Session;
  std::vector<int> caught{SIGTERM, SIGHUP, SIGINT, SIGALRM};
  if (!session) caught.insert(caught.end(), {SIGUSR1, SIGPWR, SIGWINCH});
  for (const int signal : caught) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    (void)::sigprocmask(SIG_BLOCK, &set, nullptr);
    sd_event_source* source = nullptr;
    const int error = sd_event_add_signal(loop_.get(), &source, signal, on_signal_event, this);
    if (error < 0) return std::unexpected(system_error("unable to watch signals", -error));
    signals_.emplace_back(source);
  }
  return {};
}

// ---------------------------------------------------------------- running

int Daemon::run() {
  job_files_->load();
  announce_session();
  if (configuration_.role == Role::ProcessOne && standard_error_is_console()) release_console();
  if (configuration_.startup_event) emit(configuration_.startup_event->c_str());
  if (subreaper_failed_ && configuration_.role == Role::Session) emit("child-subreaper-failed");

  const int status = sd_event_loop(loop_.get());
  if (status < 0) message(Priority::Fatal, system_error("the event loop failed", -status).message);
  return status < 0 ? 1 : status;
}

void Daemon::announce_session() {
  if (!configuration_.session_file || !control_) return;
  auto file = SessionFile::create(*configuration_.session_file, configuration_.control_address);
  if (file) {
    session_file_.emplace(*std::move(file));
  } else {
    message(Priority::Warning, file.error().message);
  }
}

void Daemon::handle(core::Input input) {
  manager_->handle(now(), std::move(input));
  arm_timer();
}

/// One timer of the loop stands for the earliest deadline of the manager.
void Daemon::arm_timer() {
  const auto due = manager_->next_deadline();
  if (!due) {
    (void)sd_event_source_set_enabled(timer_.get(), SD_EVENT_OFF);
    return;
  }
  const auto since_boot = due->time_since_epoch();
  // Rounded up: a deadline that is met early would be met twice.
  const auto microseconds = std::chrono::ceil<std::chrono::microseconds>(since_boot).count();
  const auto time = static_cast<std::uint64_t>(std::max<std::int64_t>(microseconds, 0));
  (void)sd_event_source_set_time(timer_.get(), time);
  (void)sd_event_source_set_enabled(timer_.get(), SD_EVENT_ONESHOT);
}

int Daemon::on_timer(sd_event_source*, std::uint64_t, void* self) noexcept {
  static_cast<Daemon*>(self)->handle(core::Tick{});
  return 0;
}

int Daemon::on_signal_event(sd_event_source*, const signalfd_siginfo* info, void* self) noexcept {
  static_cast<Daemon*>(self)->on_signal(static_cast<int>(info->ssi_signo));
  return 0;
}

void Daemon::on_signal(int signal) {
  const bool process_one = configuration_.role == Role::ProcessOne;
  switch (signal) {
    case SIGHUP: reload(); return;
    case SIGPWR: emit("power-status-changed"); return;
    case SIGTERM:
      if (process_one) {
        message(Priority::Warning, "re-execution is not supported yet, SIGTERM ignored");
      } else {
        end_session();
      }
      return;
    case SIGINT:
      if (process_one) {
        emit("control-alt-delete");
      } else {
        end_session();  // Ctrl-C where the daemon runs in a terminal
      }
      return;
    case SIGWINCH:
      if (process_one) emit("keyboard-request");
      return;
    // SIGALRM has no meaning (6.4). SIGUSR1: there is no bus connection to renew yet.
    default: return;
  }
}

void Daemon::emit(const char* event) {
  handle(core::EmitEvent{.name = event, .environment = {}});
}

void Daemon::end_session() {
  handle(core::EndSession{core::EndSession::Type::Shutdown});
}

void Daemon::reload() {
  message(Priority::Info, "reloading configuration");
  job_files_->load();
}

// ---------------------------------------------------------------- what the manager tells

bool Daemon::wants(Priority priority) const {
  return messages_.wants(priority);
}

void Daemon::message(Priority priority, std::string_view text) {
  messages_.write(priority, text);
}

void Daemon::session_ended() {
  (void)sd_event_exit(loop_.get(), 0);
}

}  // namespace upkeep::daemon
