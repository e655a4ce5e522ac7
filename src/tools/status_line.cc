#include "tools/status_line.h"

#include <fmt/format.h>

namespace upkeep::tools {

std::string status_line(std::string_view job, const client::InstanceStatus& status) {
  std::string line{job};
  if (!status.name.empty()) line += fmt::format(" ({})", status.name);
  line += fmt::format(" {}/{}", status.goal, status.state);
  if (status.processes.empty()) return line;

  const auto& first = status.processes[0];
  const bool plain = first.role == "main" || first.role == "pre-start" || first.role == "post-stop";
  line += plain ? fmt::format(", process {}", first.pid)
                : fmt::format(", ({}) process {}", first.role, first.pid);
  for (std::size_t i = 1; i < status.processes.size(); ++i) {
    line += fmt::format("\n\t{} process {}", status.processes[i].role, status.processes[i].pid);
  }
  return line;
}

std::string stopped_line(std::string_view job) {
  return fmt::format("{} stop/waiting", job);
}

}  // namespace upkeep::tools
