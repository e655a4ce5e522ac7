#include "log/logger_process.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/protocol.h"

namespace upkeep::log {
namespace {

/// Above every number that is given a meaning in the child.
constexpr int kOutOfTheWay = 10;

[[noreturn]] void give_up(int socket, int error) noexcept {
  const auto packet = encode_start_failed(error);
  (void)!::write(socket, packet.data(), packet.size());
  ::_exit(127);
}

void reset_signals() noexcept {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Standard input and output to nowhere, standard error as it is, the socket as number 3.
void arrange_descriptors(int socket) noexcept {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const int moved_null = null < 0 ? -1 : ::fcntl(null, F_DUPFD_CLOEXEC, kOutOfTheWay);
  const int moved = ::fcntl(socket, F_DUPFD_CLOEXEC, kOutOfTheWay);
  if (moved < 0 || ::dup2(moved, kControlDescriptor) < 0) give_up(socket, errno);
  // Without /dev/null, early at boot, the logger copes with closed ones.
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
    if (moved_null < 0 || ::dup2(moved_null, fd) < 0) ::close(fd);
  }
  if (::close_range(kControlDescriptor + 1, ~0U, 0) != 0) give_up(kControlDescriptor, errno);
}

[[noreturn]] void run_child(const char* program, char* const* arguments, int socket) noexcept {
  ::setsid();  // out of reach of the terminal's Ctrl-C and hang-up
  arrange_descriptors(socket);
  reset_signals();
  ::execve(program, arguments, environ);
  give_up(kControlDescriptor, errno);
}

std::vector<char*> argument_vector(const std::string& program,
                                   const std::vector<std::string>& arguments) {
  // exec does not write to its arguments, though its type says so.
  std::vector<char*> vector{const_cast<char*>(program.c_str())};
  for (const auto& argument : arguments) vector.push_back(const_cast<char*>(argument.c_str()));
  vector.push_back(nullptr);
  return vector;
}

}  // namespace

Result<LoggerProcess> start_logger(const std::string& program,
                                   const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return failure(fmt::format("unable to create a socket: {}", std::strerror(errno)));
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const auto vector = argument_vector(program, arguments);

  // Blocked over the fork: no handler of the manager may ever run in the child.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const auto pid = ::fork();
  if (pid == 0) run_child(program.c_str(), vector.data(), theirs.value());
  const auto error = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);

  if (pid < 0) return failure(fmt::format("unable to fork: {}", std::strerror(error)));
  return LoggerProcess{pid, std::move(ours)};
}

}  // namespace upkeep::log
