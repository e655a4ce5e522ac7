// The table of states. Goals that always lead to the same state share a column; what differs from
// the usual case stands in notes below.
#include <algorithm>
#include <bit>
#include <stdexcept>

#include "pages.h"
#include "states.h"
#include <fmt/format.h>

namespace upkeep::docs {
namespace {

using Main = Facts::Main;

/// A circumstance that a note can name.
struct Condition {
  std::string_view text;
  bool (*holds)(Facts);
};
constexpr std::array<Condition, 4> kConditions{{
    {"main is dead", [](Facts facts) { return facts.main == Main::Dead; }},
    {"main is not alive", [](Facts facts) { return facts.main != Main::Alive; }},
    {"the job has no main process", [](Facts facts) { return facts.main == Main::Undefined; }},
    {"a restart is remembered", [](Facts facts) { return facts.restarting; }},
}};

/// "if A or B" with the fewest conditions under which exactly this step is taken.
std::string circumstances(State from, Goal goal, State to) {
  const auto describes = [&](unsigned chosen) {
    return std::ranges::all_of(all_facts(), [&](Facts facts) {
      bool any = false;
      for (unsigned i = 0; i < kConditions.size(); ++i) {
        any = any || ((chosen >> i & 1U) != 0 && kConditions[i].holds(facts));
      }
      return any == (next_state(from, goal, facts) == to);
    });
  };
  for (int count = 1; count <= static_cast<int>(kConditions.size()); ++count) {
    for (unsigned chosen = 0; chosen < 1U << kConditions.size(); ++chosen) {
      if (std::popcount(chosen) != count || !describes(chosen)) continue;
      std::string text;
      for (unsigned i = 0; i < kConditions.size(); ++i) {
        if ((chosen >> i & 1U) == 0) continue;
        text += text.empty() ? "if " : " or ";
        text += kConditions[i].text;
      }
      return text;
    }
  }
  throw std::logic_error(
      fmt::format("table.cc has no words for when {} leads to {}", to_string(from), to_string(to)));
}

/// Numbers notes in the order in which they are first needed.
class Notes {
 public:
  std::size_t number(const std::string& text) {
    const auto found = std::ranges::find(texts_, text);
    if (found != texts_.end()) return static_cast<std::size_t>(found - texts_.begin()) + 1;
    texts_.push_back(text);
    return texts_.size();
  }
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::vector<std::string> texts_;
};

std::string cell(State from, Goal goal, Notes& notes) {
  const auto facts = all_facts();
  const auto usual = next_state(from, goal, facts.front());
  auto text = usual == from ? std::string("none") : fmt::format("`{}`", to_string(usual));

  std::vector<State> others;
  for (const auto one : facts) {
    const auto to = next_state(from, goal, one);
    if (to == usual || std::ranges::find(others, to) != others.end()) continue;
    others.push_back(to);
    const auto note = fmt::format("`{}` {}", to_string(to), circumstances(from, goal, to));
    text += fmt::format(" <sup>{}</sup>", notes.number(note));
  }
  return text;
}

bool always_equal(Goal one, Goal other) {
  return std::ranges::all_of(all_states(), [&](State state) {
    return std::ranges::all_of(all_facts(), [&](Facts facts) {
      return next_state(state, one, facts) == next_state(state, other, facts);
    });
  });
}

/// Goals that share a column; the first of each stands for all.
std::vector<std::vector<Goal>> columns() {
  std::vector<std::vector<Goal>> groups;
  for (const auto goal : kGoals) {
    const auto group = std::ranges::find_if(
        groups, [&](const auto& members) { return always_equal(members.front(), goal); });
    if (group == groups.end()) {
      groups.push_back({goal});
    } else {
      group->push_back(goal);
    }
  }
  return groups;
}

}  // namespace

std::string state_table() {
  std::string head = "| State | On entry | Ends when |";
  std::string rule = "|---|---|---|";
  const auto groups = columns();
  for (const auto& group : groups) {
    std::string goals;
    for (const auto goal : group) {
      goals += fmt::format("{}{}", goals.empty() ? "" : " or ", to_string(goal));
    }
    head += fmt::format(" Next, goal {} |", goals);
    rule += "---|";
  }
  std::string out = head + "\n" + rule + "\n";

  Notes notes;
  for (const auto state : all_states()) {
    const auto text = text_of(state);
    out += fmt::format("| `{}` | {} | {} |", to_string(state), text.on_entry, text.ends_when);
    for (const auto& group : groups) out += fmt::format(" {} |", cell(state, group.front(), notes));
    out += "\n";
  }
  for (std::size_t i = 0; i < notes.texts().size(); ++i) {
    out += fmt::format("\n<sup>{}</sup> {}{}\n", i + 1, notes.texts()[i],
                       i + 1 < notes.texts().size() ? "  " : "");
  }
  return out;
}

}  // namespace upkeep::docs
