// Messages over the socket between upkeepd and upkeep-logger. Nothing here waits.
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "log/protocol.h"

namespace upkeep::log {

enum class SendResult {
  Sent,
  Full,    ///< the socket is full: try again when it is writable
  Later,   ///< the kernel lacks memory or allows no more descriptors in flight: try after a while
  Broken,  ///< the other side has gone; reading tells when everything it said is known
};

/// Sends one message, with `descriptor` if it is not negative.
[[nodiscard]] SendResult send_message(int socket, const Message& message, int descriptor = -1);

/// One step of reading.
struct Receipt {
  enum class Status {
    Received,
    Empty,      ///< nothing to read now
    Malformed,  ///< a packet that says nothing valid was thrown away; see `problem`
    End,        ///< the other side has gone and everything it sent has been read
  };
  Status status = Status::Empty;
  Message message;
  UniqueFd descriptor;  ///< there exactly if the message is OpenStream
  std::string problem;
};

[[nodiscard]] Receipt receive_message(int socket);

}  // namespace upkeep::log
