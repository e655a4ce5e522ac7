#include "core/job_instance.h"

#include <fmt/format.h>

#include "core/job_class.h"

namespace upkeep::core {

JobInstance::JobInstance(JobClass& job, std::string name)
    : job_(&job), name_(std::move(name)), stop_on_(job.definition().stop_on.get()) {}

std::string JobInstance::title() const {
  return name_.empty() ? job_->name() : fmt::format("{} ({})", job_->name(), name_);
}

bool JobInstance::waits_for_process() const {
  const auto runs = [this](ProcessType type) { return static_cast<bool>(process(type).spawn); };
  switch (state_) {
    case State::Security: return runs(ProcessType::Security) || runs(ProcessType::Tmpfiles);
    case State::PreStart: return runs(ProcessType::PreStart);
    case State::Spawned:
    case State::Killed: return runs(ProcessType::Main);
    case State::PostStart: return runs(ProcessType::PostStart);
    case State::PreStop: return runs(ProcessType::PreStop);
    case State::PostStop: return runs(ProcessType::PostStop);
    default: return false;
  }
}

}  // namespace upkeep::core
