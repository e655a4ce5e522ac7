// The words of the job language for the values of a JobDefinition, and when two are the same.
#include "conf/job_definition.h"

#include <sys/resource.h>

namespace upkeep::conf {

bool Condition::same(const EventExpression* a, const EventExpression* b) {
  if (a == b) return true;
  if (a == nullptr || b == nullptr) return false;
  return a->kind == b->kind && a->event == b->event && a->arguments == b->arguments &&
         same(a->left.get(), b->left.get()) && same(a->right.get(), b->right.get());
}

std::string_view to_string(ProcessType type) {
  switch (type) {
    case ProcessType::Main: return "main";
    case ProcessType::PreStart: return "pre-start";
    case ProcessType::PostStart: return "post-start";
    case ProcessType::PreStop: return "pre-stop";
    case ProcessType::PostStop: return "post-stop";
    case ProcessType::Security: return "security";
    case ProcessType::Tmpfiles: return "tmpfiles";
  }
  return "";
}

std::string_view to_string(Expect expect) {
  switch (expect) {
    case Expect::None: return "none";
    case Expect::Stop: return "stop";
    case Expect::Daemon: return "daemon";
    case Expect::Fork: return "fork";
    case Expect::Auto: return "auto";
    case Expect::Notify: return "notify";
    case Expect::Fd: return "fd";
  }
  return "";
}

std::string_view to_string(KillMode mode) {
  switch (mode) {
    case KillMode::Group: return "group";
    case KillMode::Main: return "main";
    case KillMode::Tree: return "tree";
  }
  return "";
}

std::string_view to_string(Console console) {
  switch (console) {
    case Console::None: return "none";
    case Console::Output: return "output";
    case Console::Owner: return "owner";
    case Console::Log: return "log";
  }
  return "";
}

const std::array<Resource, 14>& resources() {
  static constexpr std::array<Resource, 14> kResources{{
      {"as", RLIMIT_AS},
      {"core", RLIMIT_CORE},
      {"cpu", RLIMIT_CPU},
      {"data", RLIMIT_DATA},
      {"fsize", RLIMIT_FSIZE},
      {"memlock", RLIMIT_MEMLOCK},
      {"msgqueue", RLIMIT_MSGQUEUE},
      {"nice", RLIMIT_NICE},
      {"nofile", RLIMIT_NOFILE},
      {"nproc", RLIMIT_NPROC},
      {"rss", RLIMIT_RSS},
      {"rtprio", RLIMIT_RTPRIO},
      {"sigpending", RLIMIT_SIGPENDING},
      {"stack", RLIMIT_STACK},
  }};
  return kResources;
}

}  // namespace upkeep::conf
