// The users and groups of this machine, as far as job files name them.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "conf/parser.h"

namespace upkeep::check {

/// Asks the system once for each name.
class Accounts {
 public:
  /// False only if the system says that there is no such user; true if it cannot tell.
  [[nodiscard]] bool may_have_user(const std::string& name);
  [[nodiscard]] bool may_have_group(const std::string& name);

 private:
  std::map<std::string, bool, std::less<>> users_;
  std::map<std::string, bool, std::less<>> groups_;
};

/// Adds the warnings UnknownUser and UnknownGroup to those of `job`, in their places; of more than
/// conf::kMaxDiagnostics the first ones stay. With `chroot` the names are looked up inside it, so
/// nothing is known here.
void warn_of_unknown_accounts(Accounts& accounts, conf::ParsedJob& job);

}  // namespace upkeep::check
