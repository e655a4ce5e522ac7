// Who has to be shown an event. Jobs are kept by what their conditions ask of it, so that an event
// visits those that may want it and no others: `started JOB=web` not all that start on `started`
// some other job.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conf/event_expression.h"
#include "core/event.h"
#include "core/event_argument.h"
#include "core/job_class.h"

namespace upkeep::core {

/// A job of which a condition may match an event.
struct Listener {
  JobClass* job = nullptr;
  bool starts = false;  ///< a leaf of `start on` may
  bool stops = false;   ///< a leaf of `stop on` may
};

class Listeners {
 public:
  /// From now on the job is found for every event that could match a leaf of its conditions.
  void add(JobClass& job);
  /// Takes back add(), as long as the job still has the same definition.
  void remove(JobClass& job);

  /// The jobs of which a leaf may match the event, in the order of their keys, each once. None that
  /// could is left out.
  [[nodiscard]] std::vector<Listener> find(const Event& event) const;

 private:
  using Jobs = std::vector<Listener>;  ///< by the keys of the jobs
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  template <typename T>
  using ByText = std::unordered_map<std::string, T, Hash, std::equal_to<>>;
  /// Those that ask for a value of one variable.
  struct ByValue {
    std::string key;  ///< empty: the first variable, whatever its name
    ByText<Jobs> jobs;
  };
  struct Interested {
    Jobs whatever;                  ///< whatever its variables
    std::vector<ByValue> by_value;  ///< hardly more than one: JOB
  };

  /// Those that need this argument, which may be nobody so far.
  static Jobs& jobs_with(const EventArgument& needed, std::vector<ByValue>& tables);

  ByText<Interested> by_event_;
};

}  // namespace upkeep::core
