#include "os/tracer.h"

#include <sys/ptrace.h>

namespace upkeep::os::tracer {
namespace {

/// ptrace() takes numbers where its declaration has pointers.
void* number(unsigned long value) {
  return reinterpret_cast<void*>(value);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace

void report_forks_and_execs(pid_t pid) {
  ::ptrace(PTRACE_SETOPTIONS, pid, nullptr, number(PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC));
}

void go_on(pid_t pid, int signal) {
  ::ptrace(PTRACE_CONT, pid, nullptr, number(static_cast<unsigned long>(signal)));
}

void detach(pid_t pid, int signal) {
  ::ptrace(PTRACE_DETACH, pid, nullptr, number(static_cast<unsigned long>(signal)));
}

std::optional<pid_t> forked_child(pid_t pid) {
  unsigned long child = 0;
  if (::ptrace(PTRACE_GETEVENTMSG, pid, nullptr, &child) < 0) return std::nullopt;
  return static_cast<pid_t>(child);
}

std::optional<int> EarlyChildren::claim(pid_t child) {
  const auto found = children_.find(child);
  if (found == children_.end()) return std::nullopt;
  const int signal = found->second.signal;
  children_.erase(found);
  return signal;
}

std::vector<pid_t> EarlyChildren::abandon(pid_t parent) {
  std::vector<pid_t> abandoned;
  for (auto it = children_.begin(); it != children_.end();) {
    if (it->second.parent == parent) {
      abandoned.push_back(it->first);
      it = children_.erase(it);
    } else {
      ++it;
    }
  }
  return abandoned;
}

}  // namespace upkeep::os::tracer
