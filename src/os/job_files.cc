// Events only say where to look; what is found there decides. So nothing is lost when several
// things happen at once, and a forced reload is the same look at everything.
#include "os/job_files.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/strings.h"
#include "conf/parser.h"
#include "os/job_file_reader.h"

namespace upkeep::os {
namespace {

using core::Priority;

/// Errors that say nothing about the file.
bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM;
}

bool is_absence(int error) {
  return error == ENOENT || error == ENOTDIR;
}

/// Adds the names in a directory. 0, or an errno.
int read_names(const std::string& path, std::vector<std::string>& names) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  if (!directory) return errno;
  for (;;) {
    errno = 0;
    const auto* const entry = ::readdir(directory.get());
    if (entry == nullptr) return errno;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
}

NewLinks::FileIdentity identity_of(const struct stat& info) {
  return {info.st_ino, info.st_mode & S_IFMT};
}

/// What has this name itself, wherever it may lead.
std::optional<struct stat> status_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? std::optional(info) : std::nullopt;
}

/// A file made by open() is looked at when it is closed. A link is complete from the start, and
/// nothing will be closed. Of a hard link whose other name has gone already nothing tells.
bool is_link(const struct stat& info) {
  return S_ISLNK(info.st_mode) || (S_ISREG(info.st_mode) && info.st_nlink > 1);
}

}  // namespace

JobFiles::JobFiles(sd_event* loop, JobFileSources sources, OnChange on_change, OnMessage on_message)
    : loop_(loop),
      master_file_(std::move(sources.master_file)),
      sources_(std::move(sources.directories)),
      on_change_(std::move(on_change)),
      on_message_(std::move(on_message)),
      catalog_(sources_.size()),
      new_links_(
          loop,
          [this](const NewLinks::Link& link) {
            const auto now = status_of(path_of(link.directory, link.name));
            if (!now || identity_of(*now) != link.identity) return;
            changed_files_[{link.directory, link.name}] = Fate::Present;
          },
          [this] {
            look_at_changed_files();
            report_changes();
          }) {}

void JobFiles::load() {
  changed_files_.clear();
  new_links_.clear();
  walk_is_complete_ = true;
  watch_has_failed_ = false;
  directories_ = 0;
  watch_anew();
  check_master_file();
  catalog_.start_walk();
  for (std::size_t source = 0; source < sources_.size(); ++source) scan({source, ""});
  // What a shortage kept us from seeing may well be there.
  if (walk_is_complete_) catalog_.end_walk();
  report_changes();
}

// --- What the kernel tells -----------------------------------------------------------------------

/// With a new descriptor there are neither stale watches nor events from before.
void JobFiles::watch_anew() {
  readable_.reset();
  watches_.reopen();
  if (watches_.fd() < 0) return;  // watch() says so
  sd_event_source* source = nullptr;
  const int result =
      sd_event_add_io(loop_, &source, watches_.fd(), EPOLLIN, &JobFiles::on_readable, this);
  readable_.reset(source);
  if (result < 0)
    say(Priority::Warning, "job files", "unable to watch: " + system_error_text(-result));
}

int JobFiles::on_readable(sd_event_source*, int, std::uint32_t, void* self) noexcept {
  static_cast<JobFiles*>(self)->take_events();
  return 0;
}

void JobFiles::take_events() {
  directories_ = 0;
  for (const auto& event : watches_.read()) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      say(Priority::Warning, "job files", "too many changes at once, reading all anew");
      return load();
    }
    for (const auto& directory : watches_.directories(event.watch)) take_event(directory, event);
  }
  look_at_changed_files();
  report_changes();
}

void JobFiles::take_event(const JobDirectory& directory, const DirectoryEvent& event) {
  const bool of_directory = (event.mask & IN_ISDIR) != 0;
  const bool of_itself = (event.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0;
  if (!of_directory && !of_itself) return take_file_event(directory, event);

  look_at_changed_files();  // by the names they still have
  if (of_itself) return lose(directory);
  const bool appeared = (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0;
  appeared ? look_at(directory, event.name) : forget(directory, event.name);
}

void JobFiles::take_file_event(const JobDirectory& directory, const DirectoryEvent& event) {
  if (!job_file(directory, event.name)) return;
  auto fate = Fate::Present;
  if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0) fate = Fate::Gone;
  if ((event.mask & IN_CREATE) != 0) {
    const auto made = status_of(path_of(directory, event.name));
    if (!made || !is_link(*made)) return;
    if (new_links_.add({directory, event.name, identity_of(*made)})) return;
  }
  changed_files_[{directory, event.name}] = fate;
}

/// The directory itself was deleted, moved or unmounted.
void JobFiles::lose(const JobDirectory& directory) {
  if (!directory.relative.empty()) return forget_directory(directory);
  watches_.remove_tree(directory);
  say(Priority::Warning, path_of(directory),
      "the directory has gone; when it is back, reload the configuration");
}

/// Once for each file, however many events there were.
void JobFiles::look_at_changed_files() {
  for (const auto& [file, fate] : std::exchange(changed_files_, {})) {
    const auto& [parent, name] = file;
    if (fate == Fate::Gone) {
      forget(parent, name);
      continue;
    }
    forget_directory(child_directory(parent, name));  // a link to one may have stood there
    look_at(parent, name);
  }
}

void JobFiles::report_changes() {
  for (auto& change : catalog_.changes()) on_change_(std::move(change));
}

// --- What is on the disk -------------------------------------------------------------------------

void JobFiles::check_master_file() {
  if (master_file_.empty()) return;
  const auto text = read_job_file(master_file_, 0);
  if (!text) {
    if (!is_absence(text.error().number)) say(Priority::Error, master_file_, text.error().text);
    return;
  }
  const auto errors = conf::check_master_file(*text);
  if (errors.empty()) return;
  on_message_(Priority::Error, conf::format_diagnostic(master_file_, errors.front()));
}

void JobFiles::scan(const JobDirectory& directory) {
  const auto path = path_of(directory);
  if (std::ranges::count(directory.relative, '/') >= kMaxDepth) {
    return say(Priority::Warning, path, "too many directories inside each other, skipped");
  }
  if (++directories_ > kMaxDirectories) {
    if (directories_ > kMaxDirectories + 1) return;
    return say(Priority::Warning, path,
               fmt::format("more than {} directories, skipped from here on", kMaxDirectories));
  }
  if (contains_itself(directory)) {
    return say(Priority::Warning, path, "the directory contains itself, skipped");
  }
  watch(directory);  // first, so that nothing happens unseen in between
  for (const auto& name : list(path)) look_at(directory, name);
}

void JobFiles::watch(const JobDirectory& directory) {
  const auto path = path_of(directory);
  const int error = watches_.add(directory, path);
  // What is wrong with the directory is said when it is listed; without inotify all is as expected.
  if (error == 0 || error == EACCES || error == ENOSYS || is_absence(error)) return;
  if (std::exchange(watch_has_failed_, true)) return;
  const auto reason = error == ENOSPC ? "the limit fs.inotify.max_user_watches is reached"
                                      : system_error_text(error);
  say(Priority::Warning, path,
      fmt::format("unable to watch: {}; changes are seen when the configuration is reloaded",
                  reason));
}

/// The names in a directory, sorted. A directory that is not there has none.
std::vector<std::string> JobFiles::list(const std::string& path) {
  std::vector<std::string> names;
  const int error = read_names(path, names);
  if (is_shortage(error)) walk_is_complete_ = false;
  if (error != 0 && error != ENOENT) {
    say(Priority::Error, path, "unable to read directory: " + system_error_text(error));
  }
  std::ranges::sort(names);
  return names;
}

bool JobFiles::contains_itself(const JobDirectory& directory) const {
  struct stat info {};
  if (::stat(path_of(directory).c_str(), &info) != 0) return false;
  auto ancestor = directory;
  while (!ancestor.relative.empty()) {
    const auto slash = ancestor.relative.rfind('/');
    ancestor.relative.resize(slash == std::string::npos ? 0 : slash);
    struct stat other {};
    if (::stat(path_of(ancestor).c_str(), &other) != 0) return false;
    if (other.st_dev == info.st_dev && other.st_ino == info.st_ino) return true;
  }
  return false;
}

void JobFiles::look_at(const JobDirectory& parent, const std::string& name) {
  const auto path = path_of(parent, name);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (!is_absence(errno))
      say(Priority::Error, path, "unable to read: " + system_error_text(errno));
    return forget(parent, name);
  }
  if (S_ISDIR(info.st_mode)) {
    if (!is_ignored_directory(name)) scan(child_directory(parent, name));
    return;
  }
  const auto id = job_file(parent, name);
  if (!id) return;
  S_ISLNK(info.st_mode) ? look_at_link(parent, name, *id) : take(*id, path, info);
}

/// A link may lead to a .conf, or to a directory if its name ends like a job file's; it never is
/// an override (1.2).
void JobFiles::look_at_link(const JobDirectory& parent, const std::string& name,
                            const JobFileId& id) {
  const auto path = path_of(parent, name);
  struct stat target {};
  if (::stat(path.c_str(), &target) != 0) {
    const auto reason = errno == ENOENT ? "its target does not exist" : system_error_text(errno);
    say(Priority::Warning, path, "symbolic link ignored: " + reason);
    return catalog_.remove(id);
  }
  if (S_ISDIR(target.st_mode)) {
    if (!is_ignored_directory(name)) scan(child_directory(parent, name));
  } else if (id.kind == JobFileKind::Conf) {
    take(id, path, target);
  } else {
    catalog_.remove(id);
  }
}

void JobFiles::take(const JobFileId& id, const std::string& path, const struct stat& info) {
  if (!S_ISREG(info.st_mode)) {
    say(Priority::Info, path, "not a regular file, ignored");
    return catalog_.remove(id);
  }
  auto text = read_job_file(path, id.kind == JobFileKind::Override ? O_NOFOLLOW : 0);
  if (!text && is_absence(text.error().number)) return catalog_.remove(id);
  if (!text && is_shortage(text.error().number)) {
    walk_is_complete_ = false;
    say(Priority::Error, path, text.error().text);
    return catalog_.keep(id);
  }
  auto result = text ? Result<std::string>(*std::move(text))
                     : failure(fmt::format("{}: {}", printable(path), text.error().text));
  for (auto& remark : catalog_.put(id, path, std::move(result))) {
    on_message_(remark.priority, std::move(remark.text));
  }
}

/// Neither a file nor a directory of this name is there.
void JobFiles::forget(const JobDirectory& parent, const std::string& name) {
  if (const auto id = job_file(parent, name)) catalog_.remove(*id);
  forget_directory(child_directory(parent, name));
}

void JobFiles::forget_directory(const JobDirectory& directory) {
  watches_.remove_tree(directory);
  catalog_.remove_below(directory);
}

std::string JobFiles::path_of(const JobDirectory& directory) const {
  const auto& source = sources_[directory.source];
  return directory.relative.empty() ? source : source + "/" + directory.relative;
}

std::string JobFiles::path_of(const JobDirectory& parent, std::string_view name) const {
  return path_of(child_directory(parent, name));
}

void JobFiles::say(Priority priority, std::string_view path, std::string_view text) {
  on_message_(priority, fmt::format("{}: {}", printable(path), text));
}

}  // namespace upkeep::os
