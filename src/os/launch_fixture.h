// Launches real processes without a platform or a loop, for tests.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "os/launcher.h"

namespace upkeep::os {

/// What has become of a child, once its set-up is over.
struct SetupOutcome {
  std::vector<std::string> warnings;
  std::string failure;   ///< as describe() has it; empty if the program was executed
  int wait_status = -1;  ///< of the process, which has ended
  std::string output;    ///< what it printed to the log
};

/// A system call that is not possible in a sandbox. With `argument` it is only where that argument
/// has this value, under the mask.
struct Refusal {
  long number = 0;
  int error = 0;
  int argument = -1;
  std::uint32_t value = 0;
  std::uint32_t mask = ~std::uint32_t{0};
};

class LaunchTest : public ::testing::Test {
 protected:
  LaunchTest();
  ~LaunchTest() override;

  static conf::JobDefinition exec(std::string command);
  static conf::JobDefinition script(std::string text);
  /// Of the main process of this job, whose output is logged.
  [[nodiscard]] core::SpawnRequest request(conf::JobDefinition job) const;

  /// launch(), and a look whether it is still we who come back from it.
  std::expected<Launched, LaunchFailure> start(const core::SpawnRequest& request);
  /// Reads the report of the set-up to its end, which is that of the child at the latest.
  static SetupOutcome end_of_setup(Launched& launched, const core::SpawnRequest& request);
  /// The whole life of the process, whose script is fed to it.
  SetupOutcome run(const core::SpawnRequest& request);
  SetupOutcome run(conf::JobDefinition job) { return run(request(std::move(job))); }
  /// run(), where nothing shall fail: what the program printed.
  std::string output_of(conf::JobDefinition job);

  /// What `work` returns in a process of its own, with these system calls refused.
  std::string in_sandbox(const std::vector<Refusal>& refusals,
                         const std::function<std::string()>& work);

  static bool is_root();
  static int open_descriptors();
  static std::string read_all(int descriptor);
  static int wait_for(pid_t pid);
  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }

  PlatformOptions options_;
  Surroundings surroundings_{.logged = true};
  Environment environment_{"PATH=/usr/local/bin:/usr/bin:/bin"};

 private:
  /// In memory that even a copied child shares.
  struct Returns {
    std::atomic<int> launches, ours, others;
  };
  Returns* returns_;
  pid_t self_;
  std::string directory_;
};

}  // namespace upkeep::os
