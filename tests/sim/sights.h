// What a run has come across: how often the states and faults that are worth testing were reached.
// A generator of schedules that never gets there proves nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace upkeep::sim {

enum class Sight : std::uint8_t {
  MainFails,  // cannot be started; in the order of core::ProcessType
  PreStartFails,
  PostStartFails,
  PreStopFails,
  PostStopFails,
  SecurityFails,
  TmpfilesFails,
  TriedAgain,
  GaveUpTrying,
  EndBeforeResult,
  EndsTogether,
  PidReused,
  ForkFollowed,
  NeverReady,
  Suspended,
  Respawned,
  RespawnLimit,
  KillTimeout,
  Vanished,
  StopCancelled,
  EventFailed,
  DeadlockAvoided,
  CycleTold,
  BrokenOff,
  StayedUp,
  ReplacedInStart,
  ReplacedInStop,
  RemovedInStart,
  RemovedInStop,
  GoneWhileBlocked,
  EnvironmentChanged,
  EnvironmentRefused,
  SessionEnded,
  SessionEndedBusy,
  KilledInSetUp,
  Settled,
  NotReadyInTime,
  SurvivorFollowed,
  SurvivorLetGo,
  WatchdogExpired,
  TreeEnded,
};

inline constexpr std::array<std::string_view, 41> kSights{
    "main cannot start",
    "pre-start cannot start",
    "post-start cannot start",
    "pre-stop cannot start",
    "post-stop cannot start",
    "security cannot start",
    "tmpfiles cannot start",
    "temporary spawn failure, tried again",
    "temporary spawn failure, gave up",
    "end before the result of the spawn",
    "several ends at one moment",
    "pid used again",
    "fork followed",
    "told to stop before it was ready",
    "process suspended",
    "respawned",
    "respawn limit",
    "kill timeout",
    "process vanished",
    "stop cancelled",
    "event failed",
    "deadlock avoided",
    "endless cycle told of",
    "broken off in an endless cycle",
    "stopped in a cycle, came up again",
    "definition replaced in a start",
    "definition replaced in a stop",
    "definition removed in a start",
    "definition removed in a stop",
    "client gone while blocked",
    "environment changed",
    "environment change refused",
    "session ended",
    "session ended with processes alive",
    "killed while being set up",
    "rested without being ready",
    "not ready in time",
    "survivor followed",
    "survivor let go",
    "watchdog expired",
    "whole tree ended",
};

/// How often each was seen.
using Sights = std::array<std::uint32_t, kSights.size()>;

}  // namespace upkeep::sim
