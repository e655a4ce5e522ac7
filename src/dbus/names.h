// The names on the wire (spec/control.md 1.1, 1.3, 1.9).
#pragma once

namespace upkeep::dbus {

/// Where process 1 listens.
inline constexpr const char* kSystemAddress = "unix:abstract=/com/ubuntu/upstart";
inline constexpr const char* kBusName = "com.ubuntu.Upstart";
inline constexpr const char* kManagerPath = "/com/ubuntu/Upstart";
inline constexpr const char* kJobsPath = "/com/ubuntu/Upstart/jobs";

inline constexpr const char* kManagerInterface = "com.ubuntu.Upstart0_6";
inline constexpr const char* kJobInterface = "com.ubuntu.Upstart0_6.Job";
inline constexpr const char* kInstanceInterface = "com.ubuntu.Upstart0_6.Instance";
/// Ours, beside Upstart's on the object of a job.
inline constexpr const char* kJobExtensionInterface = "org.upkeep.Job";
inline constexpr const char* kPropertiesInterface = "org.freedesktop.DBus.Properties";

inline constexpr const char* kErrorUnknownJob = "com.ubuntu.Upstart0_6.Error.UnknownJob";
inline constexpr const char* kErrorUnknownJobInstance =
    "com.ubuntu.Upstart0_6.Error.UnknownJobInstance";
inline constexpr const char* kErrorPermissionDenied =
    "com.ubuntu.Upstart0_6.Error.PermissionDenied";
inline constexpr const char* kErrorUnknownInstance = "com.ubuntu.Upstart0_6.Error.UnknownInstance";
inline constexpr const char* kErrorAlreadyStarted = "com.ubuntu.Upstart0_6.Error.AlreadyStarted";
inline constexpr const char* kErrorAlreadyStopped = "com.ubuntu.Upstart0_6.Error.AlreadyStopped";
inline constexpr const char* kErrorNotRunning = "com.ubuntu.Upstart0_6.Error.NotRunning";
inline constexpr const char* kErrorJobFailed = "com.ubuntu.Upstart0_6.Error.JobFailed";
inline constexpr const char* kErrorEventFailed = "com.ubuntu.Upstart0_6.Error.EventFailed";

}  // namespace upkeep::dbus
