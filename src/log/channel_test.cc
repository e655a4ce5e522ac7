#include "log/channel.h"

#include <cstring>

#include <sys/socket.h>

#include "log/test_support.h"

namespace upkeep::log {
namespace {

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    near_.reset(ends[0]);
    far_.reset(ends[1]);
  }

  /// Sends any bytes with any number of descriptors.
  void send_raw(std::string bytes, std::size_t descriptors) {
    iovec data{bytes.data(), bytes.size()};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    std::vector<int> fds(descriptors, near_.value());
    alignas(cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))]{};
    if (descriptors > 0) {
      header.msg_control = control;
      header.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
      auto* part = CMSG_FIRSTHDR(&header);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
      std::memcpy(CMSG_DATA(part), fds.data(), descriptors * sizeof(int));
    }
    ASSERT_EQ(::sendmsg(near_.value(), &header, 0), static_cast<ssize_t>(bytes.size()));
  }

  std::string problem_of_next() {
    const auto receipt = receive_message(far_.value());
    EXPECT_EQ(receipt.status, Receipt::Status::Malformed);
    EXPECT_FALSE(receipt.descriptor);
    return receipt.problem;
  }

  UniqueFd near_;
  UniqueFd far_;
};

TEST_F(ChannelTest, PassesADescriptor) {
  auto [source, job] = make_pipe();
  ASSERT_EQ(send_message(near_.value(), OpenStream{{3}, "/log"}, source.value()), SendResult::Sent);
  source.reset();
  const auto receipt = receive_message(far_.value());
  ASSERT_EQ(receipt.status, Receipt::Status::Received);
  EXPECT_EQ(receipt.message, Message(OpenStream{{3}, "/log"}));
  write_all(job.value(), "x");
  char byte = 0;
  EXPECT_EQ(::read(receipt.descriptor.value(), &byte, 1), 1);
  EXPECT_EQ(receive_message(far_.value()).status, Receipt::Status::Empty);
}

TEST_F(ChannelTest, MalformedMessagesLeaveNoDescriptorBehind) {
  const auto before = descriptor_count(::getpid());
  send_raw(encode_message(OpenStream{{3}, "/log"}), 0);
  EXPECT_EQ(problem_of_next(), "the number of descriptors is wrong");
  send_raw(encode_message(OpenStream{{3}, "/log"}), 2);
  EXPECT_EQ(problem_of_next(), "the number of descriptors is wrong");
  send_raw(encode_message(CloseStream{{3}}), 1);
  EXPECT_EQ(problem_of_next(), "the number of descriptors is wrong");
  send_raw(encode_message(OpenStream{{3}, "/log"}), 40);
  EXPECT_EQ(problem_of_next(), "a descriptor was lost on the way");
  send_raw("hello", 1);
  EXPECT_EQ(problem_of_next(), "the message is too short");
  send_raw(std::string(kMaxMessage + 1, 'x'), 1);
  EXPECT_EQ(problem_of_next(), "the message is too long");
  EXPECT_EQ(descriptor_count(::getpid()), before);
}

TEST_F(ChannelTest, AFullSocketIsSaid) {
  auto result = SendResult::Sent;
  int sent = 0;
  for (; result == SendResult::Sent && sent < 100'000; ++sent) {
    result = send_message(near_.value(), StreamDone{{1}});
  }
  EXPECT_EQ(result, SendResult::Full);
}

TEST_F(ChannelTest, WhatWasSentBeforeTheEndIsRead) {
  // `far_` leaves something unread behind when it goes: that is what makes ECONNRESET.
  ASSERT_EQ(send_message(near_.value(), CloseStream{{1}}), SendResult::Sent);
  ASSERT_EQ(send_message(far_.value(), StreamDone{{5}}), SendResult::Sent);
  far_.reset();
  const auto receipt = receive_message(near_.value());
  ASSERT_EQ(receipt.status, Receipt::Status::Received);
  EXPECT_EQ(receipt.message, Message(StreamDone{{5}}));
  EXPECT_EQ(receive_message(near_.value()).status, Receipt::Status::End);
  EXPECT_EQ(send_message(near_.value(), CloseStream{{1}}), SendResult::Broken);
}

}  // namespace
}  // namespace upkeep::log
