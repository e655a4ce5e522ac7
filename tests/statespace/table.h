// The table of the state machine as it was seen at work, for comparison with spec/runtime.md 2.2.
#pragma once

#include <set>
#include <string>

#include "statespace/explorer.h"

namespace upkeep::statespace {

/// Rows of the table, each a line of text; sorted by state, in the order of the spec.
class Table {
 public:
  /// Adds what this search saw.
  void add(const Explorer& explorer);

  /// Lines that only this table has.
  [[nodiscard]] std::set<std::string> without(const Table& other) const;

  /// As the golden file has it, with what it says in words at the top.
  [[nodiscard]] std::string text() const;
  /// The file that is kept beside the tests; empty if it cannot be read.
  [[nodiscard]] static Table golden();
  /// Makes this table the golden one.
  void make_golden() const;

 private:
  std::set<Transition> transitions_;
  std::set<Rest> rests_;
  std::set<std::string> lines_;
};

}  // namespace upkeep::statespace
