#include "os/fork_follower.h"

#include <csignal>

#include <sys/ptrace.h>
#include <unistd.h>

#include "os/proc_file.h"

namespace upkeep::os {

void ForkFollower::on_trapped(SupervisedProcess& process, int value) {
  const int signal = value & 0xff;
  const int event = value >> 8;
  switch (process.trace) {
    case Trace::AwaitingExec:
      if (!process.executing || signal != SIGTRAP) return tracer::go_on(process.pid, signal);
      process.trace = Trace::Running;
      tracer::report_forks_and_execs(process.pid);
      return tracer::go_on(process.pid, 0);
    case Trace::Running:
      if (event == PTRACE_EVENT_FORK) return on_fork(process);
      if (event == PTRACE_EVENT_EXEC) {
        process.trace = Trace::Halted;
        return hooks_.on_change(process.request.id, core::Executed{});
      }
      return tracer::go_on(process.pid, event == 0 ? signal : 0);
    case Trace::AwaitingChild: return on_child_stop(process, signal);
    case Trace::LettingGo:
      // Forks meanwhile are nobody's business; the child is let go of when it stops.
      if (event != 0) return tracer::go_on(process.pid, 0);
      if (signal != SIGSTOP) return tracer::go_on(process.pid, signal);
      process.trace = Trace::No;
      return tracer::detach(process.pid);
    case Trace::Halted:
    case Trace::No: return;
  }
}

/// Only children of processes we trace are trapped without being known.
void ForkFollower::on_trap_of_stranger(pid_t pid, int value) {
  const int signal = value & 0xff;
  const pid_t parent = parent_of(pid);
  const auto* process = hooks_.find(parent);
  const bool will_be_named =
      parent == 0 || (process != nullptr && process->trace == Trace::Running);
  if (will_be_named) return early_children_.add(pid, parent, signal);
  tracer::detach(pid, signal == SIGSTOP ? 0 : signal);
}

void ForkFollower::on_fork(SupervisedProcess& process) {
  const auto child = tracer::forked_child(process.pid);
  tracer::detach(process.pid);
  if (!child) return;  // killed in this moment; its end comes next
  process.trace = Trace::AwaitingChild;
  hooks_.follow(process, *child);
  if (const auto signal = early_children_.claim(*child)) on_child_stop(process, *signal);
}

/// A new child begins with SIGSTOP, which is ours; other signals may come first.
void ForkFollower::on_child_stop(SupervisedProcess& process, int signal) {
  if (signal != SIGSTOP) return tracer::go_on(process.pid, signal);
  process.trace = Trace::Halted;
  hooks_.on_change(process.request.id, core::Forked{process.pid});
}

bool ForkFollower::resume(SupervisedProcess& process, core::Resume how) {
  const bool detach = how == core::Resume::Detach;
  if (process.trace == Trace::Running && detach) {
    // It runs, and only a stopped one can be let go of.
    process.trace = Trace::LettingGo;
    ::kill(process.pid, SIGSTOP);
    return true;
  }
  if (process.trace != Trace::Halted) return false;
  if (detach) {
    process.trace = Trace::No;
    tracer::detach(process.pid);
  } else {
    process.trace = Trace::Running;
    tracer::report_forks_and_execs(process.pid);
    tracer::go_on(process.pid, 0);
  }
  return true;
}

void ForkFollower::ended(const SupervisedProcess& process) {
  if (process.trace == Trace::No) return;
  for (const pid_t child : early_children_.abandon(process.pid)) tracer::detach(child);
}

}  // namespace upkeep::os
