#include "sim/schedule_golden.h"

#include <array>

#include "sim/golden.h"
#include "sim/schedule.h"
#include <fmt/format.h>

namespace upkeep::sim {
namespace {

constexpr std::uint64_t kSeeds = 2000;
constexpr std::uint64_t kBlock = 200;
/// Short ones that a person can read; of jobs with and without cycles.
constexpr std::array<std::uint64_t, 4> kWhole{1, 4, 13, 44};

std::uint64_t fnv1a(std::uint64_t hash, std::string_view text) {
  for (const auto byte : text) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001B3U;
  }
  return hash;
}

}  // namespace

std::map<std::string, std::string> schedule_golden() {
  std::map<std::string, std::string> files;
  auto& digests = files["digests"];
  for (std::uint64_t first = 1; first <= kSeeds; first += kBlock) {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (auto seed = first; seed < first + kBlock; ++seed) {
      const auto schedule = generate_schedule(seed);
      hash = fnv1a(hash, schedule.print());
      hash = fnv1a(hash, to_text(run_scenario(schedule).trace));
    }
    digests += fmt::format("{:>4} to {:>4}: {:016x}\n", first, first + kBlock - 1, hash);
  }
  for (const auto seed : kWhole) {
    const auto schedule = generate_schedule(seed);
    files[fmt::format("seed-{}.scn", seed)] = schedule.print();
    files[fmt::format("seed-{}.trace", seed)] = to_text(run_scenario(schedule).trace);
  }
  return files;
}

}  // namespace upkeep::sim
