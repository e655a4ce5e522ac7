// Every command of initctl: the one place to add another.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"
#include "tools/command.h"

namespace upkeep::tools {
namespace {

std::vector<Option> no_options(Settings&) {
  return {};
}

std::vector<Option> wait_options(Settings& settings) {
  return {{'n', "no-wait", {}, "Do not wait until it is done.", [&](std::string_view) {
             settings.wait = client::Wait::No;
           }}};
}

std::vector<Option> show_config_options(Settings& settings) {
  return {
      {'e', "enumerate", {}, "One line for each event, without operators.", [&](std::string_view) {
         settings.enumerate = true;
       }}};
}

std::vector<Option> check_config_options(Settings& settings) {
  return {{'i', "ignore-events", "EVENTS", "Take these events (A,B,...) as known.",
           [&](std::string_view events) {
             for (const auto event : split(events, ',')) {
               settings.ignored_events.emplace_back(event);
             }
           }},
          {'w', "warn", {}, "Every event of an \"or\" must be possible.", [&](std::string_view) {
             settings.strict = true;
           }}};
}

std::vector<Option> environment_options(Settings& settings) {
  return {
      {'g', "global", {}, "Act on the variables that all jobs start with.", [&](std::string_view) {
         settings.global = true;
       }}};
}

std::vector<Option> set_env_options(Settings& settings) {
  auto options = environment_options(settings);
  options.push_back(
      {'r', "retain", {}, "Leave variables that are set as they are.", [&](std::string_view) {
         settings.retain = true;
       }});
  return options;
}

constexpr std::string_view kJobAndVariables = "[JOB [KEY=VALUE]...]";
constexpr std::string_view kWaitJobAndVariables = "[-n] [JOB [KEY=VALUE]...]";

constexpr std::array kCommands{
    Command{"start", Group::Job, kWaitJobAndVariables, "Start a job.",
            "Starts an instance of JOB and waits until it is running, or, for a task, done.\n"
            "The variables choose the instance and are given to its processes.",
            wait_options, run_start},
    Command{"stop", Group::Job, kWaitJobAndVariables, "Stop a job.",
            "Stops the instance of JOB that the variables choose and waits until it has ended.\n"
            "The variables are given to its pre-stop and post-stop processes.",
            wait_options, run_stop},
    Command{"restart", Group::Job, kWaitJobAndVariables, "Stop a job and start it again.",
            "Restarts an instance that is running, with the variables given here instead of\n"
            "those of its start. A changed job file takes effect only after stop and start.",
            wait_options, run_restart},
    Command{"reload", Group::Job, kJobAndVariables, "Send a job its reload signal.",
            "Sends the reload signal of the job (HUP unless its file says otherwise) to the main\n"
            "process of the instance.",
            no_options, run_reload},
    Command{"status", Group::Job, kJobAndVariables, "Show the state of a job.",
            "Shows goal, state and processes of the instance that the variables choose.",
            no_options, run_status},
    Command{"list", Group::Job, "", "Show the state of every job.",
            "Shows every instance of every job, and jobs without instances as stop/waiting.",
            no_options, run_list},
    Command{"emit", Group::Event, "[-n] EVENT [KEY=VALUE]...", "Emit an event.",
            "Emits EVENT with the given variables, and waits until the jobs that it starts are\n"
            "running (tasks: done) and the jobs that it stops have stopped.",
            wait_options, run_emit},
    Command{"get-env", Group::Environment, "[-g] NAME", "Show a variable of the job environment.",
            "Shows the value of one variable that jobs start with, or, within a job, of that job.",
            environment_options, run_get_env},
    Command{"list-env", Group::Environment, "[-g]", "Show the job environment.",
            "Shows the variables that jobs start with, or, within a job, those of that job.",
            environment_options, run_list_env},
    Command{"reset-env", Group::Environment, "[-g]", "Undo every change to the job environment.",
            "Gives new jobs the variables they had at first, or, within a job, gives that job the\n"
            "present variables of new jobs and its own.",
            environment_options, run_reset_env},
    Command{"set-env", Group::Environment, "[-g] [-r] NAME[=VALUE]...",
            "Set variables in the job environment.",
            "Sets variables for processes that are started from now on: those of all jobs, or,\n"
            "within a job, those of that job. Without a value they are set to nothing.",
            set_env_options, run_set_env},
    Command{"unset-env", Group::Environment, "[-g] NAME...",
            "Remove variables from the job environment.",
            "Removes variables for processes that are started from now on: those of all jobs, or,\n"
            "within a job, those of that job.",
            environment_options, run_unset_env},
    Command{"reload-configuration", Group::Other, "", "Read the job files again.",
            "Reads every job file again. Changes are noticed without this command too.", no_options,
            run_reload_configuration},
    Command{"version", Group::Other, "", "Show the version of the manager.",
            "Shows the version of the manager that is running, which may differ from that of the\n"
            "files installed.",
            no_options, run_version},
    Command{"log-priority", Group::Other, "[PRIORITY]", "Show or set what is logged.",
            "Shows the least priority of messages that the manager logs, or sets it to one of\n"
            "debug, info, message, warn, error, fatal.",
            no_options, run_log_priority},
    Command{"show-config", Group::Other, "[-e] [JOB]", "Show when jobs start and stop.",
            "Shows the events that JOB (or every job) emits, and its start and stop conditions.",
            show_config_options, run_show_config},
    Command{"check-config", Group::Other, "[-w] [-i EVENTS] [JOB]",
            "Find conditions that never come true.",
            "Reports the events and jobs in start and stop conditions that nothing provides.\n"
            "Exits with 1 if there are any.",
            check_config_options, run_check_config},
    Command{"usage", Group::Other, "[JOB]", "Show how a job wants to be started.",
            "Shows the usage text of JOB.", no_options, run_usage},
    Command{"list-sessions", Group::Other, "", "Show the session inits that run.",
            "Shows the pid and address of every session init of this user. Contacts none of them.",
            no_options, run_list_sessions},
    Command{"help", Group::Other, "", "List the commands.", "Lists the commands.", no_options,
            run_help},
};

std::string_view title(Group group) {
  switch (group) {
    case Group::Job: return "Job commands:";
    case Group::Event: return "Event commands:";
    case Group::Environment: return "Environment commands:";
    case Group::Other: break;
  }
  return "Other commands:";
}

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

const Command* find_command(std::string_view name) {
  const auto found = std::ranges::find(kCommands, name, &Command::name);
  return found == kCommands.end() ? nullptr : &*found;
}

std::string list_commands() {
  std::string text;
  std::size_t width = 0;
  for (const auto& command : kCommands) width = std::max(width, command.name.size());
  for (const auto group : {Group::Job, Group::Event, Group::Environment, Group::Other}) {
    text += fmt::format("{}{}\n", text.empty() ? "" : "\n", title(group));
    for (const auto& command : kCommands) {
      if (command.group != group) continue;
      text += fmt::format("  {:<{}}  {}\n", command.name, width, command.summary);
    }
  }
  return text + "\nFor more information on a command, try `initctl COMMAND --help'.\n";
}

}  // namespace upkeep::tools
