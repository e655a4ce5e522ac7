#include "os/cpu_use.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "os/proc_file.h"

namespace upkeep::os {
namespace {

constexpr std::size_t kMaxProcesses = 256;
constexpr int kMaxThreads = 256;

std::string read_file(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file ? read_proc_file(file.value()) : std::string();
}

struct Stat {
  char state = 0;
  unsigned long long ticks = 0;
};

/// Nothing if the process has gone.
std::optional<Stat> read_stat(pid_t pid) {
  // Places after the name, which is in parentheses and may contain anything: proc(5).
  constexpr std::size_t kState = 0;
  constexpr std::size_t kUserTime = 11;
  constexpr std::size_t kTimes = 4;  // user, system, and the same of children waited for
  const auto text = read_file(fmt::format("/proc/{}/stat", pid));
  const auto name_end = text.rfind(") ");
  if (name_end == std::string::npos) return std::nullopt;
  const auto fields = split(std::string_view(text).substr(name_end + 2), ' ');
  if (fields.size() < kUserTime + kTimes || fields[kState].empty()) return std::nullopt;
  Stat stat{.state = fields[kState][0]};
  for (std::size_t i = 0; i < kTimes; ++i) {
    stat.ticks += parse_decimal(fields[kUserTime + i]).value_or(0);
  }
  return stat;
}

class Tree {
 public:
  explicit Tree(const std::vector<pid_t>& roots) {
    for (const pid_t pid : roots) add(pid);
  }

  CpuUse look() {
    CpuUse sum;
    for (std::size_t i = 0; i < found_.size(); ++i) {  // it grows
      const auto stat = read_stat(found_[i]);
      if (!stat) continue;
      const bool zombie = stat->state == 'Z' || stat->state == 'X';
      sum.used += stat->ticks * cpu_use_precision();
      sum.alive += zombie ? 0 : 1;
      sum.busy |= stat->state == 'R' || stat->state == 'D';
      if (!zombie) add_children(found_[i]);
    }
    return sum;
  }

 private:
  void add(pid_t pid) {
    if (found_.size() < kMaxProcesses && pid > 0 && known_.insert(pid).second) {
      found_.push_back(pid);
    }
  }

  /// Each thread has the children that it has made itself.
  void add_children(pid_t pid) {
    const auto path = fmt::format("/proc/{}/task", pid);
    const auto close = [](DIR* open) { ::closedir(open); };
    const std::unique_ptr<DIR, decltype(close)> threads(::opendir(path.c_str()), close);
    if (!threads) return;
    while (const auto* entry = ::readdir(threads.get())) {
      if (entry->d_name[0] == '.') continue;
      if (found_.size() == kMaxProcesses || ++threads_ > kMaxThreads) return;
      auto text = read_file(fmt::format("{}/{}/children", path, entry->d_name));
      text.resize(text.rfind(' ') + 1);  // a blank follows each: what has none is cut off
      for (const auto child : split(text, ' ')) {
        add(static_cast<pid_t>(parse_decimal(child).value_or(0)));
      }
    }
  }

  std::vector<pid_t> found_;
  std::unordered_set<pid_t> known_;
  int threads_ = 0;
};

}  // namespace

CpuUse cpu_use(const std::vector<pid_t>& roots) {
  return Tree(roots).look();
}

std::chrono::microseconds cpu_use_precision() {
  static const long per_second = ::sysconf(_SC_CLK_TCK);
  return std::chrono::microseconds(1'000'000 / per_second);
}

}  // namespace upkeep::os
