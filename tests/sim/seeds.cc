#include "sim/seeds.h"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "sim/golden.h"
#include "sim/schedule.h"
#include "sim/schedule_golden.h"
#include <fmt/format.h>

namespace upkeep::sim {
namespace {

/// In how many schedules each thing was seen, and how often.
class Statistics {
 public:
  void add(const ScenarioFile& schedule, const Sights& sights) {
    ++schedules_;
    if (schedule.finale == Finale::StopAllCycles) ++cycles_;
    for (std::size_t i = 0; i < sights.size(); ++i) {
      if (sights[i] != 0) ++in_schedules_[i];
      times_[i] += sights[i];
    }
  }

  void print() const {
    line("jobs in cycles", cycles_, cycles_);
    for (std::size_t i = 0; i < kSights.size(); ++i) {
      line(kSights[i], in_schedules_[i], times_[i]);
    }
  }

 private:
  void line(std::string_view name, std::uint64_t in_schedules, std::uint64_t times) const {
    const auto share = 100.0 * static_cast<double>(in_schedules) / static_cast<double>(schedules_);
    fmt::print("{:<40} in {:>8} schedules ({:5.2f} %), {:>9} times\n", name, in_schedules, share,
               times);
  }

  std::uint64_t schedules_ = 0, cycles_ = 0;
  std::array<std::uint64_t, kSights.size()> in_schedules_{}, times_{};
};

void print_failure(std::uint64_t seed, const std::string& violation, const ScenarioFile& schedule) {
  const auto small = shrink(schedule);
  fmt::print("upkeep-sim --seed={}: {}\nmade smaller:\n{}\nwhich does this:\n{}", seed, violation,
             small.print(), to_text(run_scenario(small).trace));
}

}  // namespace

bool show_seed(std::uint64_t seed, bool prints, bool shrinks) {
  auto schedule = generate_schedule(seed);
  if (shrinks && violation_of(schedule)) schedule = shrink(std::move(schedule));
  const auto result = run_scenario(schedule);
  fmt::print("{}", prints ? schedule.print() : to_text(result.trace));
  for (const auto& violation : result.violations) {
    fmt::print(stderr, "upkeep-sim --seed={}: {}\n", seed, violation);
  }
  return result.violations.empty();
}

bool run_seeds(const Seeds& seeds) {
  Statistics statistics;
  const auto tenth = std::max<std::uint64_t>(1, seeds.count / 10);
  for (std::uint64_t done = 0; done < seeds.count; ++done) {
    const auto seed = seeds.first + done;
    const auto schedule = generate_schedule(seed);
    const auto result = run_scenario(schedule, Trace::None);
    statistics.add(schedule, result.sights);
    if (!result.violations.empty()) {
      print_failure(seed, result.violations.front(), schedule);
      return false;
    }
    if (seeds.progress && (done + 1) % tenth == 0) {
      fmt::print("{} of {} schedules from {} on\n", done + 1, seeds.count, seeds.first);
      std::fflush(stdout);
    }
  }
  if (seeds.stats) statistics.print();
  fmt::print("{} schedules, seeds {} to {}: no rule was broken\n", seeds.count, seeds.first,
             seeds.first + seeds.count - 1);
  return true;
}

bool write_schedule_golden(const std::filesystem::path& directory) {
  bool written = true;
  for (const auto& [name, text] : schedule_golden()) {
    const auto path = directory / name;
    const auto old = read_text(path);
    if (old && *old == text) continue;
    std::ofstream file(path, std::ios::binary);
    file << text << std::flush;
    if (!file) written = false;
    fmt::print("{}: {}\n", path.native(), file ? "written" : "cannot be written");
  }
  return written;
}

}  // namespace upkeep::sim
