// The program that spawn_bench starts: the first thing it does is to look at the clock, which it
// writes to the descriptor that it has been given. Built twice: as what a program in C is, and
// with SPAWN_PROBE_BARE as the smallest there can be, with nothing that runs before.
#include "bench/spawn_probe.h"

#include <ctime>

#include <sys/syscall.h>

#include "os/raw_syscall.h"

#ifdef SPAWN_PROBE_BARE
extern "C" [[noreturn]] void _start() {
#else
int main() {
#endif
  timespec now;
  upkeep::os::raw::call(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  upkeep::os::raw::call(SYS_write, upkeep::bench::kProbeDescriptor, &now, sizeof now);
  for (;;) upkeep::os::raw::call(SYS_exit_group, 0);
}
