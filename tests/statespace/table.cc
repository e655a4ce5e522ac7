#include "statespace/table.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>

namespace upkeep::statespace {
namespace {

constexpr std::string_view kHead =
    "# The state machine as the exhaustive search saw it at work, over all shapes of jobs; for\n"
    "# comparison with the table of the state machine that jobs follow. The test "
    "Table.IsTheGoldenOne\n"
    "# fails when it is stale; UPKEEP_UPDATE_GOLDEN=1 writes it anew.\n";

std::string line(core::State state, core::Goal goal, std::string_view why, std::string_view then) {
  const auto condition = fmt::format("goal {}{}", to_string(goal), why);
  return fmt::format("{:<18} {:<23} {}", to_string(state), condition, then);
}

std::string line(const Transition& one) {
  const auto* why = one.restarting ? ", restarting" : one.main_is_dead ? ", main dead" : "";
  return line(one.from, one.goal, why, fmt::format("-> {}", to_string(one.to)));
}

std::string line(const Rest& one) {
  return line(one.first, one.second, "", "rests");
}

}  // namespace

void Table::add(const Explorer& explorer) {
  transitions_.insert(explorer.transitions().begin(), explorer.transitions().end());
  rests_.insert(explorer.rests().begin(), explorer.rests().end());
  for (const auto& one : explorer.transitions()) lines_.insert(line(one));
  for (const auto& one : explorer.rests()) lines_.insert(line(one));
}

std::set<std::string> Table::without(const Table& other) const {
  std::set<std::string> out;
  std::ranges::set_difference(lines_, other.lines_, std::inserter(out, out.end()));
  return out;
}

std::string Table::text() const {
  std::string out(kHead);
  std::optional<core::State> state;
  for (const auto& one : transitions_) {
    if (state != one.from) out += '\n';
    state = one.from;
    out += line(one) + '\n';
  }
  out += '\n';
  for (const auto& one : rests_) out += line(one) + '\n';
  return out;
}

Table Table::golden() {
  Table out;
  std::ifstream file(UPKEEP_STATESPACE_GOLDEN);
  for (std::string text; std::getline(file, text);) {
    if (!text.empty() && !text.starts_with('#')) out.lines_.insert(text);
  }
  return out;
}

void Table::make_golden() const {
  std::ofstream(UPKEEP_STATESPACE_GOLDEN) << text();
}

}  // namespace upkeep::statespace
