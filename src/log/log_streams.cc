#include "log/log_streams.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>

#include <fmt/format.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/strings.h"
#include "log/channel.h"
#include "log/logger_process.h"

namespace upkeep::log {
namespace {

constexpr std::uint64_t kSecond = 1'000'000;
constexpr std::uint64_t kFirstDelay = kSecond / 10;
constexpr std::uint64_t kLongestDelay = 5 * kSecond;
/// A logger that lives for less has died quickly.
constexpr std::uint64_t kHealthyLife = 5 * kSecond;
constexpr std::uint64_t kAccuracy = kFirstDelay / 10;
constexpr std::uint64_t kSendRetry = kSecond / 10;
constexpr auto kFarewell = std::chrono::seconds(1);
constexpr int kMessagesPerTurn = 256;

}  // namespace

Result<std::unique_ptr<LogStreams>> LogStreams::create(sd_event* loop, Options options, Warn warn) {
  if (!options.program.starts_with('/')) {
    return failure(
        fmt::format("the path of the logger is not absolute: '{}'", printable(options.program)));
  }
  std::unique_ptr<LogStreams> streams(new LogStreams(loop, std::move(options), std::move(warn)));
  if (auto made = streams->make_timer(); !made) return std::unexpected(made.error());
  return streams;
}

LogStreams::LogStreams(sd_event* loop, Options options, Warn warn)
    : loop_(sd_event_ref(loop)), options_(std::move(options)), warn_(std::move(warn)) {}

LogStreams::~LogStreams() {
  const auto deadline = std::chrono::steady_clock::now() + kFarewell;
  while (socket_ && !queue_.empty()) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd writable{socket_.value(), POLLOUT, 0};
    if (left.count() <= 0 || ::poll(&writable, 1, static_cast<int>(left.count())) != 1) return;
    if (!send_first()) return;
  }
}

void LogStreams::open(StreamId id, UniqueFd source, std::string path) {
  if (!id || !source || streams_.contains(id)) {
    warn_(fmt::format("{}: stream {} is not valid or not new: its output is not logged",
                      printable(path), id.value));
    return;
  }
  if (!is_usable_path(path)) {
    warn_(fmt::format("'{}' cannot be the path of a log file: the output is thrown away",
                      printable(path.substr(0, 256))));
    path.clear();  // still to be read, so that the job does not wait
  }
  streams_.emplace(id, Stream{std::move(source), std::move(path)});
  if (socket_) {
    queue_.push_back({Order::Open, id});
    send_queued();
  } else if (!timer_is_armed()) {
    start();
  }
}

void LogStreams::close(StreamId id) {
  const auto found = streams_.find(id);
  if (found == streams_.end() || found->second.ended) return;  // it may be done before
  found->second.ended = true;
  if (!socket_) return;
  queue_.push_back({Order::Close, id});
  send_queued();
}

// Starting, dying, starting again

void LogStreams::start() {
  if (const auto launched = launch(); !launched) {
    if (!start_failure_reported_) {
      warn_(fmt::format("unable to start upkeep-logger: {}", launched.error().message));
    }
    start_failure_reported_ = true;
    return back_off(true);
  }
  for (auto& [id, stream] : streams_) {
    stream.sent = false;
    queue_.push_back({Order::Open, id});
    if (stream.ended) queue_.push_back({Order::Close, id});
  }
  send_queued();
}

Result<void> LogStreams::launch() {
  auto process = start_logger(options_.program, options_.arguments);
  if (!process) return std::unexpected(process.error());
  sd_event_source* source = nullptr;
  const auto handler = [](sd_event_source*, int, std::uint32_t events, void* self) {
    auto& streams = *static_cast<LogStreams*>(self);
    if ((events & EPOLLOUT) != 0) streams.send_queued();
    if ((events & ~std::uint32_t{EPOLLOUT}) != 0) streams.on_socket();
    return 0;
  };
  const auto error =
      sd_event_add_io(loop_.get(), &source, process->socket.value(), EPOLLIN, handler, this);
  if (error < 0) return failure(fmt::format("unable to watch it: {}", std::strerror(-error)));
  socket_source_.reset(source);
  socket_ = std::move(process->socket);
  pid_ = process->pid;
  started_at_ = now();
  start_error_ = 0;
  return {};
}

void LogStreams::died() {
  report_death();
  socket_source_.reset();
  socket_.reset();
  pid_ = 0;
  queue_.clear();
  back_off(start_error_ != 0 || now() - started_at_ < kHealthyLife);
}

void LogStreams::report_death() {
  if (start_error_ == 0) {
    start_failure_reported_ = false;
    warn_(
        fmt::format("upkeep-logger (pid {}) has ended unexpectedly; another one is started", pid_));
  } else if (!start_failure_reported_) {
    start_failure_reported_ = true;
    warn_(fmt::format(
        "unable to start {}: {}; the output of jobs waits, and so does a job that "
        "writes much; tried again every {} s",
        printable(options_.program), std::strerror(start_error_), kLongestDelay / kSecond));
  }
}

/// Arms the timer for the next start: at once would be a spin if the logger died at once.
void LogStreams::back_off(bool quickly) {
  delay_ = quickly ? std::clamp(2 * delay_, kFirstDelay, kLongestDelay) : kFirstDelay;
  wake_after(delay_);
}

/// Made before it is needed: that may be when there are no descriptors left.
Result<void> LogStreams::make_timer() {
  sd_event_source* source = nullptr;
  const auto handler = [](sd_event_source*, std::uint64_t, void* self) {
    static_cast<LogStreams*>(self)->on_timer();
    return 0;
  };
  const auto error =
      sd_event_add_time(loop_.get(), &source, CLOCK_MONOTONIC, 0, kAccuracy, handler, this);
  if (error < 0) return failure(fmt::format("unable to make a timer: {}", std::strerror(-error)));
  timer_.reset(source);
  sd_event_source_set_enabled(source, SD_EVENT_OFF);
  return {};
}

void LogStreams::wake_after(std::uint64_t microseconds) {
  if (timer_is_armed()) return;
  sd_event_source_set_time(timer_.get(), now() + microseconds);
  sd_event_source_set_enabled(timer_.get(), SD_EVENT_ONESHOT);
}

bool LogStreams::timer_is_armed() const {
  return sd_event_source_get_enabled(timer_.get(), nullptr) > 0;
}

void LogStreams::on_timer() {
  if (socket_) {
    send_queued();
  } else if (!streams_.empty()) {
    start();
  }
}

std::uint64_t LogStreams::now() const {
  std::uint64_t microseconds = 0;
  sd_event_now(loop_.get(), CLOCK_MONOTONIC, &microseconds);
  return microseconds;
}

// Talking to the logger

void LogStreams::on_socket() {
  for (int i = 0; i < kMessagesPerTurn; ++i) {
    const auto receipt = receive_message(socket_.value());
    switch (receipt.status) {
      case Receipt::Status::Empty: return;
      case Receipt::Status::End: return died();
      case Receipt::Status::Received: on_message(receipt.message); break;
      case Receipt::Status::Malformed:
        warn_(fmt::format("a message of upkeep-logger was ignored: {}", receipt.problem));
        break;
    }
  }
}

void LogStreams::on_message(const Message& message) {
  if (const auto* done = std::get_if<StreamDone>(&message)) {
    const auto found = streams_.find(done->id);
    if (found != streams_.end() && found->second.sent) streams_.erase(found);
  } else if (const auto* failed = std::get_if<StartFailed>(&message)) {
    start_error_ = failed->error;
  } else {
    warn_("a message of upkeep-logger was ignored: it is not for a manager");
  }
}

void LogStreams::send_queued() {
  while (!queue_.empty()) {
    if (!send_first()) return;
  }
  wait_for_room(false);
}

/// Sends what is first in the queue; false if that has to wait.
bool LogStreams::send_first() {
  const auto [order, id] = queue_.front();
  const auto found = streams_.find(id);
  if (found != streams_.end()) {  // else it was done before its Close was sent
    auto& stream = found->second;
    const auto result =
        order == Order::Open
            ? send_message(socket_.value(), OpenStream{id, stream.path}, stream.source.value())
            : send_message(socket_.value(), CloseStream{id});
    if (result != SendResult::Sent) {
      wait_for_room(result == SendResult::Full);
      // When it is broken, reading will tell.
      if (result == SendResult::Later) wake_after(kSendRetry);
      return false;
    }
    if (order == Order::Open) stream.sent = true;
  }
  queue_.pop_front();
  return true;
}

void LogStreams::wait_for_room(bool wait) {
  sd_event_source_set_io_events(socket_source_.get(), wait ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

}  // namespace upkeep::log
