#include "check/waits.h"

#include <utility>
#include <vector>

namespace upkeep::check {
namespace {

/// Only these events make the job that they are about wait.
std::vector<core::WaitLeaf> waits_of(const conf::Condition& condition) {
  auto leaves = core::leaves_of(condition);
  std::erase_if(leaves, [](const core::WaitLeaf& leaf) {
    return leaf.event != "starting" && leaf.event != "stopping";
  });
  return leaves;
}

}  // namespace

void Waits::add(const std::string& name, const conf::JobDefinition& job) {
  core::WaitingJob one{name, waits_of(job.start_on), waits_of(job.stop_on),
                       !job.instance.value().empty()};
  // No way leads to it, so it is in no cycle.
  if (one.start_on.empty() && one.stop_on.empty()) {
    jobs_.erase(name);
  } else {
    jobs_.insert_or_assign(name, std::move(one));
  }
}

core::WaitCycles Waits::find() const {
  std::vector<core::WaitingJob> jobs;
  jobs.reserve(jobs_.size());
  for (const auto& [name, job] : jobs_) jobs.push_back(job);
  return core::find_wait_cycles(jobs);
}

bool can_make_wait(const conf::JobDefinition& job) {
  return !waits_of(job.start_on).empty() || !waits_of(job.stop_on).empty();
}

}  // namespace upkeep::check
