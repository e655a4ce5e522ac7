// What is wrong with several jobs together: they would wait for each other.
#pragma once

#include <map>
#include <string>

#include "conf/job_definition.h"
#include "core/wait_cycles.h"

namespace upkeep::check {

/// The jobs of all files that are checked together.
class Waits {
 public:
  /// Of jobs with the same name, the last one counts. Only what has to do with waiting is kept.
  void add(const std::string& name, const conf::JobDefinition& job);

  [[nodiscard]] core::WaitCycles find() const;

 private:
  std::map<std::string, core::WaitingJob> jobs_;
};

/// Whether a job can make another one wait.
[[nodiscard]] bool can_make_wait(const conf::JobDefinition& job);

}  // namespace upkeep::check
