// Runs ProcessTrees with a real loop, a real reaper and real processes, for tests.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <systemd/sd-event.h>

#include "loop/handles.h"
#include "os/process_trees.h"
#include "os/reaper.h"

namespace upkeep::os {

/// Memory that the processes of a test share.
struct Board {
  std::atomic<int> ready;  ///< processes that have come to where they are wanted
  std::atomic<int> ticks;  ///< for whatever a test counts
  std::atomic<pid_t> pids[16];
};

class TreesTest : public ::testing::Test {
 protected:
  TreesTest();
  ~TreesTest() override;

  void make_trees(ProcessTrees::Options options = {});

  /// Forks a process of the tree, in a session of its own as jobs are; it exits after `program`.
  pid_t start(core::TreeId tree, const std::function<void()>& program);
  /// The same without a mark, and unknown to the trees.
  pid_t start_stranger(const std::function<void()>& program);

  /// For programs: says so and sleeps until killed.
  [[noreturn]] void stay() const;
  /// A fork that must work; the child runs `program` and exits.
  static pid_t in_child(const std::function<void()>& program);

  bool run_until(const std::function<bool()>& condition);
  bool run_until_ready(int processes);
  bool run_until_emptied(core::TreeId tree);
  /// Ends with the signal and runs until nothing is left.
  bool end(core::TreeId tree, int signal);

  [[nodiscard]] int emptied(core::TreeId tree) const;
  static bool alive(pid_t pid);

  Board* board_ = nullptr;
  loop::EventLoop loop_;
  std::unique_ptr<ProcessTrees> trees_;
  std::vector<core::TreeId> emptied_;
  std::vector<std::string> messages_;
  std::vector<pid_t> reaped_;
  conf::JobDefinition job_;  ///< of everything that is started

 private:
  std::unique_ptr<Reaper> reaper_;
};

}  // namespace upkeep::os
