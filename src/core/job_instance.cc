#include "core/job_instance.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/job_class.h"

namespace upkeep::core {

JobInstance::JobInstance(JobClass& job, std::string name)
    : job_(&job), name_(std::move(name)), stop_on_(job.definition().stop_on.get()) {}

std::string JobInstance::title() const {
  return name_.empty() ? job_->name() : fmt::format("{} ({})", job_->name(), name_);
}

bool JobInstance::waits_for_process() const {
  return tree_is_ending_ || std::ranges::any_of(conf::kAllProcessTypes, [this](ProcessType type) {
           return waits_for_process(type);
         });
}

bool JobInstance::waits_for_process(ProcessType type) const {
  if (!process(type).spawn) return false;
  switch (type) {
    case ProcessType::Main: return state_ == State::Spawned || state_ == State::Killed;
    case ProcessType::Security:
    case ProcessType::Tmpfiles: return state_ == State::Security;
    case ProcessType::PreStart: return state_ == State::PreStart;
    case ProcessType::PostStart: return state_ == State::PostStart;
    case ProcessType::PreStop: return state_ == State::PreStop;
    case ProcessType::PostStop: return state_ == State::PostStop;
  }
  return false;
}

}  // namespace upkeep::core
