// What the command line and the environment make of a daemon: its role and its places
// (spec/runtime.md 6.3, 7.2; spec/job-language.md 1.1).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/strings.h"
#include "conf/job_definition.h"
#include "core/types.h"

namespace upkeep::daemon {

enum class Role {
  ProcessOne,  ///< the init of a machine or of a namespace
  Supervisor,  ///< --system: root's services below another init
  Session,     ///< --user: one user's services
};

/// Facts about the process that reads the command line.
struct Surroundings {
  pid_t pid = 0;
  uid_t uid = 0;
  Environment environment;
};

struct Configuration {
  enum class Action { Run, ShowHelp, ShowVersion };
  Action action = Action::Run;

  Role role = Role::Session;
  std::vector<std::string> sources;  ///< job directories, strongest first
  std::string master_file;           ///< may hold comments only; empty in sessions
  std::string log_directory;
  std::string control_address;
  std::optional<std::string> session_file;  ///< sessions only, and only with XDG_RUNTIME_DIR
  std::optional<std::string> startup_event = "startup";
  bool log_enabled = true;
  bool cgroups = true;
  bool join_bus = true;
  bool inherit_environment = true;
  conf::Console default_console = conf::Console::Log;
  core::Priority log_priority = core::Priority::Message;
  /// Directories to be created if they are missing, parents first, readable for nobody else.
  std::vector<std::string> private_directories;
};

/// Reads the command line (without the program's name). Process 1 skips options it does not know:
/// they are the kernel's.
[[nodiscard]] Result<Configuration> read_configuration(std::span<const std::string> words,
                                                       const Surroundings& surroundings);

/// The text of --help.
[[nodiscard]] std::string help_text();

}  // namespace upkeep::daemon
