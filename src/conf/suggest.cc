// Edit distance between short words.
#include "conf/suggest.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace upkeep::conf {
namespace {

constexpr std::size_t kLongestWord = 24;

/// The number of bytes to insert, remove, replace, or swap with their neighbour to get from one
/// word to the other. Neither may be longer than kLongestWord.
std::size_t distance(std::string_view from, std::string_view to) {
  using Row = std::array<std::size_t, kLongestWord + 1>;
  Row before_last{}, last{}, row{};
  for (std::size_t j = 0; j <= to.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last = last;
    last = row;
  }
  return last[to.size()];
}

/// A short word is easily near another by chance.
std::size_t tolerance(std::string_view word) {
  return word.size() < 6 ? 1 : 2;
}

}  // namespace

std::optional<std::string_view> closest(std::string_view word,
                                        std::span<const std::string_view> known) {
  if (word.empty() || word.size() > kLongestWord) return std::nullopt;
  std::optional<std::string_view> best;
  auto best_distance = tolerance(word) + 1;
  for (const auto candidate : known) {
    const auto edits = distance(word, candidate);
    if (edits >= best_distance || edits >= candidate.size()) continue;
    best = candidate;
    best_distance = edits;
  }
  return best;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> known) {
  const auto near = closest(word, known);
  return near ? fmt::format(", did you mean \"{}\"?", *near) : std::string();
}

}  // namespace upkeep::conf
