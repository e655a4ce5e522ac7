#include "os/process_scan.h"

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"
#include "os/proc_file.h"

// glibc 2.36 forgets to tell C++ that these are C.
extern "C" {
#include <sys/pidfd.h>
}

namespace upkeep::os {
namespace {

/// A page of a list of children costs about as much as so many processes.
constexpr int kCostOfPage = 40;

std::uint64_t number(std::string_view text) {
  return parse_decimal(text).value_or(0);
}

std::optional<pid_t> pid_from(std::string_view text) {
  const auto value = parse_decimal(text);
  constexpr auto kHighest = 1U << 22U;  // the limit of the kernel for pid_max
  if (!value || *value == 0 || *value > kHighest) return std::nullopt;
  return static_cast<pid_t>(*value);
}

using Directory = std::unique_ptr<DIR, decltype([](DIR* directory) { ::closedir(directory); })>;

/// Directory entries that are numbers: processes of /proc, threads of a process.
std::vector<pid_t> numbers_in(const std::string& path) {
  std::vector<pid_t> numbers;
  const Directory directory(::opendir(path.c_str()));
  if (!directory) return numbers;
  while (const auto* entry = ::readdir(directory.get())) {
    if (const auto pid = pid_from(entry->d_name)) numbers.push_back(*pid);
  }
  return numbers;
}

}  // namespace

// ---- One process -----------------------------------------------------------------------------

std::optional<ProcessStat> process_stat(pid_t pid) {
  const UniqueFd file(::open(fmt::format("/proc/{}/stat", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  const auto text = read_proc_file(file.value());
  // The name is in parentheses and may contain anything, also blanks and parentheses.
  const auto name_begin = text.find('(');
  const auto name_end = text.rfind(") ");
  if (name_begin == std::string::npos || name_end == std::string::npos) return std::nullopt;

  // Fields 3, 4, 20 and 22 of proc(5).
  constexpr std::size_t kState = 0, kParent = 1, kThreads = 17, kStart = 19;
  const auto fields = split(std::string_view(text).substr(name_end + 2), ' ');
  if (fields.size() <= kStart || fields[kState].empty()) return std::nullopt;
  return ProcessStat{.name = text.substr(name_begin + 1, name_end - name_begin - 1),
                     .state = fields[kState].front(),
                     .parent = static_cast<pid_t>(number(fields[kParent])),
                     .threads = number(fields[kThreads]),
                     .start = number(fields[kStart])};
}

int PinnedProcess::send(int signal) const {
  return ::pidfd_send_signal(pidfd.value(), signal, nullptr, 0) < 0 ? errno : 0;
}

std::optional<PinnedProcess> pin(pid_t pid) {
  UniqueFd pidfd(::pidfd_open(pid, 0));
  if (!pidfd) return std::nullopt;
  auto stat = process_stat(pid);
  struct stat inode {};
  if (!stat || ::fstat(pidfd.value(), &inode) < 0) return std::nullopt;
  PinnedProcess process{std::move(pidfd), {pid, stat->start, inode.st_ino}, std::move(*stat)};
  // Asked last: if it is still there, what was read is its own.
  if (process.send(0) == ESRCH) return std::nullopt;
  return process;
}

std::optional<PinnedProcess> pin(const ProcessIdentity& identity) {
  auto process = pin(identity.pid);
  if (process && process->identity != identity) process.reset();
  return process;
}

// ---- Lists of children -----------------------------------------------------------------------

ChildList::ChildList(pid_t pid, pid_t thread)
    : file_(::open(fmt::format("/proc/{}/task/{}/children", pid, thread).c_str(),
                   O_RDONLY | O_CLOEXEC)) {}

bool ChildList::read(std::vector<pid_t>& children) {
  // More than the page that the kernel hands out at a time, so that it never cuts a number.
  std::array<char, 8192> buffer;
  if (!file_) return false;
  const auto size =
      ::pread(file_.value(), buffer.data(), buffer.size(), static_cast<off_t>(offset_));
  if (size <= 0) return false;
  std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  text = text.substr(0, text.rfind(' ') + 1);
  offset_ += text.size();
  for (const auto word : split(text, ' ')) {
    if (const auto pid = pid_from(word)) children.push_back(*pid);
  }
  return !text.empty();
}

void ChildList::removed(pid_t child) {
  offset_ -= fmt::formatted_size("{} ", child);
}

bool has_child_lists() {
  return ::access("/proc/thread-self/children", R_OK) == 0;
}

Families all_families() {
  Families families;
  for (const pid_t pid : numbers_in("/proc")) {
    if (const auto stat = process_stat(pid)) families[stat->parent].push_back(pid);
  }
  return families;
}

// ---- The walk --------------------------------------------------------------------------------

/// The children of one process, as far as they have been read.
struct ProcessScan::Expansion {
  PinnedProcess parent;
  std::vector<pid_t> threads;  ///< whose children have not been read
  std::optional<ChildList> list;
  std::vector<pid_t> children;
  std::size_t next = 0;
};

ProcessScan::ProcessScan(std::vector<pid_t> roots, IsRoot is_root,
                         std::shared_ptr<const Families> families)
    : roots_(std::move(roots)), is_root_(std::move(is_root)), families_(std::move(families)) {}

ProcessScan::ProcessScan(ProcessScan&&) noexcept = default;
ProcessScan::~ProcessScan() = default;

bool ProcessScan::go_on(int& budget, const Visit& visit) {
  while (budget > 0) {
    --budget;
    if (next_root_ < roots_.size()) {
      visit_root(roots_[next_root_++], visit);
    } else if (expansion_ && expansion_->next < expansion_->children.size()) {
      visit_child(expansion_->children[expansion_->next++], visit);
    } else if (expansion_ && read_more_children()) {
      if (!expansion_->children.empty()) budget -= kCostOfPage;
    } else if (!parents_.empty()) {
      const auto parent = parents_.front();
      parents_.pop_front();
      expand(parent);
    } else {
      expansion_.reset();
      return true;
    }
  }
  return false;
}

/// Only the manager reaps its children: while it has not, the number is the child's.
void ProcessScan::visit_root(pid_t pid, const Visit& visit) {
  auto process = is_root_(pid) ? pin(pid) : std::nullopt;
  if (!process) {
    missed_some_ = true;
    return;
  }
  note(std::move(*process), visit);
}

void ProcessScan::visit_child(pid_t pid, const Visit& visit) {
  if (visited_.contains(pid)) return;
  auto process = pin(pid);
  // The second half: only if the parent is there still was it the one that /proc has named.
  const auto& parent = expansion_->parent;
  const bool certain =
      process && process->stat.parent == parent.identity.pid && parent.send(0) != ESRCH;
  if (!certain) {
    missed_some_ = true;
    return;
  }
  process->generation = parent.generation + 1;
  note(std::move(*process), visit);
}

void ProcessScan::note(PinnedProcess process, const Visit& visit) {
  if (process.stat.dead() || !visited_.insert(process.identity.pid).second) return;
  parents_.push_back({process.identity, process.generation});
  visit(process);
}

void ProcessScan::expand(const Parent& parent) {
  expansion_.reset();
  auto process = pin(parent.identity);
  if (!process) {
    missed_some_ = true;
    return;
  }
  expansion_ = std::make_unique<Expansion>();
  if (families_) {
    const auto found = families_->find(parent.identity.pid);
    if (found != families_->end()) expansion_->children = found->second;
  } else if (process->stat.threads <= 1) {
    expansion_->threads = {parent.identity.pid};
  } else {
    expansion_->threads = numbers_in(fmt::format("/proc/{}/task", parent.identity.pid));
  }
  process->generation = parent.generation;
  expansion_->parent = std::move(*process);
}

/// False when there are no more.
bool ProcessScan::read_more_children() {
  auto& expansion = *expansion_;
  expansion.children.clear();
  expansion.next = 0;
  if (!expansion.list) {
    if (expansion.threads.empty()) return false;
    expansion.list.emplace(expansion.parent.identity.pid, expansion.threads.back());
    expansion.threads.pop_back();
  }
  if (!expansion.list->read(expansion.children)) expansion.list.reset();
  return true;
}

}  // namespace upkeep::os
