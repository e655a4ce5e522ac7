// upkeep-logger: copies the output of all jobs to their log files. Started by upkeepd with the
// socket to it as descriptor 3; see log_streams.h for the other side.
//
// It ends when upkeepd has gone and every stream has ended. Signals that ask it to end or to
// reload are ignored: it must outlive the jobs whose output it reads. SIGKILL is safe, upkeepd
// starts another one.
#include <csignal>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/strings.h"
#include "log/logger.h"
#include "log/logger_process.h"
#include "log/standard_error.h"

namespace upkeep::log {
namespace {

/// One line on the standard error, cut if it is very long.
void warn(const std::string& text) {
  constexpr std::size_t kLongest = 4000;
  static const StandardError error;
  error.write(fmt::format("upkeep-logger: {}\n", text.substr(0, kLongest)));
}

int usage() {
  warn("usage: upkeep-logger [--max-size BYTES] [--keep FILES], started by upkeepd");
  return 2;
}

/// Fills `rotation` from the command line; false if something there is not understood.
bool parse_options(std::span<char*> arguments, Rotation& rotation) {
  if (arguments.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string_view option = arguments[i];
    const auto value = parse_decimal(arguments[i + 1]);
    if (!value) return false;
    if (option == "--max-size") {
      rotation.max_size = *value;
    } else if (option == "--keep" && *value >= 1 && *value <= 1000) {
      rotation.keep = static_cast<unsigned>(*value);
    } else {
      return false;
    }
  }
  return true;
}

/// With a standard descriptor closed, a log file would get its number, and warnings would go there.
void occupy_standard_descriptors() {
  int fd = 0;
  do {
    fd = ::open("/", O_PATH | O_DIRECTORY);  // reading and writing it fails; needs no /dev
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

void ignore_signals() {
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ}) {
    std::signal(signal, SIG_IGN);  // SIGXFSZ: the write fails instead
  }
}

/// As many descriptors as allowed; how many that is.
rlim_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return Logger::Options{}.descriptors;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

bool is_control_socket(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

int logger_main(std::span<char*> arguments) {
  ignore_signals();
  Logger::Options options;
  if (!parse_options(arguments, options.rotation)) return usage();
  if (!is_control_socket(kControlDescriptor)) return usage();
  ::fcntl(kControlDescriptor, F_SETFD, FD_CLOEXEC);
  occupy_standard_descriptors();
  options.descriptors = raise_descriptor_limit();
  // Holds no file system busy. All paths are absolute.
  if (::chdir("/") != 0) warn(fmt::format("unable to change to /: {}", std::strerror(errno)));

  auto logger = Logger::create(UniqueFd(kControlDescriptor), options, warn);
  if (!logger) {
    warn(logger.error().message);
    return 1;
  }
  (*logger)->run();
  return 0;
}

}  // namespace
}  // namespace upkeep::log

int main(int argc, char** argv) {
  return upkeep::log::logger_main(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
}
