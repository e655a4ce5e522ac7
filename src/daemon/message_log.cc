#include "daemon/message_log.h"

#include <array>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/strings.h"

namespace upkeep::daemon {
namespace {

/// Severities of the kernel's log, by Priority.
constexpr std::array kKernelLevels{7, 6, 5, 4, 3, 2};

/// The kernel refuses longer records.
constexpr std::size_t kLongestRecord = 900;

/// A multi-line message becomes as many lines; all else that is not text is escaped.
std::string line_of(std::string_view text) {
  std::string out;
  for (const auto part : split(text, '\n')) {
    if (!out.empty()) out += '\n';
    out += printable(part);
  }
  return out;
}

}  // namespace

MessageLog::MessageLog(Target target, core::Priority threshold) : threshold_(threshold) {
  if (target == Target::Kernel) {
    kernel_.reset(::open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  }
}

void MessageLog::write(core::Priority priority, std::string_view text) {
  if (!wants(priority)) return;
  auto line = prefixed(line_of(text));
  if (!kernel_) {
    standard_error_.write(line + "\n");
    return;
  }
  if (line.size() > kLongestRecord) line.resize(kLongestRecord);
  const auto record =
      fmt::format("<{}>{}\n", kKernelLevels[static_cast<std::size_t>(priority)], line);
  (void)::write(kernel_.value(), record.data(), record.size());
}

std::string MessageLog::prefixed(std::string_view text) {
  const auto word = text.substr(0, text.find(' '));
  const bool names_a_place = word.find(':') != std::string_view::npos;
  return fmt::format("init:{}{}", names_a_place ? "" : " ", text);
}

}  // namespace upkeep::daemon
