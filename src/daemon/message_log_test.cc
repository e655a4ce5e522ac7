#include "daemon/message_log.h"

#include <array>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace upkeep::daemon {
namespace {

using core::Priority;

/// What is written to standard error while it exists.
class CapturedError {
 public:
  CapturedError() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK), 0);
    reader_.reset(ends[0]);
    saved_.reset(::dup(STDERR_FILENO));
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  ~CapturedError() { ::dup2(saved_.value(), STDERR_FILENO); }

  std::string read() {
    std::string text(1 << 20, '\0');
    const auto length = ::read(reader_.value(), text.data(), text.size());
    text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    return text;
  }

 private:
  UniqueFd reader_, saved_;
};

TEST(MessageLog, PrefixFollowsTheConventionOfTheOriginal) {  // spec/job-language.md 7.1
  EXPECT_EQ(MessageLog::prefixed("foo main process ended"), "init: foo main process ended");
  EXPECT_EQ(MessageLog::prefixed("/etc/init/foo.conf:3:1: unknown"),
            "init:/etc/init/foo.conf:3:1: unknown");
}

TEST(MessageLog, WritesOnlyWhatIsImportantEnough) {
  CapturedError error;
  MessageLog log(MessageLog::Target::StandardError, Priority::Warning);
  log.write(Priority::Message, "no");
  log.write(Priority::Warning, "yes");
  log.set_threshold(Priority::Debug);
  log.write(Priority::Debug, "now too");
  EXPECT_EQ(error.read(), "init: yes\ninit: now too\n");
}

TEST(MessageLog, ShowsWhatATerminalWouldObey) {
  CapturedError error;
  MessageLog log(MessageLog::Target::StandardError, Priority::Info);
  log.write(Priority::Error, "job \x1b[2J\nsecond line");
  EXPECT_EQ(error.read(), "init: job \\x1b[2J\nsecond line\n");
}

TEST(MessageLog, DoesNotWaitForAReaderWhoIsAsleep) {
  CapturedError error;
  MessageLog log(MessageLog::Target::StandardError, Priority::Info);
  const std::string line(1000, 'x');
  for (int i = 0; i < 1000; ++i) log.write(Priority::Error, line);  // far more than a pipe holds
  EXPECT_FALSE(error.read().empty());
}

}  // namespace
}  // namespace upkeep::daemon
