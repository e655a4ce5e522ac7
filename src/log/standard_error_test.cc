#include "log/standard_error.h"

#include <array>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace upkeep::log {
namespace {

/// Standard error is `fd` while this exists.
class Redirected {
 public:
  explicit Redirected(int fd) : saved_(::dup(STDERR_FILENO)) { ::dup2(fd, STDERR_FILENO); }
  ~Redirected() { ::dup2(saved_.value(), STDERR_FILENO); }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  UniqueFd saved_;
};

std::string drained(int fd) {
  std::string text(1 << 20, '\0');
  std::size_t size = 0;
  for (;;) {
    const auto length = ::read(fd, text.data() + size, text.size() - size);
    if (length <= 0) break;
    size += static_cast<std::size_t>(length);
  }
  text.resize(size);
  return text;
}

/// Whether nothing ever waits, and lines come through again once somebody reads.
void expect_patience(int reader, int writer) {
  std::string before;
  std::string after;
  {
    const Redirected error(writer);
    const StandardError out;
    for (int i = 0; i < 3000; ++i) out.write(std::string(100, 'x') + "\n");
    before = drained(reader);
    out.write("again\n");
    after = drained(reader);
  }
  EXPECT_EQ(before.substr(0, 10), "xxxxxxxxxx");
  EXPECT_TRUE(after.starts_with("again")) << after;
}

TEST(StandardError, DoesNotWaitForATerminalThatNobodyReads) {
  const UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (!master || ::unlockpt(master.value()) != 0) GTEST_SKIP() << "no terminals here";
  const UniqueFd slave(::open(::ptsname(master.value()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(slave);
  expect_patience(master.value(), slave.value());
}

TEST(StandardError, DoesNotWaitForAPipeThatNobodyReads) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  ASSERT_EQ(::fcntl(reader.value(), F_SETFL, O_NONBLOCK), 0);
  expect_patience(reader.value(), writer.value());
  EXPECT_EQ(::fcntl(writer.value(), F_GETFL) & O_NONBLOCK, 0);
}

}  // namespace
}  // namespace upkeep::log
