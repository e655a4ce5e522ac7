#include "daemon/process_one.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace upkeep::daemon {
namespace {

/// A file system is mounted there if the directory is on another device than its parent.
bool is_mounted(const char* directory) {
  struct stat here {};
  struct stat above {};
  if (::stat(directory, &here) != 0 || ::stat("/", &above) != 0) return false;
  return here.st_dev != above.st_dev;
}

void mount_if_missing(const char* type, const char* directory) {
  if (is_mounted(directory)) return;
  (void)::mount(type, directory, type, MS_NODEV | MS_NOEXEC | MS_NOSUID, nullptr);
}

}  // namespace

Result<void> open_standard_descriptors() {
  for (;;) {
    const int fd = ::open("/dev/null", O_RDWR | O_NOCTTY);
    if (fd < 0) {
      // Without /dev/null all three must have been given to us.
      for (const int standard : {0, 1, 2}) {
        if (::fcntl(standard, F_GETFD) < 0) {
          return failure(fmt::format("unable to open /dev/null: {}", std::strerror(errno)));
        }
      }
      return {};
    }
    if (fd > STDERR_FILENO) {
      ::close(fd);
      return {};
    }
  }
}

bool standard_error_is_console() {
  struct stat status {};
  return ::fstat(STDERR_FILENO, &status) == 0 && S_ISCHR(status.st_mode) &&
         status.st_rdev == makedev(5, 1);
}

void become_process_one() {
  (void)::setsid();
  (void)::umask(0);
  (void)::setenv("PATH", kSystemPath, 1);
  (void)::chdir("/");
  mount_if_missing("proc", "/proc");
  mount_if_missing("sysfs", "/sys");
  (void)::reboot(RB_DISABLE_CAD);  // EINVAL in a pid namespace
  const UniqueFd console(::open("/dev/tty0", O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (console) (void)::ioctl(console.value(), KDSIGACCEPT, SIGWINCH);
}

void release_console() {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return;
  for (const int standard : {0, 1, 2}) (void)::dup2(null.value(), standard);
  const UniqueFd kernel(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (kernel) (void)::dup2(kernel.value(), STDERR_FILENO);
}

}  // namespace upkeep::daemon
