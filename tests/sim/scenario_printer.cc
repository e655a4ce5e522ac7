// From scenarios to their text.
#include <algorithm>
#include <cstring>

#include "sim/scenario_file.h"
#include "sim/scenario_grammar.h"
#include "sim/words.h"
#include <fmt/format.h>

#include "base/signals.h"

namespace upkeep::sim {
namespace {

const std::vector<std::string_view> kOptions{kAs, kNoWait, kInstance};

template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};

std::string print_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += fmt::format("{}{}\n", kIndent, line);
  return text;
}

std::string print_label(const std::string& label) {
  return label.empty() ? "" : fmt::format(" {} {}", kAs, quote(label));
}

std::string print_instance(const std::string& instance) {
  return instance.empty() ? "" : fmt::format(" {} {}", kInstance, quote(instance));
}

std::string print_wait(core::Wait wait) {
  return wait == core::Wait::Yes ? "" : fmt::format(" {}", kNoWait);
}

std::string print_program(const Program& program) {
  const Program usual;
  std::vector<std::string> clauses;
  const auto add = [&]<typename... Args>(fmt::format_string<Args...> format, Args&&... args) {
    clauses.push_back(fmt::format(format, std::forward<Args>(args)...));
  };
  if (program.set_up != usual.set_up) add("set up in {}", print_time(program.set_up));
  if (program.spawn_error) {
    const auto& step = program.spawn_step;
    add("fails {} with {}{}", program.temporary ? "for now" : "to start",
        error_name(*program.spawn_error), step.empty() ? "" : fmt::format(" {}", quote(step)));
  }
  if (program.runs) add("runs {}", print_time(*program.runs));
  const bool has_end = program.status != 0 || program.dies_by != 0;
  if (!program.runs && has_end) clauses.emplace_back("runs for ever");
  if (program.status != 0) add("exits {}", program.status);
  if (program.dies_by != 0) add("dies by {}", signal_name(program.dies_by));
  if (program.ignores_term) clauses.emplace_back("ignores TERM");
  if (program.takes_to_die != usual.takes_to_die) {
    add("takes {} to die", print_time(program.takes_to_die));
  }
  if (program.stops_itself) clauses.emplace_back("stops itself");
  if (program.forks != 0) add("forks {}", program.forks);
  if (program.executes_after) add("executes after {} forks", *program.executes_after);
  if (program.ready_after != usual.ready_after) {
    add("ready after {}", print_time(program.ready_after));
  }
  if (program.never_rests) clauses.emplace_back("never rests");
  if (program.says_ready) clauses.emplace_back("says ready");
  if (program.signs_of_life != 0) add("lives {} signs", program.signs_of_life);
  if (program.leaves != 0) add("leaves {}", program.leaves);
  if (program.hands_over != 0) {
    add("hands over after {} forks{}", program.hands_over, program.is_helper ? " as helper" : "");
  }
  if (program.vanishes) clauses.emplace_back("vanishes");
  if (program.ends_before_result) clauses.emplace_back("ends before its result");
  if (clauses.empty()) clauses.emplace_back("runs for ever");
  return join(clauses, ", ");
}

}  // namespace

std::string print_change(const ChangeEnvironment& one) {
  static const std::vector<std::string_view> kWords{kAs, kOf, kInstance, kKeep};
  std::string text(kChanges[static_cast<std::size_t>(one.change)]);
  text += quote_all(one.variables, kWords);
  if (!one.replace) text += fmt::format(" {}", kKeep);
  if (one.job) text += fmt::format(" {} {}{}", kOf, quote(*one.job), print_instance(one.instance));
  return text + print_label(one.label);
}

namespace {

/// What stands after the time, with the line feed that ends it.
std::string print_action(const Action& action) {
  const Overloaded print{
      [](const Define& one) {
        return fmt::format("define {}\n{}", quote(one.job.name), print_lines(one.job.lines));
      },
      [](const Undefine& one) { return fmt::format("undefine {}\n", quote(one.job)); },
      [](const Emit& one) {
        return fmt::format("emit {}{}{}{}\n", quote(one.event), quote_all(one.variables, kOptions),
                           print_wait(one.wait), print_label(one.label));
      },
      [](const Command& one) {
        const auto instance =
            one.instance ? fmt::format(" {} {}", kInstance, quote(*one.instance)) : "";
        return fmt::format("{} {}{}{}{}{}\n", kVerbs[static_cast<std::size_t>(one.verb)],
                           quote(one.job), instance, quote_all(one.variables, kOptions),
                           print_wait(one.wait), print_label(one.label));
      },
      [](const Reload& one) {
        return fmt::format("reload {}{}{}\n", quote(one.job), print_instance(one.instance),
                           print_label(one.label));
      },
      [](const Harm& one) {
        return fmt::format("{} {} {} {}{}\n", one.effect == Harm::Effect::Kill ? "kill" : "suspend",
                           quote(one.job), conf::to_string(one.process), signal_name(one.signal),
                           print_instance(one.instance));
      },
      [](const End& one) {
        return fmt::format("end-session {}\n",
                           one.type == core::EndSession::Type::Logout ? "logout" : "shutdown");
      },
      [](const ClientGone& one) { return fmt::format("client-gone {}\n", quote(one.label)); },
      [](const ChangeEnvironment& one) { return print_change(one) + "\n"; },
      [](const ExpectStatus& one) {
        return fmt::format("expect status {} {}{}\n", quote(one.job), quote(one.status),
                           print_instance(one.instance));
      },
      [](const ExpectReply& one) {
        return fmt::format("expect reply {} {}\n", quote(one.label), quote(one.outcome));
      },
      [](const ExpectRuns& one) {
        return fmt::format("expect runs {} {} {}\n", quote(one.job), conf::to_string(one.process),
                           one.count);
      },
  };
  return std::visit(print, action);
}

}  // namespace

std::string error_name(int error) {
  const char* name = strerrorname_np(error);
  return name == nullptr || error == 0 ? fmt::format("{}", error) : std::string(name);
}

std::string ScenarioFile::print() const {
  std::string text;
  for (const auto& line : comment) text += line.empty() ? "#\n" : fmt::format("# {}\n", line);
  if (!job_environment.empty()) {
    text += fmt::format("environment{}\n", quote_all(job_environment));
  }
  if (!daemon_environment.empty()) {
    text += fmt::format("daemon-environment{}\n", quote_all(daemon_environment));
  }
  if (apparmor) text += "apparmor\n";
  if (reuses_pids) text += "pids reused\n";
  if (lots) {
    text += fmt::format("ends told every {}{}\n", print_time(lots->every),
                        lots->latest_first ? ", latest first" : "");
  }
  for (const auto& job : jobs) {
    text += fmt::format("job {}\n{}", quote(job.name), print_lines(job.lines));
  }
  for (const auto& run : programs) {
    text += fmt::format("program {} {}: {}\n", quote(run.job), conf::to_string(run.process),
                        print_program(run.program));
  }
  for (const auto& [at, action] : timeline) {
    text += fmt::format("at {} {}", print_time(at), print_action(action));
  }
  if (until) text += fmt::format("until {}\n", print_time(*until));
  if (finale != Finale::None) {
    text += finale == Finale::StopAll ? "stop-all\n" : "stop-all cycles\n";
  }
  return text;
}

}  // namespace upkeep::sim
