#include "log/protocol.h"

#include <cstring>

#include <gtest/gtest.h>

namespace upkeep::log {
namespace {

constexpr std::size_t kTypeAt = 3;
constexpr std::size_t kLengthAt = 4;
constexpr std::size_t kNumberAt = 8;

std::string problem_of(const std::string& packet) {
  const auto message = parse_message(packet);
  return message ? "" : message.error().message;
}

TEST(Protocol, EveryMessageSurvivesTheWay) {
  const Message messages[] = {OpenStream{{7}, "/var/log/upstart/job.log"},
                              OpenStream{{8}, ""},
                              OpenStream{{9}, "/" + std::string(kMaxPath - 1, 'x')},
                              CloseStream{{~std::uint64_t{0}}},
                              StreamDone{{1}},
                              StartFailed{2}};
  for (const auto& message : messages) {
    const auto parsed = parse_message(encode_message(message));
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, message);
  }
}

TEST(Protocol, EveryTruncationIsRefused) {
  const auto packet = encode_message(OpenStream{{7}, "/log"});
  for (std::size_t size = 0; size < packet.size(); ++size) {
    EXPECT_NE(problem_of(packet.substr(0, size)), "") << size;
  }
  EXPECT_EQ(problem_of(packet + "x"), "the length of the path is wrong");
}

TEST(Protocol, PathsAreAbsoluteBoundedAndWithoutNul) {
  const auto open_with = [](const std::string& path) {
    return problem_of(encode_message(OpenStream{{7}, path}));
  };
  EXPECT_EQ(open_with("log"), "the path is not usable");
  EXPECT_EQ(open_with(std::string("/a\0b", 4)), "the path is not usable");
  EXPECT_EQ(open_with("/" + std::string(kMaxPath, 'x')), "the message is too long");
}

TEST(Protocol, HeadersAreStrict) {
  const auto good = encode_message(CloseStream{{7}});
  auto packet = good;
  packet[2] = '2';
  EXPECT_EQ(problem_of(packet), "not a message of this protocol");

  packet = good;
  packet[kTypeAt] = 9;
  EXPECT_EQ(problem_of(packet), "unknown message type 9");

  packet = good;
  packet.replace(kNumberAt, 8, 8, '\0');
  EXPECT_EQ(problem_of(packet), "the message names nothing");

  packet = encode_message(OpenStream{{7}, "/log"});
  packet[kTypeAt] = 2;
  EXPECT_EQ(problem_of(packet), "a path stands where none may");

  packet = encode_message(OpenStream{{7}, "/log"});
  packet.replace(kLengthAt, 4, 4, '\xff');
  EXPECT_EQ(problem_of(packet), "the length of the path is wrong");

  packet = encode_message(StartFailed{2});
  packet.replace(kNumberAt, 8, 8, '\xff');
  EXPECT_EQ(problem_of(packet), "the error number is out of range");
}

}  // namespace
}  // namespace upkeep::log
