// What one job file says, with the defaults of the language filled in (spec/job-language.md 3.1).
#pragma once

#include <array>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "conf/event_expression.h"
#include "conf/setting.h"

namespace upkeep::conf {

/// The processes a job may have, in the order in which tools list them. Security is what
/// `apparmor load` runs, Tmpfiles what `tmpfiles` runs.
enum class ProcessType { Main, PreStart, PostStart, PreStop, PostStop, Security, Tmpfiles };
inline constexpr std::size_t kProcessTypes = 7;
inline constexpr std::array<ProcessType, kProcessTypes> kAllProcessTypes{
    ProcessType::Main,     ProcessType::PreStart, ProcessType::PostStart, ProcessType::PreStop,
    ProcessType::PostStop, ProcessType::Security, ProcessType::Tmpfiles};

/// Whether it prepares the system for the job: it runs as the manager itself, without the job's
/// user, root, directory and limits.
[[nodiscard]] constexpr bool serves_the_manager(ProcessType type) {
  return type == ProcessType::Security || type == ProcessType::Tmpfiles;
}

/// "main", "pre-start" and so on.
[[nodiscard]] std::string_view to_string(ProcessType type);

/// The text of an `exec` or `script`; how it is run is spec/job-language.md 6.
struct Command {
  enum class Form { Exec, Script };
  Form form = Form::Exec;
  std::string text;
  friend bool operator==(const Command&, const Command&) = default;
};

/// What the process Security runs, before the path that `apparmor load` gives.
inline constexpr std::string_view kApparmorLoader = "/sbin/apparmor_parser -r -W ";

/// How the main process tells that it is ready, and with it which process that is. Auto, Notify and
/// Fd are not Upstart's.
enum class Expect {
  None,    ///< as soon as it runs
  Stop,    ///< it stops itself
  Daemon,  ///< it forks twice
  Fork,    ///< it forks once
  Auto,    ///< found out by watching
  Notify,  ///< it says so to $NOTIFY_SOCKET
  Fd,      ///< it writes a newline to a descriptor
};
[[nodiscard]] std::string_view to_string(Expect expect);

/// Who gets the signals of a stop.
enum class KillMode {
  Group,  ///< the process group of main
  Main,   ///< main alone
  Tree,   ///< everything that the job has started
};
[[nodiscard]] std::string_view to_string(KillMode mode);

/// Where standard output and error of the processes go.
enum class Console { None, Output, Owner, Log };
[[nodiscard]] std::string_view to_string(Console console);

/// `respawn limit`; either number 0 means no limit.
struct RespawnLimit {
  int count = 10;
  std::int64_t interval_seconds = 5;
  friend bool operator==(const RespawnLimit&, const RespawnLimit&) = default;
};

/// `limit RESOURCE SOFT HARD`. `resource` is an index into resources().
struct ResourceLimit {
  static constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};
  std::size_t resource = 0;
  std::uint64_t soft = kUnlimited;
  std::uint64_t hard = kUnlimited;
  friend bool operator==(const ResourceLimit&, const ResourceLimit&) = default;
};

/// A resource that `limit` knows, with its RLIMIT_ number.
struct Resource {
  std::string_view name;
  int number;
};
[[nodiscard]] const std::array<Resource, 14>& resources();

/// One `cgroup CONTROLLER [NAME] [KEY VALUE]` line.
struct CgroupSetting {
  std::string controller;
  std::optional<std::string> name;  ///< absent: $UPSTART_CGROUP
  std::optional<std::string> key;
  std::optional<std::string> value;
  friend bool operator==(const CgroupSetting&, const CgroupSetting&) = default;
};

/// Everything a job file sets. Values are as written after quote removal; nothing is expanded
/// or looked up here (spec/job-language.md 3.4).
struct JobDefinition {
  std::string name;  ///< the path below its source, without suffix; set by whoever loads the file
  std::string path;  ///< the file it came from, for messages

  std::optional<std::string> description, author, version, usage;
  Setting<std::string> instance;

  Condition start_on, stop_on;
  std::vector<std::string> emits;
  std::vector<std::string> imports;  ///< variables said to come with the start; no effect

  std::array<std::optional<Command>, kProcessTypes> processes;
  std::vector<std::string> env;         ///< KEY or KEY=VALUE
  std::vector<std::string> export_env;  ///< KEY
  std::vector<std::string> tmpfiles;    ///< what the process Tmpfiles creates

  Setting<Expect> expect{Expect::None};
  int expect_fd = 0;                                   ///< the descriptor of Expect::Fd
  std::optional<std::int64_t> expect_timeout_seconds;  ///< 0: for ever; absent: as the kind has it
  std::optional<std::int64_t> watchdog_seconds;        ///< between signs of life, 1 or more
  bool task = false;
  bool respawn = false;
  Setting<RespawnLimit> respawn_limit;
  std::vector<int> normal_exit;  ///< exit status, or signal × 256

  Setting<std::int64_t> kill_timeout_seconds{5};
  Setting<int> kill_signal{SIGTERM};
  Setting<KillMode> kill_mode{KillMode::Group};
  Setting<int> reload_signal{SIGHUP};

  std::optional<Console> console;  ///< absent: the daemon's default
  std::optional<mode_t> umask;     ///< absent: the daemon's default
  std::optional<int> nice;
  std::optional<int> oom_score_adj;
  std::vector<ResourceLimit> limits;  ///< at most one for each resource
  std::optional<std::string> chroot, chdir, setuid, setgid;
  std::optional<std::string> apparmor_switch;
  std::vector<CgroupSetting> cgroups;  ///< at most one for each controller, name and key
  bool debug = false;

  [[nodiscard]] const std::optional<Command>& process(ProcessType type) const {
    return processes[static_cast<std::size_t>(type)];
  }
  [[nodiscard]] std::optional<Command>& process(ProcessType type) {
    return processes[static_cast<std::size_t>(type)];
  }

  /// Equality of all that it says, name and path included.
  friend bool operator==(const JobDefinition&, const JobDefinition&) = default;
};

}  // namespace upkeep::conf
