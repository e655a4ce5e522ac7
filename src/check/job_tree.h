// Finds the job files below a directory (spec/job-language.md 1.2).
#pragma once

#include <functional>
#include <string>

namespace upkeep::check {

/// Calls `on_file` with the path of each `.conf` and `.override` that the manager would read,
/// whatever stands there under that name: it may not be a regular file. `on_problem` gets paths
/// that could not be followed, and why. Names within a directory are visited in the order of their
/// bytes, sub-directories in their place among them.
void walk_job_files(
    const std::string& directory, const std::function<void(const std::string& path)>& on_file,
    const std::function<void(const std::string& path, std::string text)>& on_problem);

}  // namespace upkeep::check
