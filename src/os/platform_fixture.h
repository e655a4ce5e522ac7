// Runs a LinuxPlatform on a real event loop with real processes, for tests.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <systemd/sd-event.h>

#include "os/linux_platform.h"

namespace upkeep::os {

/// Keeps the streams and reads them when asked.
class CollectingSink final : public log::StreamSink {
 public:
  struct Stream {
    UniqueFd source;
    std::string path;
    std::string text;
    bool closed = false;
  };
  void open(log::StreamId id, UniqueFd source, std::string path) override;
  void close(log::StreamId id) override;

  /// Everything written so far, with line ends as programs write them.
  std::string text(std::uint64_t id);

  std::map<std::uint64_t, Stream> streams;
};

class PlatformTest : public ::testing::Test {
 protected:
  using History = std::vector<std::string>;

  PlatformTest();
  ~PlatformTest() override;

  /// Replaces the platform of default options.
  void start(PlatformOptions options);

  static conf::JobDefinition exec(std::string command);
  static conf::JobDefinition script(std::string text);

  core::SpawnId spawn(conf::JobDefinition job, core::ProcessType type = core::ProcessType::Main);
  core::SpawnId spawn_traced(conf::JobDefinition job);

  /// Runs the loop until the condition holds; false after ten seconds.
  bool run_until(const std::function<bool()>& condition);
  bool run_until_ended(core::SpawnId id);
  bool run_until_history(core::SpawnId id, std::size_t length);

  /// What has been said of a process, in order: "spawned", "failed: why", "exited 0",
  /// "signalled TERM", "stopped STOP", "forked", "executed", "vanished".
  [[nodiscard]] const History& history(core::SpawnId id) { return histories_[id.value]; }
  /// The process now meant; 0 once it has ended.
  [[nodiscard]] pid_t pid(core::SpawnId id) { return pids_[id.value]; }
  /// The process that was started.
  [[nodiscard]] pid_t first_pid(core::SpawnId id) { return first_pids_[id.value]; }

  /// Runs the job to its end; what it printed.
  std::string output_of(conf::JobDefinition job);
  /// Spawns the job; the description of its failure.
  std::string failure_of(conf::JobDefinition job);

  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  static int open_descriptors();
  static bool is_root();
  static bool exists(pid_t pid);

  std::unique_ptr<sd_event, decltype(&sd_event_unref)> loop_{nullptr, &sd_event_unref};
  CollectingSink sink_;
  std::unique_ptr<LinuxPlatform> platform_;
  Environment environment_{"PATH=/usr/local/bin:/usr/bin:/bin", "COLOUR=light blue"};
  std::vector<std::shared_ptr<const core::EventFile>> files_;  ///< for the processes from now on
  std::vector<std::string> messages_;
  /// Called after each input has been noted, in place of the core.
  std::function<void(const core::Input&)> react_;

 private:
  void note(const core::Input& input);
  core::SpawnId spawn(conf::JobDefinition job, core::ProcessType type, bool trace);

  std::string directory_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, History> histories_;
  std::map<std::uint64_t, pid_t> pids_, first_pids_;
};

}  // namespace upkeep::os
