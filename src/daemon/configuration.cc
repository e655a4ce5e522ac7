#include "daemon/configuration.h"

#include <fmt/format.h>

#include "base/options.h"

namespace upkeep::daemon {
namespace {

using core::Priority;

/// What the options say, before role and environment are looked at.
struct Given {
  Configuration configuration;
  bool user = false;
  bool system = false;
  std::vector<std::string> confdirs, prepended, appended;
  std::optional<std::string> logdir;
  std::optional<std::string> problem;
};

void set_console(Given& given, std::string_view value) {
  using conf::Console;
  for (const auto console : {Console::None, Console::Output, Console::Owner, Console::Log}) {
    if (value != conf::to_string(console)) continue;
    given.configuration.default_console = console;
    return;
  }
  given.problem =
      fmt::format("invalid value for --default-console: {} (one of none, output, owner, log)",
                  printable(value));
}

std::vector<Option> option_table(Given& given) {
  auto& to = given.configuration;
  const auto priority = [&to](Priority value) {
    return [&to, value](std::string_view) { to.log_priority = value; };
  };
  return {
      {0, "user", "", "run the services of one user", [&](auto) { given.user = true; }},
      {0, "system", "", "run root's services below another init",
       [&](auto) { given.system = true; }},
      {0, "confdir", "DIR", "read job files from DIR; may be repeated",
       [&](auto value) { given.confdirs.emplace_back(value); }},
      {0, "prepend-confdir", "DIR", "read job files from DIR before all others",
       [&](auto value) { given.prepended.emplace_back(value); }},
      {0, "append-confdir", "DIR", "read job files from DIR after all others",
       [&](auto value) { given.appended.emplace_back(value); }},
      {0, "logdir", "DIR", "write the output of jobs to files in DIR",
       [&](auto value) { given.logdir = std::string(value); }},
      {0, "no-log", "", "do not keep the output of jobs", [&](auto) { to.log_enabled = false; }},
      {0, "default-console", "VALUE", "for jobs without a console stanza: none, output, owner, log",
       [&](auto value) { set_console(given, value); }},
      {0, "startup-event", "NAME", "emit NAME instead of startup",
       [&](auto value) { to.startup_event = std::string(value); }},
      {0, "no-startup-event", "", "emit nothing at start-up",
       [&](auto) { to.startup_event.reset(); }},
      {0, "no-dbus", "", "do not connect to a D-Bus bus", [&](auto) { to.join_bus = false; }},
      {0, "no-inherit-env", "", "give jobs of --user only PATH and TERM",
       [&](auto) { to.inherit_environment = false; }},
      {0, "no-cgroups", "", "put no job into a control group", [&](auto) { to.cgroups = false; }},
      {'q', "quiet", "", "say only what went wrong", priority(Priority::Error)},
      {'v', "verbose", "", "tell of every change of state", priority(Priority::Info)},
      {0, "debug", "", "tell everything, and honour the debug stanza", priority(Priority::Debug)},
      {0, "help", "", "show this help", [&](auto) { to.action = Configuration::Action::ShowHelp; }},
      {0, "version", "", "show the version",
       [&](auto) { to.action = Configuration::Action::ShowVersion; }},
  };
}

std::string value_of(const Surroundings& surroundings, std::string_view name) {
  return std::string(find_variable(surroundings.environment, name).value_or(""));
}

/// An XDG directory counts only if it is absolute; else HOME/FALLBACK, or nothing without HOME.
std::optional<std::string> xdg_directory(const Surroundings& surroundings, std::string_view name,
                                         std::string_view fallback) {
  auto directory = value_of(surroundings, name);
  if (directory.starts_with('/')) return directory;
  const auto home = value_of(surroundings, "HOME");
  if (home.empty()) return std::nullopt;
  return fmt::format("{}/{}", home, fallback);
}

std::vector<std::string> session_sources(const Surroundings& surroundings, Configuration& to) {
  std::vector<std::string> sources;
  if (const auto config = xdg_directory(surroundings, "XDG_CONFIG_HOME", ".config")) {
    sources.push_back(*config + "/upstart");
    to.private_directories.push_back(*config);
    to.private_directories.push_back(sources.back());
  }
  if (const auto home = value_of(surroundings, "HOME"); !home.empty()) {
    sources.push_back(home + "/.init");
  }
  auto directories = value_of(surroundings, "XDG_CONFIG_DIRS");
  if (directories.empty()) directories = "/etc/xdg";
  for (const auto directory : split(directories, ':')) {
    if (directory.starts_with('/')) sources.push_back(fmt::format("{}/upstart", directory));
  }
  if (!find_variable(surroundings.environment, "UPSTART_NO_SYSTEM_USERCONFDIR")) {
    sources.emplace_back("/usr/share/upstart/sessions");
  }
  return sources;
}

Result<std::string> session_log_directory(const Surroundings& surroundings, Configuration& to) {
  const auto cache = xdg_directory(surroundings, "XDG_CACHE_HOME", ".cache");
  if (!cache) return failure("no place for logs: set HOME or XDG_CACHE_HOME, or give --logdir");
  to.private_directories.push_back(*cache);
  to.private_directories.push_back(*cache + "/upstart");
  return to.private_directories.back();
}

Result<void> place_session(const Given& given, const Surroundings& surroundings,
                           Configuration& to) {
  if (given.confdirs.empty()) to.sources = session_sources(surroundings, to);
  if (!given.logdir && to.log_enabled) {
    auto directory = session_log_directory(surroundings, to);
    if (!directory) return std::unexpected(directory.error());
    to.log_directory = *std::move(directory);
  }
  to.control_address = fmt::format("unix:abstract=/com/ubuntu/upstart-session/{}/{}",
                                   surroundings.uid, surroundings.pid);
  const auto runtime = value_of(surroundings, "XDG_RUNTIME_DIR");
  if (runtime.starts_with('/')) {
    for (const auto* part : {"", "/upstart", "/upstart/sessions"}) {
      to.private_directories.push_back(runtime + part);
    }
    to.session_file = fmt::format("{}/{}.session", to.private_directories.back(), surroundings.pid);
  }
  return {};
}

void place_system(const Given& given, const Surroundings& surroundings, Configuration& to) {
  to.master_file = "/etc/init.conf";
  if (given.confdirs.empty()) {
    const auto confdir = value_of(surroundings, "UPSTART_CONFDIR");
    to.sources = {confdir.empty() ? "/etc/init" : confdir};
  }
  if (!given.logdir) {
    const auto logdir = value_of(surroundings, "UPSTART_LOGDIR");
    to.log_directory = logdir.empty() ? "/var/log/upstart" : logdir;
  }
  to.control_address = "unix:abstract=/com/ubuntu/upstart";
}

}  // namespace

Result<Configuration> read_configuration(std::span<const std::string> words,
                                         const Surroundings& surroundings) {
  Given given;
  const bool process_one = surroundings.pid == 1;
  const auto arguments = read_options(words, option_table(given), ArgumentOrder::Mixed,
                                      process_one ? UnknownOptions::Skip : UnknownOptions::Refuse);
  if (!arguments) return std::unexpected(arguments.error());
  if (given.problem) return failure(*given.problem);
  auto& to = given.configuration;
  if (to.action != Configuration::Action::Run) return to;

  if (!process_one && !arguments->empty()) {
    return failure(fmt::format("unexpected argument: {}", printable(arguments->front())));
  }
  if (given.user && given.system) return failure("--user and --system exclude each other");
  if (given.user) {
    to.role = Role::Session;
  } else if (process_one) {
    to.role = Role::ProcessOne;
  } else if (given.system) {
    if (surroundings.uid != 0) return failure("need to be root for --system (or use --user)");
    to.role = Role::Supervisor;
  } else {
    return failure(
        "not started as process 1: give --user for your own services, or --system for root's "
        "below another init");
  }

  to.sources = given.confdirs;
  if (given.logdir) to.log_directory = *given.logdir;
  if (to.role == Role::Session) {
    if (const auto placed = place_session(given, surroundings, to); !placed) {
      return std::unexpected(placed.error());
    }
  } else {
    place_system(given, surroundings, to);
  }
  to.sources.insert(to.sources.begin(), given.prepended.begin(), given.prepended.end());
  to.sources.insert(to.sources.end(), given.appended.begin(), given.appended.end());
  return to;
}

std::string help_text() {
  Given given;
  return "Usage: upkeepd [OPTION]...\n"
         "Runs services as job files describe them: as process 1, with --system below another\n"
         "init, or with --user for one user.\n\n"
         "Options:\n" +
         describe_options(option_table(given));
}

}  // namespace upkeep::daemon
