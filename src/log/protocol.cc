#include "log/protocol.h"

#include <cstring>

#include <fmt/format.h>

namespace upkeep::log {
namespace {

enum class Type : std::uint8_t { Open = 1, Close = 2, Done = 3, StartFailed = 4 };

/// The first bytes of each packet, as they stand in memory.
struct Header {
  std::array<char, 3> magic{'U', 'L', '1'};
  Type type{};
  std::uint32_t path_length = 0;
  std::uint64_t number = 0;  ///< stream id, or errno
};
static_assert(sizeof(Header) == kHeaderSize);

constexpr std::uint64_t kMaxErrno = 4095;  // the kernel's own bound

std::array<char, kHeaderSize> bytes_of(const Header& header) noexcept {
  std::array<char, kHeaderSize> bytes{};
  std::memcpy(bytes.data(), &header, kHeaderSize);
  return bytes;
}

std::string packet(const Header& header, std::string_view path = {}) {
  const auto bytes = bytes_of(header);
  std::string out(bytes.data(), bytes.size());
  return out.append(path);
}

struct Encoder {
  std::string operator()(const OpenStream& open) const {
    return packet({.type = Type::Open,
                   .path_length = static_cast<std::uint32_t>(open.path.size()),
                   .number = open.id.value},
                  open.path);
  }
  std::string operator()(CloseStream close) const {
    return packet({.type = Type::Close, .number = close.id.value});
  }
  std::string operator()(StreamDone done) const {
    return packet({.type = Type::Done, .number = done.id.value});
  }
  std::string operator()(StartFailed failed) const {
    const auto bytes = encode_start_failed(failed.error);
    return {bytes.data(), bytes.size()};
  }
};

Result<Message> parse_open(StreamId id, std::string_view path) {
  if (!path.empty() && !is_usable_path(path)) return failure("the path is not usable");
  return OpenStream{id, std::string(path)};
}

Result<Message> parse_start_failed(std::uint64_t number) {
  if (number > kMaxErrno) return failure("the error number is out of range");
  return StartFailed{static_cast<int>(number)};
}

}  // namespace

bool is_usable_path(std::string_view path) {
  return path.starts_with('/') && path.size() <= kMaxPath && !path.contains('\0');
}

std::string encode_message(const Message& message) {
  return std::visit(Encoder{}, message);
}

std::array<char, kHeaderSize> encode_start_failed(int error) noexcept {
  return bytes_of({.type = Type::StartFailed, .number = static_cast<std::uint64_t>(error)});
}

Result<Message> parse_message(std::string_view packet) {
  if (packet.size() < kHeaderSize) return failure("the message is too short");
  if (packet.size() > kMaxMessage) return failure("the message is too long");
  Header header;
  std::memcpy(&header, packet.data(), kHeaderSize);
  const auto path = packet.substr(kHeaderSize);

  if (header.magic != Header{}.magic) return failure("not a message of this protocol");
  if (header.path_length != path.size()) return failure("the length of the path is wrong");
  if (header.number == 0) return failure("the message names nothing");
  if (header.type != Type::Open && !path.empty()) return failure("a path stands where none may");
  switch (header.type) {
    case Type::Open: return parse_open(StreamId{header.number}, path);
    case Type::Close: return CloseStream{{header.number}};
    case Type::Done: return StreamDone{{header.number}};
    case Type::StartFailed: return parse_start_failed(header.number);
  }
  return failure(fmt::format("unknown message type {}", static_cast<unsigned>(header.type)));
}

}  // namespace upkeep::log
