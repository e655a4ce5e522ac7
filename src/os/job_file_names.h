// Which names below a source directory count (spec/job-language.md 1.2).
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace upkeep::os {

// Links can make a tree of any depth and width out of few directories. What lies beyond is skipped.
inline constexpr std::ptrdiff_t kMaxDepth = 40;         ///< slashes in a directory's relative path
inline constexpr std::size_t kMaxDirectories = 10'000;  ///< in one walk

enum class JobFileKind { Conf, Override };

/// A file that counts: the job's name is its path below the source, without suffix.
struct JobFileId {
  std::size_t source = 0;  ///< index into the list of sources, strongest first
  std::string job;
  JobFileKind kind = JobFileKind::Conf;
  friend auto operator<=>(const JobFileId&, const JobFileId&) = default;
};

/// A directory at or below a source; `relative` is empty for the source itself.
struct JobDirectory {
  std::size_t source = 0;
  std::string relative;
  friend auto operator<=>(const JobDirectory&, const JobDirectory&) = default;
};

/// The directory `name` in `parent`.
[[nodiscard]] JobDirectory child_directory(const JobDirectory& parent, std::string_view name);

/// What the file `name` in `parent` is, or nothing if its name does not count.
[[nodiscard]] std::optional<JobFileId> job_file(const JobDirectory& parent, std::string_view name);

/// Whether a sub-directory is left alone: hidden, a backup, or a version control system's.
[[nodiscard]] bool is_ignored_directory(std::string_view name);

}  // namespace upkeep::os
