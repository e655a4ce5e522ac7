#include "os/apparmor.h"

#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace upkeep::os {

bool apparmor_usable(const std::string& root) {
  char flag = 0;
  std::ifstream(root + "/sys/module/apparmor/parameters/enabled") >> flag;
  if (flag != 'Y') return false;
  if (::access((root + "/sbin/apparmor_parser").c_str(), X_OK) != 0) return false;

  std::error_code ignored;
  return !std::filesystem::exists(root + "/run/container_type", ignored) &&
         !std::filesystem::exists(root + "/rofs/etc/apparmor.d", ignored);
}

}  // namespace upkeep::os
