#include "os/helper_child.h"

#include <algorithm>
#include <csignal>

#include <fcntl.h>

namespace upkeep::os {
namespace {

constexpr unsigned kLifetimeSeconds = 10;

void close_all_but(std::vector<int> kept) {
  std::ranges::sort(kept);
  unsigned first = 0;
  for (const int fd : kept) {
    const auto place = static_cast<unsigned>(fd);
    if (place > first) ::close_range(first, place - 1, 0);
    first = place + 1;
  }
  ::close_range(first, ~0U, 0);
}

/// As in a program that has just been started: the manager's handlers would write to descriptors
/// that are closed, and what it blocks must reach the helper.
void reset_signals() {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

void become_helper(std::vector<int> kept) {
  close_all_but(std::move(kept));
  reset_signals();
  ::alarm(kLifetimeSeconds);
}

void close_by_helper(UniqueFd descriptor) {
  // The helper ends, and with it the last user of the descriptor, when the pipe is closed here: the
  // close before that is then not the last one.
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return;
  const UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  start_helper({descriptor.value(), reading.value()}, [&] {
    char byte = 0;
    [[maybe_unused]] const auto end = ::read(reading.value(), &byte, 1);
  });
  descriptor.reset();
}

}  // namespace upkeep::os
