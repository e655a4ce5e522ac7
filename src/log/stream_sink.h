// Where the output of jobs goes: the one thing the platform needs to know of logging.
#pragma once

#include <string>

#include "base/strong_id.h"
#include "base/unique_fd.h"

namespace upkeep::log {

/// Names one output stream of one process. Never used twice while the stream lives.
using StreamId = StrongId<struct StreamIdTag>;

class StreamSink {
 public:
  virtual ~StreamSink() = default;

  /// Copies everything read from `source` (a pty master or the reading end of a pipe,
  /// non-blocking) to the file `path` (absolute) until end of file. Never blocks; keeps a
  /// duplicate so that a crashed logger loses nothing.
  virtual void open(StreamId id, UniqueFd source, std::string path) = 0;

  /// The process behind the stream has ended; whatever is still in it is read to its end.
  virtual void close(StreamId id) = 0;
};

}  // namespace upkeep::log
