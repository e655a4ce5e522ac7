#include "log/channel.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <sys/socket.h>

namespace upkeep::log {
namespace {

/// More than a valid message carries, so that surplus descriptors are seen and closed.
constexpr std::size_t kMaxDescriptors = 8;

SendResult failed_send(int error) {
  switch (error) {
    case EAGAIN: return SendResult::Full;
    case ENOMEM:
    case ENOBUFS:
    case ETOOMANYREFS: return SendResult::Later;
    default: return SendResult::Broken;
  }
}

std::vector<UniqueFd> take_descriptors(msghdr& header) {
  std::vector<UniqueFd> descriptors;
  for (auto* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const auto count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

Receipt malformed(std::string problem) {
  return {Receipt::Status::Malformed, {}, {}, std::move(problem)};
}

Receipt checked(std::string_view packet, int flags, std::vector<UniqueFd> descriptors) {
  if ((flags & MSG_TRUNC) != 0) return malformed("the message is too long");
  if ((flags & MSG_CTRUNC) != 0) return malformed("a descriptor was lost on the way");
  auto message = parse_message(packet);
  if (!message) return malformed(message.error().message);
  const std::size_t expected = std::holds_alternative<OpenStream>(*message) ? 1 : 0;
  if (descriptors.size() != expected) return malformed("the number of descriptors is wrong");
  return {Receipt::Status::Received,
          std::move(*message),
          expected == 1 ? std::move(descriptors[0]) : UniqueFd{},
          {}};
}

}  // namespace

SendResult send_message(int socket, const Message& message, int descriptor) {
  auto packet = encode_message(message);
  iovec data{packet.data(), packet.size()};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  if (descriptor >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    auto* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
  }
  while (::sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return failed_send(errno);
  }
  return SendResult::Sent;
}

Receipt receive_message(int socket) {
  std::array<char, kMaxMessage> buffer;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxDescriptors * sizeof(int))> control;
  for (;;) {
    iovec data{buffer.data(), buffer.size()};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const auto size = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size > 0) {
      return checked({buffer.data(), static_cast<std::size_t>(size)}, header.msg_flags,
                     take_descriptors(header));
    }
    if (size < 0 && errno == EAGAIN) return {};
    // ECONNRESET says, once, that the other side has gone without reading all we sent. What it
    // has sent itself can still be read.
    if (size < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
    return {Receipt::Status::End, {}, {}, {}};
  }
}

}  // namespace upkeep::log
