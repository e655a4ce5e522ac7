#include "core/job_instance.h"

#include <fmt/format.h>

#include "core/job_class.h"

namespace upkeep::core {

JobInstance::JobInstance(JobClass& job, std::string name)
    : job_(&job), name_(std::move(name)), stop_on_(job.definition().stop_on.get()) {}

std::string JobInstance::title() const {
  return name_.empty() ? job_->name() : fmt::format("{} ({})", job_->name(), name_);
}

}  // namespace upkeep::core
