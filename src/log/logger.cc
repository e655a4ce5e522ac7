#include "log/logger.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>

#include "base/strings.h"
#include "log/channel.h"
#include "log/log_source.h"

namespace upkeep::log {
namespace {

constexpr std::size_t kChunk = std::size_t{64} * 1024;
constexpr auto kRetryInterval = std::chrono::seconds(1);
constexpr int kMessagesPerTurn = 64;
constexpr std::uint64_t kControl = 0;  // no stream has this id

/// Descriptors for everything that is neither a stream nor a log file.
constexpr rlim_t kOwnDescriptors = 24;

int watch(const UniqueFd& epoll, int operation, int fd, std::uint32_t events, std::uint64_t id) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  return ::epoll_ctl(epoll.value(), operation, fd, &event) == 0 ? 0 : errno;
}

}  // namespace

Result<std::unique_ptr<Logger>> Logger::create(UniqueFd control, Options options, Warn warn) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return failure(fmt::format("unable to create an epoll: {}", std::strerror(errno)));
  if (const auto error = watch(epoll, EPOLL_CTL_ADD, control.value(), EPOLLIN, kControl)) {
    return failure(fmt::format("unable to watch the control socket: {}", std::strerror(error)));
  }
  return std::unique_ptr<Logger>(
      new Logger(std::move(control), std::move(epoll), options, std::move(warn)));
}

Logger::Logger(UniqueFd control, UniqueFd epoll, Options options, Warn warn)
    : control_(std::move(control)),
      epoll_(std::move(epoll)),
      options_(options),
      warn_(std::move(warn)),
      buffer_(kChunk) {}

void Logger::run() {
  while (control_ || !streams_.empty()) turn();
  for (auto& [path, shared] : files_) shared->file.finish();
}

void Logger::turn() {
  std::array<epoll_event, 256> events{};
  const auto count = ::epoll_wait(epoll_.value(), events.data(), static_cast<int>(events.size()),
                                  wait_milliseconds());
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == kControl) {
      serve_control(event.events);
    } else {
      pump(StreamId{event.data.u64});
    }
  }
  if (retry_at_ && std::chrono::steady_clock::now() >= *retry_at_) retry_files();
  if (!done_.empty() && !send_later_) send_done();
  watch_control();
  if ((!waiting_.empty() || send_later_) && !retry_at_) {
    retry_at_ = std::chrono::steady_clock::now() + kRetryInterval;
  }
}

int Logger::wait_milliseconds() const {
  if (!retry_at_) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*retry_at_ - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

void Logger::retry_files() {
  retry_at_.reset();
  send_later_ = false;
  const std::vector<SharedFile*> files(waiting_.begin(), waiting_.end());
  for (auto* shared : files) {
    shared->file.retry();
    review_file(*shared);
  }
}

void Logger::serve_control(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) send_done();
  if ((events & ~std::uint32_t{EPOLLOUT}) != 0) read_control();
}

void Logger::read_control() {
  for (int i = 0; i < kMessagesPerTurn && control_ && has_room(); ++i) {
    auto receipt = receive_message(control_.value());
    switch (receipt.status) {
      case Receipt::Status::Empty: return;
      case Receipt::Status::End: return drop_control();
      case Receipt::Status::Malformed:
        warn_(fmt::format("a message of the manager was ignored: {}", receipt.problem));
        break;
      case Receipt::Status::Received:
        if (const auto* open = std::get_if<OpenStream>(&receipt.message)) {
          open_stream(*open, std::move(receipt.descriptor));
        } else if (const auto* close = std::get_if<CloseStream>(&receipt.message)) {
          close_stream(close->id);
        } else {
          warn_("a message of the manager was ignored: it is not for a logger");
        }
    }
  }
}

/// Listens to the manager for as much as there is to hear and say. Without room for another
/// stream its messages wait in the socket, and then with the manager, until a stream has ended:
/// received without a free descriptor they would be lost.
void Logger::watch_control() {
  if (!control_) return;
  const bool room = has_room();
  if (!room && !full_reported_) {
    warn_(
        fmt::format("{} streams are open and no more descriptors may be: "
                    "further streams wait until others end",
                    streams_.size()));
  }
  full_reported_ = !room;
  const std::uint32_t reading = room ? std::uint32_t{EPOLLIN} : 0;
  const std::uint32_t writing = done_.empty() || send_later_ ? 0 : std::uint32_t{EPOLLOUT};
  const auto events = reading | writing;
  if (events == control_events_) return;
  // Without any event it is taken out, because a hang-up would be reported all the same.
  if (control_events_ == 0) {
    watch(epoll_, EPOLL_CTL_ADD, control_.value(), events, kControl);
  } else {
    watch(epoll_, events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, control_.value(), events, kControl);
  }
  control_events_ = events;
}

/// The manager has gone. What it has given is still read to its end.
void Logger::drop_control() {
  control_.reset();
  done_.clear();
  send_later_ = false;
}

bool Logger::has_room() const {
  return streams_.size() + files_.size() + kOwnDescriptors < options_.descriptors;
}

void Logger::send_done() {
  while (control_ && !done_.empty()) {
    switch (send_message(control_.value(), StreamDone{done_.front()})) {
      case SendResult::Sent: done_.pop_front(); break;
      case SendResult::Full: return;
      case SendResult::Later: send_later_ = true; return;
      case SendResult::Broken: done_.clear(); return;  // reading will tell
    }
  }
}

void Logger::open_stream(const OpenStream& message, UniqueFd source) {
  const auto id = message.id;
  if (streams_.contains(id)) {
    warn_(fmt::format("stream {} was opened twice; the second is ignored", id.value));
    return;
  }
  // The flag is shared with the manager's duplicate only, never with the job.
  const int flags = ::fcntl(source.value(), F_GETFL);
  ::fcntl(source.value(), F_SETFL, flags | O_NONBLOCK);
  if (const auto error = watch(epoll_, EPOLL_CTL_ADD, source.value(), EPOLLIN, id.value)) {
    warn_(fmt::format("{}: unable to read the output of its job: {}", printable(message.path),
                      std::strerror(error)));
    done_.push_back(id);
    return;
  }
  streams_.emplace(
      id, Stream{std::move(source), message.path.empty() ? nullptr : &use_file(message.path)});
}

void Logger::close_stream(StreamId id) {
  const auto found = streams_.find(id);
  if (found != streams_.end()) note_process_end(found->second.source.value());
}

void Logger::pump(StreamId id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const auto& stream = found->second;
  const auto reading = read_source(stream.source.value(), buffer_);
  if (reading.size > 0 && stream.file != nullptr) {
    stream.file->file.write({buffer_.data(), reading.size});
    review_file(*stream.file);
  }
  if (reading.ended) end_stream(id);
}

void Logger::end_stream(StreamId id) {
  const auto stream = streams_.extract(id);
  auto* shared = stream.mapped().file;
  // Other descriptors of the same source exist with the manager, so closing ours is not enough.
  watch(epoll_, EPOLL_CTL_DEL, stream.mapped().source.value(), 0, 0);
  if (control_) done_.push_back(id);
  if (shared == nullptr) return;
  --shared->streams;
  review_file(*shared);
}

Logger::SharedFile& Logger::use_file(const std::string& path) {
  auto& shared = files_[path];
  if (!shared) {
    shared.reset(new SharedFile{{path, options_.rotation, budget_, warn_}, path});
  }
  ++shared->streams;
  shared->file.join();
  return *shared;
}

/// After each use of a file: remembers whether it has to be tried again, and lets it go when
/// nobody writes to it any more and nothing is kept.
void Logger::review_file(SharedFile& shared) {
  if (shared.file.pending()) {
    waiting_.insert(&shared);
    return;
  }
  waiting_.erase(&shared);
  if (shared.streams > 0) return;
  shared.file.finish();
  const auto path = shared.path;  // erase() must not read a key that it destroys
  files_.erase(path);
}

}  // namespace upkeep::log
