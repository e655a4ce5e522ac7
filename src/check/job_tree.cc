// The manager's own walk (os/job_files.cc) looks at each name anew, since files come and go below
// it. This one takes a single look, and believes the directory on what is a file and what is not.
#include "check/job_tree.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "os/job_file_names.h"

namespace upkeep::check {
namespace {

struct Entry {
  std::string name;
  unsigned char type;  ///< DT_..., as the directory says
};

/// What tells one directory from all others.
using Identity = std::pair<dev_t, ino_t>;

class Walk {
 public:
  Walk(const std::function<void(const std::string&)>& on_file,
       const std::function<void(const std::string&, std::string)>& on_problem)
      : on_file_(on_file), on_problem_(on_problem) {}

  void enter(const std::string& path) {
    // The first is the directory that was asked for; see kMaxDepth.
    if (std::ssize(ancestors_) > os::kMaxDepth) {
      return on_problem_(path, "too many directories inside each other");
    }
    if (++directories_ > os::kMaxDirectories) {
      if (directories_ > os::kMaxDirectories + 1) return;
      return on_problem_(
          path, fmt::format("more than {} directories, skipped from here on", os::kMaxDirectories));
    }
    std::vector<Entry> entries;
    const auto self = list(path, entries);
    if (!self) return;
    if (std::ranges::find(ancestors_, *self) != ancestors_.end()) {
      return on_problem_(path, "the directory contains itself");
    }
    ancestors_.push_back(*self);
    const auto prefix = path.ends_with('/') ? path : path + '/';
    for (const auto& entry : entries) look_at(prefix + entry.name, entry);
    ancestors_.pop_back();
  }

 private:
  /// The names in a directory, sorted; nothing if it cannot be read, which has been said.
  std::optional<Identity> list(const std::string& path, std::vector<Entry>& entries) const {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
    struct stat info {};
    if (!directory) return refuse(path, errno);
    const int fd = ::dirfd(directory.get());
    if (fd < 0 || ::fstat(fd, &info) != 0) return refuse(path, errno);
    for (;;) {
      errno = 0;
      const auto* const entry = ::readdir(directory.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") entries.push_back({std::string(name), entry->d_type});
    }
    if (errno != 0) return refuse(path, errno);
    std::ranges::sort(entries, {}, &Entry::name);
    return Identity{info.st_dev, info.st_ino};
  }

  std::nullopt_t refuse(const std::string& path, int error) const {
    on_problem_(path, "unable to read directory: " + system_error_text(error));
    return std::nullopt;
  }

  void look_at(const std::string& path, const Entry& entry) {
    auto type = entry.type;
    if (type == DT_UNKNOWN) {
      struct stat info {};
      if (::lstat(path.c_str(), &info) != 0) return;  // gone
      type = static_cast<unsigned char>(IFTODT(info.st_mode));
    }
    if (type == DT_DIR) {
      if (!os::is_ignored_directory(entry.name)) enter(path);
      return;
    }
    const auto file = os::job_file({}, entry.name);
    if (!file) return;
    type == DT_LNK ? look_at_link(path, entry.name, file->kind) : on_file_(path);
  }

  /// A link may lead to a .conf, or to a directory if its name ends like a job file's; it never is
  /// an override. One to /dev/null takes a job away on purpose.
  void look_at_link(const std::string& path, std::string_view name, os::JobFileKind kind) {
    struct stat target {};
    const bool exists = ::stat(path.c_str(), &target) == 0;
    if (exists && S_ISDIR(target.st_mode)) {
      if (!os::is_ignored_directory(name)) enter(path);
    } else if (kind == os::JobFileKind::Conf && (!exists || S_ISREG(target.st_mode))) {
      on_file_(path);
    }
  }

  const std::function<void(const std::string&)>& on_file_;
  const std::function<void(const std::string&, std::string)>& on_problem_;
  std::vector<Identity> ancestors_;
  std::size_t directories_ = 0;
};

}  // namespace

void walk_job_files(
    const std::string& directory, const std::function<void(const std::string& path)>& on_file,
    const std::function<void(const std::string& path, std::string text)>& on_problem) {
  Walk(on_file, on_problem).enter(directory);
}

}  // namespace upkeep::check
