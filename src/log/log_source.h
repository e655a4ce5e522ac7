// The reading side of a stream: a pty master or a pipe.
#pragma once

#include <cstddef>
#include <span>

namespace upkeep::log {

/// What one visit to a source brought.
struct Reading {
  std::size_t size = 0;  ///< bytes now in the buffer
  bool ended = false;    ///< there will be no more
};

/// Reads until `buffer` is full or nothing is left, so that one write takes many small reads (a
/// pty gives at most 4 KiB at a time). `source` must be non-blocking.
[[nodiscard]] Reading read_source(int source, std::span<char> buffer);

/// The process behind `source` has ended. A pty whose other side was never opened would never
/// end, so it is opened and closed once: if nobody else holds it, this is its end.
void note_process_end(int source);

}  // namespace upkeep::log
