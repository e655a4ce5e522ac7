#include "base/signals.h"

#include <array>
#include <csignal>

namespace upkeep {
namespace {

struct Entry {
  std::string_view name;
  int number;
};

// Where two names share a number the preferred one stands first.
constexpr std::array kSignals{
    Entry{"HUP", SIGHUP},       Entry{"INT", SIGINT},       Entry{"QUIT", SIGQUIT},
    Entry{"ILL", SIGILL},       Entry{"TRAP", SIGTRAP},     Entry{"ABRT", SIGABRT},
    Entry{"IOT", SIGIOT},       Entry{"BUS", SIGBUS},       Entry{"FPE", SIGFPE},
    Entry{"KILL", SIGKILL},     Entry{"USR1", SIGUSR1},     Entry{"SEGV", SIGSEGV},
    Entry{"USR2", SIGUSR2},     Entry{"PIPE", SIGPIPE},     Entry{"ALRM", SIGALRM},
    Entry{"TERM", SIGTERM},     Entry{"STKFLT", SIGSTKFLT}, Entry{"CHLD", SIGCHLD},
    Entry{"CLD", SIGCHLD},      Entry{"CONT", SIGCONT},     Entry{"STOP", SIGSTOP},
    Entry{"TSTP", SIGTSTP},     Entry{"TTIN", SIGTTIN},     Entry{"TTOU", SIGTTOU},
    Entry{"URG", SIGURG},       Entry{"XCPU", SIGXCPU},     Entry{"XFSZ", SIGXFSZ},
    Entry{"VTALRM", SIGVTALRM}, Entry{"PROF", SIGPROF},     Entry{"WINCH", SIGWINCH},
    Entry{"IO", SIGIO},         Entry{"POLL", SIGPOLL},     Entry{"PWR", SIGPWR},
    Entry{"SYS", SIGSYS},
};

}  // namespace

std::optional<int> signal_number(std::string_view name) {
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (const auto& entry : kSignals) {
    if (entry.name == name) return entry.number;
  }
  return std::nullopt;
}

std::string signal_name(int signal) {
  for (const auto& entry : kSignals) {
    if (entry.number == signal) return std::string(entry.name);
  }
  return std::to_string(signal);
}

}  // namespace upkeep
