// inotify with names for its numbers.
#include "os/directory_watches.h"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/inotify.h>
#include <unistd.h>

namespace upkeep::os {
namespace {

constexpr std::uint32_t kEvents = IN_CREATE | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::size_t kBufferBytes = 64U << 10;

}  // namespace

void DirectoryWatches::reopen() {
  watches_.clear();
  names_.clear();
  fd_.reset();  // first, as the number of descriptors for each user is limited
  fd_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  error_ = errno;
}

int DirectoryWatches::add(const JobDirectory& directory, const std::string& path) {
  if (!fd_) return error_;
  const int watch = ::inotify_add_watch(fd_.value(), path.c_str(), kEvents);
  if (watch < 0) return errno;
  const auto known = watches_.find(directory);
  if (known != watches_.end()) {
    if (known->second == watch) return 0;
    remove(known);
  }
  watches_.emplace(directory, watch);
  names_[watch].insert(directory);
  return 0;
}

void DirectoryWatches::remove_tree(const JobDirectory& directory) {
  const auto exact = watches_.find(directory);
  if (exact != watches_.end()) remove(exact);
  const JobDirectory first{directory.source,
                           directory.relative.empty() ? "" : directory.relative + "/"};
  const auto is_below = [&first](const JobDirectory& other) {
    return other.source == first.source && other.relative.starts_with(first.relative);
  };
  auto entry = watches_.lower_bound(first);
  while (entry != watches_.end() && is_below(entry->first)) remove(entry++);
}

std::vector<JobDirectory> DirectoryWatches::directories(int watch) const {
  const auto found = names_.find(watch);
  if (found == names_.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::vector<DirectoryEvent> DirectoryWatches::read() {
  alignas(inotify_event) std::array<char, kBufferBytes> buffer;
  const auto size = ::read(fd_.value(), buffer.data(), buffer.size());
  std::vector<DirectoryEvent> events;
  for (ssize_t at = 0; at < size;) {
    const auto* const event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
    events.push_back({event->wd, event->mask, event->len > 0 ? event->name : ""});
    at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
  }
  return events;
}

void DirectoryWatches::remove(std::map<JobDirectory, int>::iterator entry) {
  const auto watch = entry->second;
  const auto names = names_.find(watch);
  names->second.erase(entry->first);
  watches_.erase(entry);
  if (!names->second.empty()) return;
  names_.erase(names);
  ::inotify_rm_watch(fd_.value(), watch);  // fails harmlessly if the directory is gone
}

}  // namespace upkeep::os
