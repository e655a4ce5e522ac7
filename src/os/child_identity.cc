#include "os/child_identity.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

namespace upkeep::os {
namespace {

/// The C library gives various errors for a name that simply is not there.
bool means_unknown(int error) noexcept {
  return error == 0 || error == ENOENT || error == ESRCH;
}

class Identity {
 public:
  Identity(const ChildSetup& setup, int script) noexcept : setup_(setup), script_(script) {}

  SetupReport assume() noexcept {
    environ = setup_.environment;
    if (find_user() && find_group() && give_script_away() && set_groups()) become_user();
    return failure_;
  }

 private:
  /// The first failure is the one that is told.
  bool failed(SetupStep step, int error = errno) noexcept {
    failure_ = {step, error};
    return false;
  }

  bool find_user() noexcept {
    uid_ = ::geteuid();
    gid_ = ::getegid();
    if (setup_.user == nullptr) return true;
    errno = 0;
    const passwd* user = ::getpwnam(setup_.user);
    if (user == nullptr) {
      if (means_unknown(errno)) return failed(SetupStep::UnknownUser, ENOENT);
      return failed(SetupStep::UserLookup);
    }
    uid_ = user->pw_uid;
    gid_ = user->pw_gid;  // not the group of the manager (Q12)
    return add("HOME", user->pw_dir) && add("USER", user->pw_name) &&
           add("LOGNAME", user->pw_name) && add("SHELL", user->pw_shell);
  }

  /// Unless the job says otherwise.
  bool add(const char* name, const char* value) noexcept {
    if (value == nullptr || *value == '\0' || has(name)) return true;
    const auto size = std::strlen(name) + 1 + std::strlen(value) + 1;
    auto* variable = static_cast<char*>(std::malloc(size));  // for the program: never freed
    if (variable == nullptr) return failed(SetupStep::UserLookup, ENOMEM);
    std::snprintf(variable, size, "%s=%s", name, value);
    *next_variable_++ = variable;
    *next_variable_ = nullptr;
    return true;
  }

  [[nodiscard]] bool has(const char* name) const noexcept {
    const auto length = std::strlen(name);
    for (char** variable = setup_.environment; *variable != nullptr; ++variable) {
      if (std::strncmp(*variable, name, length) == 0 && (*variable)[length] == '=') return true;
    }
    return false;
  }

  bool find_group() noexcept {
    if (setup_.group == nullptr) return true;
    errno = 0;
    const group* entry = ::getgrnam(setup_.group);
    if (entry == nullptr) {
      if (means_unknown(errno)) return failed(SetupStep::UnknownGroup, ENOENT);
      return failed(SetupStep::GroupLookup);
    }
    gid_ = entry->gr_gid;
    return true;
  }

  /// The shell opens the pipe by its path in /proc, which asks for permission.
  bool give_script_away() noexcept {
    return script_ < 0 || ::fchown(script_, uid_, gid_) == 0 || failed(SetupStep::ScriptOwner);
  }

  /// A job that names neither user nor group keeps the groups of the manager, without a look-up
  /// that a bare chroot or a directory server that is down would make fail.
  bool set_groups() noexcept {
    if (::geteuid() != 0) return true;
    const char* name = setup_.user;
    if (name == nullptr) {
      const passwd* self = ::getpwuid(uid_);
      if (self != nullptr) name = self->pw_name;
    }
    const bool done = name != nullptr ? ::initgroups(name, gid_) == 0 : ::setgroups(1, &gid_) == 0;
    return done || failed(SetupStep::Groups);
  }

  void become_user() noexcept {
    if (::setgid(gid_) < 0) {
      failed(SetupStep::GroupId);
    } else if (setup_.user != nullptr && ::setuid(uid_) < 0) {
      failed(SetupStep::UserId);
    }
  }

  const ChildSetup& setup_;
  int script_;
  char** next_variable_ = setup_.user_variables;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  SetupReport failure_{};
};

}  // namespace

SetupReport assume_identity(const ChildSetup& setup, int script) noexcept {
  return Identity(setup, script).assume();
}

}  // namespace upkeep::os
