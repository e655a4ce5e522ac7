// The inside of upkeep-logger: reads every stream, writes their files, one thread, one epoll.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <sys/epoll.h>
#include <sys/resource.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "log/log_file.h"
#include "log/protocol.h"

namespace upkeep::log {

/// Always reads what the jobs write, whatever becomes of the files, so that no job waits for a
/// disk that is full. A turn reads at most 64 KiB of each stream, so that no job starves another.
class Logger {
 public:
  struct Options {
    Rotation rotation;
    rlim_t descriptors = 1024;  ///< how many this process may have
  };

  /// `control` is the socket to the manager.
  [[nodiscard]] static Result<std::unique_ptr<Logger>> create(UniqueFd control, Options options,
                                                              Warn warn);

  /// Works until the manager has gone and every stream has ended.
  void run();

 private:
  /// All streams of one instance write to one file.
  struct SharedFile {
    LogFile file;
    std::string path;
    std::size_t streams = 0;
  };
  struct Stream {
    UniqueFd source;
    SharedFile* file = nullptr;  ///< none: read and thrown away
  };

  Logger(UniqueFd control, UniqueFd epoll, Options options, Warn warn);

  void turn();
  [[nodiscard]] int wait_milliseconds() const;
  void retry_files();

  void serve_control(std::uint32_t events);
  void read_control();
  void watch_control();
  void drop_control();
  [[nodiscard]] bool has_room() const;
  void send_done();

  void open_stream(const OpenStream& message, UniqueFd source);
  void close_stream(StreamId id);
  void pump(StreamId id);
  void end_stream(StreamId id);

  SharedFile& use_file(const std::string& path);
  void review_file(SharedFile& shared);

  UniqueFd control_;
  UniqueFd epoll_;
  Options options_;
  Warn warn_;

  MemoryBudget budget_;
  std::vector<char> buffer_;
  std::unordered_map<std::string, std::unique_ptr<SharedFile>> files_;
  std::unordered_set<SharedFile*> waiting_;  ///< files that keep output they could not write
  std::unordered_map<StreamId, Stream> streams_;

  std::deque<StreamId> done_;  ///< ended, and the manager does not know yet
  std::uint32_t control_events_ = EPOLLIN;
  bool send_later_ = false;  ///< the kernel had no memory for a message
  bool full_reported_ = false;
  /// When to try again what could not be done; nothing while all is well, and no wake-up then.
  std::optional<std::chrono::steady_clock::time_point> retry_at_;
};

}  // namespace upkeep::log
