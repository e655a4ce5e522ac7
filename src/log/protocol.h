// What upkeepd and upkeep-logger say to each other, one message to a SEQPACKET packet. Both are of
// one build on one machine, so numbers are in host order; the parser is strict all the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "log/stream_sink.h"

namespace upkeep::log {

/// Manager to logger, with the source's descriptor: copy it to `path`; an empty path means that
/// the output is read and thrown away.
struct OpenStream {
  StreamId id;
  std::string path;
  friend bool operator==(const OpenStream&, const OpenStream&) = default;
};

/// Manager to logger: the process behind the stream has ended.
struct CloseStream {
  StreamId id;
  friend bool operator==(CloseStream, CloseStream) = default;
};

/// Logger to manager: the stream is at its end and its output is in the file, or is kept by the
/// logger because the file cannot be written now. The manager's duplicate is of no more use.
struct StreamDone {
  StreamId id;
  friend bool operator==(StreamDone, StreamDone) = default;
};

/// To the manager, from the child that could not execute the logger.
struct StartFailed {
  int error = 0;  ///< errno
  friend bool operator==(StartFailed, StartFailed) = default;
};

using Message = std::variant<OpenStream, CloseStream, StreamDone, StartFailed>;

inline constexpr std::size_t kHeaderSize = 16;
inline constexpr std::size_t kMaxPath = 4096;
inline constexpr std::size_t kMaxMessage = kHeaderSize + kMaxPath;

/// Whether a message can carry this path: absolute, no NUL, at most kMaxPath bytes.
[[nodiscard]] bool is_usable_path(std::string_view path);

/// The packet for `message`. The message must be one that parse_message() would accept.
[[nodiscard]] std::string encode_message(const Message& message);

/// The packet for StartFailed, made without memory allocation: it is needed after fork.
[[nodiscard]] std::array<char, kHeaderSize> encode_start_failed(int error) noexcept;

/// The message in `packet`, which must be exactly one well-formed message.
[[nodiscard]] Result<Message> parse_message(std::string_view packet);

}  // namespace upkeep::log
