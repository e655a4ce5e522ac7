// The socket clients connect to.
#pragma once

#include <string>
#include <string_view>

#include <sys/socket.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace upkeep::control {

/// Listens at a D-Bus address, `unix:abstract=NAME` or `unix:path=PATH`. A file that a dead server
/// left at PATH is replaced; the file of this one goes with it.
class ListeningSocket {
 public:
  static Result<ListeningSocket> create(std::string_view address);

  ListeningSocket(ListeningSocket&& other) noexcept = default;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ~ListeningSocket();

  /// Non-blocking, close-on-exec.
  [[nodiscard]] int fd() const { return fd_.value(); }

 private:
  ListeningSocket(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;  ///< empty: abstract
};

}  // namespace upkeep::control
