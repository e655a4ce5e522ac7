// Reads the job files of the source directories, watches them, and reports what that changes
// (spec/job-language.md 1).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "core/input.h"
#include "core/types.h"
#include "loop/handles.h"
#include "os/directory_watches.h"
#include "os/job_catalog.h"
#include "os/job_file_names.h"
#include "os/new_links.h"

namespace upkeep::os {

/// Where job files are.
struct JobFileSources {
  std::vector<std::string> directories;  ///< the strongest first; they need not exist
  std::string master_file;               ///< `/etc/init.conf`, or empty; need not exist
};

/// Which file defines which job is known here; whoever listens gets effective changes only. A
/// definition that is the same as before, text and override, is not reported again.
///
/// Messages about a file begin with its path, and each bad file gets one each time it is read:
/// `PATH:LINE:COLUMN: TEXT` if it cannot be parsed, `PATH: TEXT` if it cannot be read.
class JobFiles {
 public:
  using OnChange = std::function<void(core::ConfChange)>;
  using OnMessage = std::function<void(core::Priority, std::string)>;

  /// Nothing is read yet. The callbacks are called from load() and from the event loop; they may
  /// not call load().
  JobFiles(sd_event* loop, JobFileSources sources, OnChange on_change, OnMessage on_message);
  JobFiles(const JobFiles&) = delete;
  JobFiles& operator=(const JobFiles&) = delete;

  /// Reads everything anew and watches it from then on: the first load, and each forced reload
  /// (1.6). Where nothing can be watched, a warning says so and load() still does its work.
  void load();

 private:
  /// What became of a file, by the last event of a batch that tells.
  enum class Fate { Present, Gone };

  static int on_readable(sd_event_source*, int fd, std::uint32_t, void* self) noexcept;
  void watch_anew();
  void check_master_file();
  void take_events();
  void take_event(const JobDirectory& directory, const DirectoryEvent& event);
  void take_file_event(const JobDirectory& directory, const DirectoryEvent& event);
  void lose(const JobDirectory& directory);
  void look_at_changed_files();
  void report_changes();

  void scan(const JobDirectory& directory);
  void watch(const JobDirectory& directory);
  [[nodiscard]] std::vector<std::string> list(const std::string& path);
  [[nodiscard]] bool contains_itself(const JobDirectory& directory) const;

  void look_at(const JobDirectory& parent, const std::string& name);
  void look_at_link(const JobDirectory& parent, const std::string& name, const JobFileId& id);
  void take(const JobFileId& id, const std::string& path, const struct stat& info);
  void forget(const JobDirectory& parent, const std::string& name);
  void forget_directory(const JobDirectory& directory);

  [[nodiscard]] std::string path_of(const JobDirectory& directory) const;
  [[nodiscard]] std::string path_of(const JobDirectory& parent, std::string_view name) const;
  void say(core::Priority priority, std::string_view path, std::string_view text);

  sd_event* loop_;
  std::string master_file_;
  std::vector<std::string> sources_;
  OnChange on_change_;
  OnMessage on_message_;

  JobCatalog catalog_;
  DirectoryWatches watches_;
  loop::EventSource readable_;  ///< after watches_, whose descriptor it watches
  std::map<std::pair<JobDirectory, std::string>, Fate> changed_files_;
  NewLinks new_links_;

  bool walk_is_complete_ = true;   ///< nothing was passed over for want of memory or descriptors
  bool watch_has_failed_ = false;  ///< in this walk; said once
  std::size_t directories_ = 0;    ///< seen in this walk
};

}  // namespace upkeep::os
