// upkeep-sim: runs scenario files and random schedules in the simulated world and prints what
// happened.
#include <cstdio>
#include <fstream>

#include "sim/golden.h"
#include "sim/seeds.h"
#include <fmt/format.h>

#include "base/options.h"
#include "base/strings.h"

namespace upkeep::sim {
namespace {

enum class Mode { Print, Update };

bool complain(const std::string& message) {
  fmt::print(stderr, "upkeep-sim: {}\n", message);
  return false;
}

/// A trace with violations is never written: it would make a defect the rule.
bool update(const std::filesystem::path& scenario, const ScenarioResult& result) {
  const auto path = golden_path(scenario);
  const auto text = to_text(result.trace);
  const auto old = read_text(path);
  if (old && *old == text) return true;
  std::ofstream file(path, std::ios::binary);
  file << text << std::flush;
  if (!file) return complain(fmt::format("{}: cannot be written", path.native()));
  fmt::print("{}: {}", path.native(), old ? difference(*old, text) : "new\n");
  return true;
}

/// True if the scenario could be run and all went well.
bool run(const std::filesystem::path& scenario, Mode mode) {
  const auto result = run_scenario_file(scenario);
  if (!result) return complain(result.error().message);
  const bool sound = result->violations.empty();
  if (mode == Mode::Print) fmt::print("{}", to_text(result->trace));
  for (const auto& violation : result->violations) {
    complain(fmt::format("{}: {}", scenario.native(), violation));
  }
  if (mode == Mode::Update && sound) return update(scenario, *result);
  return sound;
}

/// What the command line asks for, besides files.
struct Request {
  Mode mode = Mode::Print;
  bool help = false;
  bool wrong = false;  ///< a number that is none
  std::optional<std::uint64_t> seed;
  bool many = false;  ///< --count was given
  bool print = false, shrink = false;
  Seeds seeds;
  std::string golden;
};

int run_request(const Request& request) {
  if (!request.golden.empty()) return write_schedule_golden(request.golden) ? 0 : 1;
  if (!request.many) return show_seed(*request.seed, request.print, request.shrink) ? 0 : 1;
  auto seeds = request.seeds;
  seeds.first = request.seed.value_or(seeds.first);
  return run_seeds(seeds) ? 0 : 1;
}

int main(const std::vector<std::string>& words) {
  Request request;
  const auto read_number = [&](std::string_view text) {
    const auto number = parse_decimal(text);
    request.wrong = request.wrong || !number;
    return number.value_or(0);
  };
  const std::vector<Option> options{
      {0, "update", "", "rewrite the golden traces beside the scenarios",
       [&](std::string_view) { request.mode = Mode::Update; }},
      {0, "seed", "N", "instead of files: the random schedule of this seed",
       [&](std::string_view text) { request.seed = read_number(text); }},
      {0, "print", "", "print the schedule as a scenario file, not its trace",
       [&](std::string_view) { request.print = true; }},
      {0, "shrink", "", "make the schedule smaller first, if it fails",
       [&](std::string_view) { request.shrink = true; }},
      {0, "count", "N", "run so many, from --seed or 1 on; stop at the first that fails",
       [&](std::string_view text) {
         request.many = true;
         request.seeds.count = read_number(text);
       }},
      {0, "stats", "", "with --count: print what was come across",
       [&](std::string_view) { request.seeds.stats = true; }},
      {0, "progress", "", "with --count: print a line at each tenth",
       [&](std::string_view) { request.seeds.progress = true; }},
      {0, "update-schedules", "DIRECTORY", "rewrite the golden files of random schedules",
       [&](std::string_view text) { request.golden = text; }},
      {0, "help", "", "display this help and exit", [&](std::string_view) { request.help = true; }},
  };
  const auto files = read_options(words, options);
  const bool schedules = request.seed || request.many || !request.golden.empty();
  if (!files || request.help || request.wrong || files->empty() != schedules) {
    if (!files) complain(files.error().message);
    if (request.wrong) complain("a number was expected");
    fmt::print(request.help ? stdout : stderr,
               "Usage: upkeep-sim [OPTION]... FILE.scn...\n"
               "       upkeep-sim --seed=N [OPTION]...\n"
               "Run scenarios and print their traces; the status is 1 if a rule was broken.\n\n{}",
               describe_options(options));
    return request.help ? 0 : 2;
  }
  if (schedules) return run_request(request);
  bool sound = true;
  for (const auto& file : *files) sound = run(file, request.mode) && sound;
  return sound ? 0 : 1;
}

}  // namespace
}  // namespace upkeep::sim

int main(int argc, char** argv) {
  return upkeep::sim::main({argv + 1, argv + argc});
}
