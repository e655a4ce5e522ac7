// Everything a pure library must not do, once each, so that the test "purity_sees" can show that
// the check finds it. Never linked into anything.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <random>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

long impure() {
  std::ifstream file("/dev/null");
  std::random_device chance;
  const char* home = getenv("HOME");
  ::kill(fork(), SIGTERM);
  char byte = 0;
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const ssize_t count = read(fd, &byte, 1) + write(fd, &byte, 1);
  close(fd);
  usleep(1);
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
  return count + socket(AF_UNIX, SOCK_STREAM, 0) + poll(nullptr, 0, 0) + time(nullptr) + getpid() +
         ticks + now.tv_sec + static_cast<long>(chance()) + (home != nullptr ? 1 : 0) +
         (file.good() ? 1 : 0);
}
