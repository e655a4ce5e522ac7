// Who has to be shown an event. Jobs are kept by what their conditions ask of it, so that an event
// visits those that may want it and no others: `started JOB=web` not all that start on `started`
// some other job.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "conf/event_expression.h"
#include "core/event.h"

namespace upkeep::core {

class Listeners {
 public:
  using Names = std::set<std::string, std::less<>>;

  /// From now on `job` is found for every event that could match a leaf of the condition, which may
  /// be null.
  void add(const std::string& job, const conf::EventExpression* condition);
  /// Takes back an add(). All conditions of a job have to be removed together.
  void remove(const std::string& job, const conf::EventExpression* condition);

  /// The jobs, by name, of which a leaf may match the event; none that could is left out.
  [[nodiscard]] Names find(const Event& event) const;

 private:
  struct Interested {
    Names whatever;                         ///< whatever its variables
    std::map<std::string, Names> by_value;  ///< by the value() they ask for
  };

  std::map<std::string, Interested, std::less<>> by_event_;
};

}  // namespace upkeep::core
