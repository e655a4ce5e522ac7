// All job files that were found, and which of them defines each job (spec/job-language.md 1.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/input.h"
#include "os/job_file_names.h"

namespace upkeep::os {

/// Files go in and out by name and text; changes() says what that means for the jobs. Knows no
/// disk. A file whose text has not changed is not parsed again, and a job whose files have not
/// changed is not reported again.
class JobCatalog {
 public:
  explicit JobCatalog(std::size_t sources) : sources_(sources) {}

  /// What there is to say of a file, as one line that begins with its path.
  struct Remark {
    core::Priority priority;
    std::string text;
  };

  /// A file was read, or could not be. Returns what is wrong with it, each time, and if its text is
  /// new what is suspicious about it.
  [[nodiscard]] std::vector<Remark> put(const JobFileId& id, const std::string& path,
                                        Result<std::string> text);

  /// The file is there, but could not be read for a reason that will pass: what it last said holds.
  void keep(const JobFileId& id);

  /// The file is gone. Unknown files are no mistake.
  void remove(const JobFileId& id);

  /// Every file below the directory is gone.
  void remove_below(const JobDirectory& directory);

  /// After start_walk(), files that were neither put nor kept are removed by end_walk().
  void start_walk() { ++walk_; }
  void end_walk();

  /// How definitions differ from those that were last returned, in the order of their names.
  [[nodiscard]] std::vector<core::ConfChange> changes();

 private:
  using Definition = std::shared_ptr<const conf::JobDefinition>;

  struct File {
    std::optional<std::string> text;  ///< nothing if it could not be read
    std::string problem;              ///< empty if it can be used
    std::uint64_t version = 0;        ///< tells texts apart; never 0, never used twice
    std::uint64_t walk = 0;
    Definition definition;  ///< of a usable .conf: without override
    Definition overridden;  ///< of a usable .conf: with the override below
    std::uint64_t override_version = 0;
  };

  /// The files of one job in one source.
  struct Pair {
    std::optional<File> conf, override_file;
    [[nodiscard]] std::optional<File>& of(JobFileKind kind) {
      return kind == JobFileKind::Conf ? conf : override_file;
    }
  };

  struct Job {
    std::vector<Pair> pairs;  ///< one for each source
    Definition reported;
  };

  [[nodiscard]] std::optional<File>& slot(const JobFileId& id);
  [[nodiscard]] static std::vector<Remark> parse(const JobFileId& id, const std::string& path,
                                                 File& file);
  [[nodiscard]] static Definition best(Job& job);
  [[nodiscard]] static Definition apply(File& conf, const File* override_file);

  std::size_t sources_;
  std::map<std::string, Job, std::less<>> jobs_;
  std::set<std::string, std::less<>> changed_;
  std::uint64_t versions_ = 0;
  std::uint64_t walk_ = 0;
};

}  // namespace upkeep::os
