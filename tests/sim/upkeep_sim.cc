// upkeep-sim: runs scenario files in the simulated world and prints what happened.
#include <cstdio>
#include <fstream>

#include "sim/golden.h"
#include <fmt/format.h>

#include "base/options.h"

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

int main(const std::vector<std::string>& words) {
  auto mode = Mode::Print;
  bool help = false;
  const std::vector<Option> options{
      {0, "update", "", "rewrite the golden traces beside the scenarios",
       [&](std::string_view) { mode = Mode::Update; }},
      {0, "help", "", "display this help and exit", [&](std::string_view) { help = true; }},
  };
  const auto files = read_options(words, options);
  if (!files || help || files->empty()) {
    if (!files) complain(files.error().message);
    fmt::print(help ? stdout : stderr,
               "Usage: upkeep-sim [OPTION]... FILE.scn...\n"
               "Run scenarios and print their traces; the status is 1 if a rule was broken.\n\n{}",
               describe_options(options));
    return help ? 0 : 2;
  }
  bool sound = true;
  for (const auto& file : *files) sound = run(file, mode) && sound;
  return sound ? 0 : 1;
}

}  // namespace
}  // namespace upkeep::sim

int main(int argc, char** argv) {
  return upkeep::sim::main({argv + 1, argv + argc});
}
