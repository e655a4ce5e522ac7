// Owns what a ChildSetup points to.
#pragma once

#include <array>
#include <climits>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "core/platform.h"
#include "os/child_setup.h"
#include "os/platform_options.h"

namespace upkeep::os {

/// Made for one process; has to live for as long as that may read it, and stays where it is.
class SetupBlock {
 public:
  /// What `request` and `options` say; `arguments` is never empty. Left for the caller are the
  /// descriptors and how the process is made.
  SetupBlock(const core::SpawnRequest& request, const PlatformOptions& options,
             std::vector<std::string> arguments, conf::Console console);
  SetupBlock(const SetupBlock&) = delete;
  SetupBlock& operator=(const SetupBlock&) = delete;
  ~SetupBlock() = default;

  /// See Surroundings.
  void set_joins(std::vector<int> joins);
  /// The AppArmor profile of the program.
  void set_profile(std::string_view profile);
  /// Where the program may report to, and the watchdog if the job has one.
  void set_notify_address(const std::string& address);
  /// Puts the environment into the form that exec wants. The last of these.
  void finish();

  [[nodiscard]] ChildSetup& setup() { return setup_; }
  [[nodiscard]] const ChildSetup& setup() const { return setup_; }
  [[nodiscard]] const std::vector<int>& files() const { return files_; }

 private:
  void set_program();
  void set_attributes(const core::SpawnRequest& request, const PlatformOptions& options);

  std::shared_ptr<const conf::JobDefinition> definition_;
  std::vector<std::string> arguments_;
  Environment environment_;
  std::string session_root_;
  std::optional<std::string> directory_;
  std::string search_path_;
  std::string oom_score_;
  std::string apparmor_exec_;
  std::vector<int> files_, joins_;
  std::vector<LimitSetting> limits_;
  KernelLimit descriptor_limit_;
  std::vector<char*> argument_pointers_, shell_pointers_, environment_pointers_;
  std::array<char, PATH_MAX + NAME_MAX + 2> candidate_{};
  ChildSetup setup_;
};

/// The directory the process starts in; nothing means that of the manager.
[[nodiscard]] std::optional<std::string> start_directory(const core::SpawnRequest& request,
                                                         const PlatformOptions& options);

}  // namespace upkeep::os
