#include "log/backlog.h"

#include <algorithm>

namespace upkeep::log {

std::size_t Backlog::add(std::string_view output) {
  const auto room = std::min(kLimit, bytes_.size() + (budget_.limit - budget_.used));
  const auto total = bytes_.size() + output.size();
  const auto lost = total > room ? total - room : 0;
  const auto lost_old = std::min(lost, bytes_.size());
  remove(lost_old);
  output.remove_prefix(lost - lost_old);
  bytes_ += output;
  budget_.used += output.size();
  return lost;
}

void Backlog::remove(std::size_t count) {
  bytes_.erase(0, count);
  budget_.used -= count;
  if (bytes_.empty()) bytes_ = {};  // gives the memory back
}

}  // namespace upkeep::log
