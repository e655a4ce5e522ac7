#include "os/tree_marks.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/strings.h"
#include "base/unique_fd.h"
#include "os/proc_file.h"

namespace upkeep::os {

TreeMarks::TreeMarks(rlim_t own_limit) {
  constexpr rlim_t kOuterRange = rlim_t{1} << 32U;
  constexpr rlim_t kInnerRange = rlim_t{1} << 8U;
  if (sizeof(long) < sizeof(rlim_t) || own_limit == 0) return;  // limits of 32 bits are too few
  if (own_limit == RLIM_INFINITY) {
    top_ = rlim_t{1} << 63U;
    shift_ = 32;
    most_ = 1ULL << 30U;
  } else if (own_limit % kOuterRange == 0) {
    top_ = own_limit;
    shift_ = 8;
    most_ = (1ULL << 24U) - 1;
  } else if (own_limit % kInnerRange == 0) {
    top_ = own_limit;
    shift_ = 0;
    most_ = 255;
  }
}

TreeMarks TreeMarks::of_this_process() {
  rlimit limit{};
  return TreeMarks(::getrlimit(RLIMIT_LOCKS, &limit) == 0 ? limit.rlim_max : 0);
}

std::optional<rlim_t> TreeMarks::mark_of(core::TreeId tree) const {
  if (tree.value == 0 || tree.value > most_) return std::nullopt;
  return top_ - (rlim_t{tree.value} << shift_);
}

std::optional<core::TreeId> TreeMarks::tree_of(rlim_t mark) const {
  if (mark > top_) return std::nullopt;
  const auto id = (top_ - mark) >> shift_;
  if (id == 0 || id > most_) return std::nullopt;
  return core::TreeId{id};
}

std::optional<rlim_t> lock_limit(pid_t pid) {
  // A system call where it is allowed: it costs a seventh of what reading the file does.
  rlimit limit{};
  if (::prlimit(pid, RLIMIT_LOCKS, nullptr, &limit) == 0) return limit.rlim_max;

  const UniqueFd file(::open(fmt::format("/proc/{}/limits", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  const auto text = read_proc_file(file.value());
  const auto found = text.find("\nMax file locks ");
  if (found == std::string::npos) return std::nullopt;
  const auto line =
      std::string_view(text).substr(found + 1, text.find('\n', found + 1) - found - 1);
  // Name, soft limit, hard limit and unit in columns of blanks: the third word from the front of
  // what follows the name is the unit.
  constexpr std::size_t kNameWidth = 26;
  if (line.size() <= kNameWidth) return std::nullopt;
  std::string_view hard;
  int words = 0;
  for (const auto word : split(line.substr(kNameWidth), ' ')) {
    if (!word.empty() && ++words == 2) hard = word;
  }
  if (hard == "unlimited") return RLIM_INFINITY;
  const auto value = parse_decimal(hard);
  if (!value) return std::nullopt;
  return *value;
}

}  // namespace upkeep::os
