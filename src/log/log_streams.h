// The manager's side of logging: hands each stream to upkeep-logger and keeps that one alive.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/result.h"
#include "base/unique_fd.h"
#include "log/protocol.h"
#include "log/stream_sink.h"
#include "loop/handles.h"

namespace upkeep::log {

/// Never reads a byte of output and never waits.
///
/// The logger is started with the first stream. A duplicate of every source is kept here until the
/// logger says that the stream is done; when the logger dies another one is started and gets all
/// living streams again. Meanwhile output waits in the kernel's buffers, so that what is promised
/// is: no byte that the dead logger had not read is lost. What it had read and not yet written (at
/// most one chunk of 64 KiB, and what it kept for files that could not be written) may be.
///
/// A logger that cannot be started is tried again for ever, at last every 5 s. The sources stay
/// open: a job that writes more than the kernel holds waits until it is read, where closing them
/// would kill it.
///
/// When the manager ends, the logger reads all streams it has to their end. The logger is not
/// reaped here; whoever reaps the manager's children does that.
class LogStreams final : public StreamSink {
 public:
  struct Options {
    std::string program;                 ///< absolute path of upkeep-logger
    std::vector<std::string> arguments;  ///< its options
  };
  /// Takes one line for the administrator.
  using Warn = std::function<void(std::string)>;

  [[nodiscard]] static Result<std::unique_ptr<LogStreams>> create(sd_event* loop, Options options,
                                                                  Warn warn);
  /// Waits at most a second for the logger to take the streams that it does not have yet.
  ~LogStreams() override;
  LogStreams(const LogStreams&) = delete;
  LogStreams& operator=(const LogStreams&) = delete;

  void open(StreamId id, UniqueFd source, std::string path) override;
  void close(StreamId id) override;

  /// The running logger, or 0.
  [[nodiscard]] pid_t logger_pid() const { return pid_; }

  /// How many streams are not done yet.
  [[nodiscard]] std::size_t live_streams() const { return streams_.size(); }

 private:
  struct Stream {
    UniqueFd source;
    std::string path;
    bool sent = false;   ///< to the logger that runs now
    bool ended = false;  ///< its process has
  };
  enum class Order { Open, Close };
  struct Queued {
    Order order;
    StreamId id;
  };
  LogStreams(sd_event* loop, Options options, Warn warn);

  void start();
  [[nodiscard]] Result<void> launch();
  void died();
  void report_death();
  void back_off(bool quickly);
  [[nodiscard]] Result<void> make_timer();
  [[nodiscard]] bool timer_is_armed() const;
  void wake_after(std::uint64_t microseconds);
  void on_timer();

  void on_socket();
  void on_message(const Message& message);
  void send_queued();
  [[nodiscard]] bool send_first();
  void wait_for_room(bool wait);
  [[nodiscard]] std::uint64_t now() const;

  loop::EventLoop loop_;
  Options options_;
  Warn warn_;

  pid_t pid_ = 0;
  UniqueFd socket_;
  loop::EventSource socket_source_;
  loop::EventSource timer_;       ///< armed: a restart, or another try to send, is due then
  std::uint64_t started_at_ = 0;  ///< monotonic, in microseconds
  std::uint64_t delay_ = 0;       ///< before the next start, in microseconds
  int start_error_ = 0;           ///< errno of the exec that failed
  bool start_failure_reported_ = false;

  std::map<StreamId, Stream> streams_;
  std::deque<Queued> queue_;  ///< at most two entries for each stream
};

}  // namespace upkeep::log
