// How a scenario that fails is made smaller.
#include <algorithm>

#include "sim/schedule.h"

namespace upkeep::sim {
namespace {

constexpr std::string_view kNotCarriedOut = "the simulation's own ";

/// The label of a request, or nothing.
template <typename T>
std::string label_of(const T& action) {
  if constexpr (std::is_same_v<T, Emit> || std::is_same_v<T, Command> ||
                std::is_same_v<T, Reload> || std::is_same_v<T, ChangeEnvironment>) {
    return action.label;
  } else {
    return {};
  }
}

/// Takes out clients that go although their request is not there any more.
void drop_orphans(ScenarioFile& file) {
  std::vector<std::string> labels;
  std::erase_if(file.timeline, [&](const TimedAction& timed) {
    labels.push_back(std::visit([](const auto& one) { return label_of(one); }, timed.action));
    const auto* gone = std::get_if<ClientGone>(&timed.action);
    return gone != nullptr && std::ranges::find(labels, gone->label) == labels.end();
  });
}

/// The job that an action is about, or nothing.
template <typename T>
std::string job_of(const T& action) {
  if constexpr (std::is_same_v<T, Define>) {
    return action.job.name;
  } else if constexpr (std::is_same_v<T, ChangeEnvironment>) {
    return action.job.value_or("");
  } else if constexpr (requires { action.job; }) {
    return action.job;
  } else {
    return {};
  }
}

class Smaller {
 public:
  explicit Smaller(const ScenarioFile& file) : file_(&file) {}

  std::vector<ScenarioFile> all() {
    drop_jobs();
    drop_parts(
        file_->timeline.size(), [](auto& file) -> auto& { return file.timeline; });
    drop_parts(
        file_->programs.size(), [](auto& file) -> auto& { return file.programs; });
    drop_lines();
    drop_settings();
    drop_clauses();
    shorten();
    return std::move(found_);
  }

 private:
  template <typename Change>
  void add(Change&& change) {
    auto file = *file_;
    change(file);
    drop_orphans(file);
    if (file != *file_) found_.push_back(std::move(file));
  }

  void drop_jobs() {
    for (const auto& job : file_->jobs) {
      add([&](ScenarioFile& file) {
        std::erase_if(file.jobs, [&](const auto& one) { return one.name == job.name; });
        std::erase_if(file.programs, [&](const auto& one) { return one.job == job.name; });
        std::erase_if(file.timeline, [&](const auto& timed) {
          const auto name = std::visit([](const auto& one) { return job_of(one); }, timed.action);
          return name == job.name;
        });
      });
    }
  }

  /// Halves first, then quarters, down to single ones.
  template <typename List>
  void drop_parts(std::size_t size, List list) {
    for (auto length = size; length > 0; length /= 2) {
      for (std::size_t first = 0; first < size; first += length) {
        add([&](ScenarioFile& file) {
          auto& items = list(file);
          const auto from = items.begin() + static_cast<std::ptrdiff_t>(first);
          const auto count = std::min(length, size - first);
          items.erase(from, from + static_cast<std::ptrdiff_t>(count));
        });
      }
    }
  }

  void drop_lines() {
    for (std::size_t job = 0; job < file_->jobs.size(); ++job) {
      drop_parts(
          file_->jobs[job].lines.size(), [job](auto& file) -> auto& {
            return file.jobs[job].lines;
          });
    }
    for (std::size_t i = 0; i < file_->timeline.size(); ++i) {
      const auto* define = std::get_if<Define>(&file_->timeline[i].action);
      if (define == nullptr) continue;
      drop_parts(
          define->job.lines.size(), [i](auto& file) -> auto& {
            return std::get<Define>(file.timeline[i].action).job.lines;
          });
    }
  }

  void drop_settings() {
    add([](ScenarioFile& file) { file.job_environment.clear(); });
    add([](ScenarioFile& file) { file.daemon_environment.clear(); });
    add([](ScenarioFile& file) { file.apparmor = false; });
    add([](ScenarioFile& file) { file.reuses_pids = false; });
    add([](ScenarioFile& file) { file.lots.reset(); });
  }

  void drop_clauses() {
    for (std::size_t i = 0; i < file_->programs.size(); ++i) {
      Program usual;  // a hook that never ends is stuck by itself
      if (file_->programs[i].process != core::ProcessType::Main) usual.runs = 1ms;
      const auto reset = [&](auto member) {
        add([&](ScenarioFile& file) { file.programs[i].program.*member = usual.*member; });
      };
      add([&](ScenarioFile& file) { file.programs[i].program = usual; });
      reset(&Program::set_up);
      add([&](ScenarioFile& file) {
        auto& program = file.programs[i].program;
        program.spawn_error.reset();
        program.spawn_step.clear();
        program.temporary = false;
        if (!program.runs) program.runs = usual.runs;
      });
      reset(&Program::runs);
      reset(&Program::status);
      reset(&Program::dies_by);
      reset(&Program::ignores_term);
      reset(&Program::takes_to_die);
      reset(&Program::stops_itself);
      reset(&Program::forks);
      reset(&Program::ready_after);
      reset(&Program::executes_after);
      reset(&Program::vanishes);
      reset(&Program::ends_before_result);
    }
  }

  /// Everything sooner by one pause, or by half of it.
  void shorten() {
    Duration before{};
    for (std::size_t i = 0; i < file_->timeline.size(); ++i) {
      const auto pause = file_->timeline[i].at - before;
      before = file_->timeline[i].at;
      for (const auto less : {pause, half(pause)}) {
        add([&](ScenarioFile& file) {
          for (auto later = i; later < file.timeline.size(); ++later)
            file.timeline[later].at -= less;
        });
      }
    }
    for (std::size_t i = 0; i < file_->programs.size(); ++i) {
      const auto halve = [&](auto member) {
        add([&](ScenarioFile& file) {
          auto& time = file.programs[i].program.*member;
          time -= half(time);
        });
      };
      halve(&Program::set_up);
      halve(&Program::takes_to_die);
      halve(&Program::ready_after);
      add([&](ScenarioFile& file) {
        auto& runs = file.programs[i].program.runs;
        if (runs) *runs -= half(*runs);
      });
    }
  }

  /// Of whole milliseconds, rounded up, since it is taken off.
  static Duration half(Duration time) {
    const auto whole = std::chrono::ceil<std::chrono::milliseconds>(time) / 2;
    return std::min<Duration>(time, whole);
  }

  const ScenarioFile* file_;
  std::vector<ScenarioFile> found_;
};

}  // namespace

std::optional<std::string> violation_of(const ScenarioFile& scenario) {
  auto violations = run_scenario(scenario, Trace::None).violations;
  if (violations.empty() || violations.front().starts_with(kNotCarriedOut)) return std::nullopt;
  return std::move(violations.front());
}

std::vector<ScenarioFile> smaller(const ScenarioFile& scenario) {
  return Smaller(scenario).all();
}

ScenarioFile shrink(ScenarioFile scenario) {
  for (bool found = true; found;) {
    found = false;
    for (auto& candidate : smaller(scenario)) {
      if (!violation_of(candidate)) continue;
      scenario = std::move(candidate);
      found = true;
      break;
    }
  }
  return scenario;
}

}  // namespace upkeep::sim
