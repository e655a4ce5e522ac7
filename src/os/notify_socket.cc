#include "os/notify_socket.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "loop/handles.h"
#include "os/helper_child.h"
#include "os/launcher.h"

namespace upkeep::os {
namespace {

using std::chrono::microseconds;
using namespace std::chrono_literals;

constexpr int kDatagramsPerTurn = 16;
constexpr microseconds kTurnsInterval = 100ms;
constexpr unsigned kTurnsPerInterval = 10;
/// More than a queue holds (net.unix.max_dgram_qlen, 10 or 512 as a rule), and still done in
/// milliseconds.
constexpr int kDatagramsPerLook = 1024;
constexpr std::size_t kMaxDescriptors = 253;  // in one datagram: SCM_MAX_FD of the kernel

// ---- Datagrams -------------------------------------------------------------------------------

/// Room for what the kernel says of the sender and, to the byte, no descriptor.
constexpr std::size_t kCredentialsSpace = CMSG_SPACE(sizeof(ucred));
constexpr std::size_t kDescriptorsSpace = CMSG_SPACE(kMaxDescriptors * sizeof(int));

struct Datagram {
  std::string_view text;  ///< longer than kMaxNotificationBytes if the datagram is
  NotifySender sender;
  bool has_descriptors = false;
};

using Buffer = std::array<char, kMaxNotificationBytes + 1>;

/// The next datagram, which stays where it is.
std::optional<Datagram> peek(int socket, Buffer& buffer) {
  iovec part{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, kCredentialsSpace> control;
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t size = 0;
  do {
    size = ::recvmsg(socket, &header, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return std::nullopt;

  Datagram datagram{.text = {buffer.data(), static_cast<std::size_t>(size)},
                    .sender = {},
                    .has_descriptors = (header.msg_flags & MSG_CTRUNC) != 0};
  const auto* extra = CMSG_FIRSTHDR(&header);
  if (extra != nullptr && extra->cmsg_level == SOL_SOCKET && extra->cmsg_type == SCM_CREDENTIALS &&
      extra->cmsg_len == CMSG_LEN(sizeof(ucred))) {
    ucred credentials{};
    std::memcpy(&credentials, CMSG_DATA(extra), sizeof credentials);
    auto& sender = datagram.sender;
    sender = {credentials.pid, credentials.uid, credentials.gid};
    sender.exists = sender.pid > 0 && (::kill(sender.pid, 0) == 0 || errno != ESRCH);
  }
  return datagram;
}

/// Takes the next datagram away and drops its descriptors.
void discard(int socket) {
  // The lock() of a weak_ptr is none. NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection)
  while (::recv(socket, nullptr, 0, MSG_DONTWAIT) < 0 && errno == EINTR) {
  }
}

/// Takes the next datagram away, and its descriptors into this process.
void receive_descriptors(int socket) {
  alignas(cmsghdr) std::array<char, kCredentialsSpace + kDescriptorsSpace> control;
  msghdr header{};
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  [[maybe_unused]] const auto size = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
}

/// Root has other ways to hold us up.
bool must_stay_out(const Datagram& datagram) {
  return datagram.has_descriptors && datagram.sender.uid != 0;
}

// ---- The socket and its name -----------------------------------------------------------------

std::optional<std::string> random_name() {
  std::array<unsigned char, 16> bytes{};
  // Never waits for the kernel to have collected enough chance, early in the boot: the name must be
  // unlike others, and is no secret.
  auto size = ::getrandom(bytes.data(), bytes.size(), GRND_INSECURE);
  if (size < 0 && errno == EINVAL) {  // before Linux 5.6
    size = ::getrandom(bytes.data(), bytes.size(), GRND_NONBLOCK);
  }
  if (size != static_cast<ssize_t>(bytes.size())) return std::nullopt;
  return fmt::format("upkeep/notify/{:02x}", fmt::join(bytes, ""));
}

/// Sets errno on failure.
bool bind_to_abstract(int socket, std::string_view name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  constexpr std::size_t kBeforeName = offsetof(sockaddr_un, sun_path) + 1;  // a NUL byte
  std::memcpy(reinterpret_cast<char*>(&address) + kBeforeName, name.data(), name.size());
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&address),
                static_cast<socklen_t>(kBeforeName + name.size())) == 0;
}

// ---- Messages --------------------------------------------------------------------------------

/// Lets one message of a kind through, then counts for a while.
class Limiter {
 public:
  explicit Limiter(microseconds interval) : interval_(interval) {}

  /// How many have been held back since the last one that passed; nothing if this one is too.
  std::optional<int> pass(microseconds now) {
    if (last_ && now - *last_ < interval_) {
      ++held_back_;
      return std::nullopt;
    }
    last_ = now;
    return std::exchange(held_back_, 0);
  }

 private:
  microseconds interval_;
  std::optional<microseconds> last_;
  int held_back_ = 0;
};

std::string describe(const NotifySender& sender) {
  const auto process = sender.pid > 0 ? fmt::format("process {}", sender.pid) : "a process";
  return fmt::format("{}{} of user {}", process, sender.exists ? "" : " (gone)", sender.uid);
}

}  // namespace

// ---- Reading ---------------------------------------------------------------------------------

class NotifySocket::Receiver : public std::enable_shared_from_this<Receiver> {
 public:
  Receiver(sd_event* loop, Hooks hooks, UniqueFd socket, microseconds message_interval)
      : loop_(loop),
        hooks_(std::move(hooks)),
        socket_(std::move(socket)),
        refused_(message_interval),
        senseless_(message_interval) {}

  /// A negative errno on failure.
  int watch();
  void close();
  void read_some(int limit);

 private:
  static int on_readable(sd_event_source*, int, uint32_t, void* self) noexcept;
  static int on_taken(sd_event_source*, int, uint32_t, void* self) noexcept;
  void hear(const Datagram& datagram);
  void have_taken();
  void complain(Limiter& limiter, const NotifySender& sender, std::string_view problem);

  sd_event* loop_;
  Hooks hooks_;
  UniqueFd socket_;  ///< empty once the owner has gone
  loop::EventSource source_;
  UniqueFd taking_;  ///< closed by the child when it has taken a datagram; empty if there is none
  loop::EventSource taking_source_;
  Limiter refused_;
  Limiter senseless_;
};

int NotifySocket::Receiver::watch() {
  sd_event_source* source = nullptr;
  const int result = sd_event_add_io(loop_, &source, socket_.value(), EPOLLIN, on_readable, this);
  if (result < 0) return result;
  source_.reset(source);
  return sd_event_source_set_ratelimit(source, static_cast<std::uint64_t>(kTurnsInterval.count()),
                                       kTurnsPerInterval);
}

/// What still waits in the socket is lost; but its descriptors must not be closed here either.
void NotifySocket::Receiver::close() {
  taking_source_.reset();
  taking_.reset();
  source_.reset();
  ::shutdown(socket_.value(), SHUT_RDWR);  // nothing comes any more
  Buffer buffer;
  while (const auto datagram = peek(socket_.value(), buffer)) {
    if (must_stay_out(*datagram)) return close_by_helper(std::move(socket_));
    discard(socket_.value());
  }
  socket_.reset();
}

int NotifySocket::Receiver::on_readable(sd_event_source*, int, uint32_t, void* self) noexcept {
  static_cast<Receiver*>(self)->read_some(kDatagramsPerTurn);
  return 0;
}

void NotifySocket::Receiver::read_some(int limit) {
  const auto keep = weak_from_this().lock();  // a hook may let go of us
  Buffer buffer;
  for (int i = 0; i < limit && socket_ && !taking_; ++i) {
    const auto datagram = peek(socket_.value(), buffer);
    if (!datagram) return;
    if (must_stay_out(*datagram)) {
      have_taken();
    } else {
      discard(socket_.value());
    }
    hear(*datagram);
  }
}

/// Has a child receive the next datagram. Nothing more is read until it has.
void NotifySocket::Receiver::have_taken() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return discard(socket_.value());
  UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  sd_event_source* source = nullptr;
  if (sd_event_add_io(loop_, &source, reading.value(), EPOLLIN, on_taken, this) < 0) {
    return discard(socket_.value());
  }
  taking_source_.reset(source);
  const auto child = start_helper({socket_.value(), writing.value()}, [&] {
    receive_descriptors(socket_.value());
    ::close(writing.value());  // before the end, which closes what has been received
  });
  if (!child) {
    taking_source_.reset();
    return discard(socket_.value());
  }
  taking_ = std::move(reading);
  sd_event_source_set_enabled(source_.get(), SD_EVENT_OFF);
}

int NotifySocket::Receiver::on_taken(sd_event_source*, int, uint32_t, void* self) noexcept {
  auto& receiver = *static_cast<Receiver*>(self);
  receiver.taking_source_.reset();
  receiver.taking_.reset();
  sd_event_source_set_enabled(receiver.source_.get(), SD_EVENT_ON);
  return 0;
}

void NotifySocket::Receiver::hear(const Datagram& datagram) {
  const auto& sender = datagram.sender;
  const bool heard = hooks_.may_speak(sender);
  if (!socket_) return;
  if (!heard) return complain(refused_, sender, "may not speak for this process");

  auto notification = parse_notification(datagram.text);
  if (!notification) return complain(senseless_, sender, notification.error().message);
  if (!notification->remark.empty()) complain(senseless_, sender, notification->remark);
  if (socket_) hooks_.on_notification(sender, std::move(*notification));
}

void NotifySocket::Receiver::complain(Limiter& limiter, const NotifySender& sender,
                                      std::string_view problem) {
  std::uint64_t now = 0;
  sd_event_now(loop_, CLOCK_MONOTONIC, &now);
  const auto held_back = limiter.pass(microseconds(now));
  if (!held_back) return;
  const auto more =
      *held_back > 0 ? fmt::format(" (the same kind {} times more before)", *held_back) : "";
  hooks_.on_message(
      fmt::format("ignored a notification of {}: {}{}", describe(sender), problem, more));
}

// ---- What others see -------------------------------------------------------------------------

std::expected<std::unique_ptr<NotifySocket>, core::SpawnFailure> NotifySocket::create(
    sd_event* loop, Hooks hooks, microseconds message_interval) {
  const auto failed = [](int error) {
    return std::unexpected(core::SpawnFailure{
        .error = error,
        .description = fmt::format("unable to create a socket for notifications: {}",
                                   system_error_text(error)),
        .temporary = is_temporary(error)});
  };
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return failed(errno);
  const int on = 1;
  if (::setsockopt(socket.value(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) {
    return failed(errno);
  }
  const auto name = random_name();
  if (!name || !bind_to_abstract(socket.value(), *name)) return failed(errno);

  auto receiver =
      std::make_shared<Receiver>(loop, std::move(hooks), std::move(socket), message_interval);
  if (const int result = receiver->watch(); result < 0) return failed(-result);
  return std::unique_ptr<NotifySocket>(
      new NotifySocket(std::move(receiver), fmt::format("@{}", *name)));
}

NotifySocket::NotifySocket(std::shared_ptr<Receiver> receiver, std::string address)
    : receiver_(std::move(receiver)), address_(std::move(address)) {}

NotifySocket::~NotifySocket() {
  receiver_->close();
}

void NotifySocket::look() {
  receiver_->read_some(kDatagramsPerLook);
}

}  // namespace upkeep::os
