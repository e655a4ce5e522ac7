// What a command of initctl is, and what it works with (spec/control.md 2.1 to 2.3).
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "client/endpoint.h"
#include "client/upstart.h"

namespace upkeep::tools {

/// Why a command did not succeed; the exit status is 1.
struct Failure {
  enum class Kind {
    Error,
    Usage,   ///< followed by the line that points to --help
    Silent,  ///< everything has been said already
  };
  Kind kind = Kind::Error;
  std::string message;
};

template <typename T = void>
using Done = std::expected<T, Failure>;

[[nodiscard]] std::unexpected<Failure> usage_error(std::string message);
[[nodiscard]] std::unexpected<Failure> error(std::string message);
[[nodiscard]] std::unexpected<Failure> error(const client::CallError& reason);
/// For a call that yields nothing to show.
[[nodiscard]] Done<> finished(const client::Outcome<void>& outcome);

/// What the options set.
struct Settings {
  enum class Verbosity { Quiet, Normal, Verbose };
  enum class Show { Nothing, Help, Version };

  Verbosity verbosity = Verbosity::Normal;
  Show show = Show::Nothing;
  client::EndpointOptions endpoint;

  client::Wait wait = client::Wait::Yes;    ///< -n
  bool global = false;                      ///< -g
  bool retain = false;                      ///< -r
  bool enumerate = false;                   ///< -e
  bool strict = false;                      ///< check-config -w
  std::vector<std::string> ignored_events;  ///< check-config -i
};

/// One run of one command.
class Invocation {
 public:
  Invocation(std::string program, Settings settings, std::vector<std::string> arguments)
      : program_(std::move(program)),
        settings_(std::move(settings)),
        arguments_(std::move(arguments)) {}

  [[nodiscard]] const std::string& program() const { return program_; }
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const std::vector<std::string>& arguments() const { return arguments_; }
  /// The arguments after the first.
  [[nodiscard]] std::vector<std::string> further_arguments() const;

  /// The manager, connected at the first call.
  [[nodiscard]] Done<client::Upstart*> upstart();
  /// Whether that is a session init.
  [[nodiscard]] bool in_session() const;

  /// A line of normal output.
  void print(std::string_view line) const;
  /// A line on standard error that leaves the exit status as it is; not with -q.
  void warn(std::string_view line) const;
  [[nodiscard]] Done<> print_outcome(const client::Outcome<std::string>& outcome) const;
  /// A line for -v.
  void inform(std::string_view line) const;

 private:
  std::string program_;
  Settings settings_;
  std::vector<std::string> arguments_;
  std::optional<client::Upstart> upstart_;
};

/// The instance of which this program is a process, by the variables that every process of a job
/// has; a usage error in any other program.
[[nodiscard]] Done<client::InstanceName> own_instance();

enum class Group { Job, Event, Environment, Other };

struct Command {
  std::string_view name;
  Group group;
  std::string_view synopsis;  ///< what follows the name
  std::string_view summary;   ///< one line for `initctl help`
  std::string_view help;      ///< the text of --help
  std::vector<Option> (*options)(Settings&);
  Done<> (*run)(Invocation&);
};

/// Every command, in the order of `initctl help`.
[[nodiscard]] std::span<const Command> commands();
[[nodiscard]] const Command* find_command(std::string_view name);
/// The text of `initctl help`.
[[nodiscard]] std::string list_commands();

// job_commands.cc
[[nodiscard]] Done<> run_start(Invocation& invocation);
[[nodiscard]] Done<> run_stop(Invocation& invocation);
[[nodiscard]] Done<> run_restart(Invocation& invocation);
[[nodiscard]] Done<> run_reload(Invocation& invocation);
[[nodiscard]] Done<> run_status(Invocation& invocation);
[[nodiscard]] Done<> run_list(Invocation& invocation);
[[nodiscard]] Done<> run_usage(Invocation& invocation);

// configuration_commands.cc
[[nodiscard]] Done<> run_show_config(Invocation& invocation);
[[nodiscard]] Done<> run_check_config(Invocation& invocation);

// environment_commands.cc
[[nodiscard]] Done<> run_get_env(Invocation& invocation);
[[nodiscard]] Done<> run_list_env(Invocation& invocation);
[[nodiscard]] Done<> run_reset_env(Invocation& invocation);
[[nodiscard]] Done<> run_set_env(Invocation& invocation);
[[nodiscard]] Done<> run_unset_env(Invocation& invocation);

// manager_commands.cc
[[nodiscard]] Done<> run_emit(Invocation& invocation);
[[nodiscard]] Done<> run_reload_configuration(Invocation& invocation);
[[nodiscard]] Done<> run_version(Invocation& invocation);
[[nodiscard]] Done<> run_log_priority(Invocation& invocation);
[[nodiscard]] Done<> run_list_sessions(Invocation& invocation);
[[nodiscard]] Done<> run_help(Invocation& invocation);

}  // namespace upkeep::tools
