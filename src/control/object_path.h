// From job and instance names to object paths and back (spec/control.md 1.3).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace upkeep::control {

/// One element of a path: ASCII letters and digits as they are, other bytes as `_xx`, nothing
/// as `_`.
[[nodiscard]] std::string escape_element(std::string_view name);

/// The name that escape_element() turns into exactly this; nothing if there is none.
[[nodiscard]] std::optional<std::string> unescape_element(std::string_view element);

[[nodiscard]] std::string job_path(std::string_view job);
[[nodiscard]] std::string instance_path(std::string_view job, std::string_view instance);

/// What a path below the manager names; whether it exists is another question.
struct ObjectName {
  std::string job;
  std::optional<std::string> instance;  ///< nothing: the job itself
  friend bool operator==(const ObjectName&, const ObjectName&) = default;
};

/// The paths under which clients know the instances that live. Upstart writes every byte from 0x80
/// on as `_ff`, and clients may know an instance by that. But then different names can have one
/// path; so the second instance of a job that would get it has the path of its real bytes. Each
/// keeps its path for life.
class InstancePaths {
 public:
  /// A new instance, and one that has gone.
  void add(const std::string& job, const std::string& instance);
  void remove(const std::string& job, const std::string& instance);
  /// All of this job have gone.
  void remove_all(const std::string& job) { jobs_.erase(job); }

  [[nodiscard]] std::string path(const std::string& job, const std::string& instance) const;

  /// What a path names: an instance has its own path, and the one of its real bytes unless that is
  /// another's. Strict: a path that nothing of this file makes names nothing.
  [[nodiscard]] std::optional<ObjectName> parse(std::string_view path) const;

 private:
  using Map = std::map<std::string, std::string, std::less<>>;
  /// Of the instances of one job whose names have such bytes.
  struct Job {
    Map elements;  ///< by name
    Map names;     ///< by element
  };
  std::map<std::string, Job, std::less<>> jobs_;
};

}  // namespace upkeep::control
