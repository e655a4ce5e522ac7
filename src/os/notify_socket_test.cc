#include "os/notify_socket.h"

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "base/unique_fd.h"
#include "os/loop_fixture.h"

namespace upkeep::os {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;

constexpr uid_t kNobody = 65534;

class NotifySocketTest : public LoopTest {
 protected:
  struct Heard {
    NotifySender sender;
    Notification what;
  };

  void SetUp() override { start(); }

  void start(microseconds message_interval = 1min) {
    socket_.reset();
    auto made = NotifySocket::create(loop_.get(),
                                     {.may_speak =
                                          [this](const NotifySender& sender) {
                                            asked_.push_back(sender);
                                            if (on_asked_) on_asked_();
                                            return allowed_;
                                          },
                                      .on_notification =
                                          [this](const NotifySender& sender, Notification what) {
                                            heard_.push_back({sender, std::move(what)});
                                            if (on_heard_) on_heard_();
                                          },
                                      .on_message =
                                          [this](std::string text) {
                                            messages_.push_back(std::move(text));
                                            if (on_message_) on_message_();
                                          }},
                                     message_interval);
    ASSERT_TRUE(made) << made.error().description;
    socket_ = std::move(*made);
    address_ = socket_->address();
  }

  /// Sends from this process; whether it was taken.
  [[nodiscard]] bool send(std::string_view text, const std::vector<int>& descriptors = {}) const {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, address_.data(), address_.size());
    to.sun_path[0] = '\0';
    iovec part{const_cast<char*>(text.data()), text.size()};
    std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
    msghdr header{};
    header.msg_name = &to;
    header.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      auto* extra = CMSG_FIRSTHDR(&header);
      extra->cmsg_level = SOL_SOCKET;
      extra->cmsg_type = SCM_RIGHTS;
      extra->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
      std::memcpy(CMSG_DATA(extra), descriptors.data(), descriptors.size() * sizeof(int));
    }
    const UniqueFd from(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return from && ::sendmsg(from.value(), &header, 0) >= 0;
  }

  static void become_nobody() {
    if (!is_root()) return;
    if (::setgroups(0, nullptr) < 0 || ::setgid(kNobody) < 0 || ::setuid(kNobody) < 0) ::_exit(2);
  }

  /// A TCP connection with unsent data that makes its last close wait for `seconds`.
  static UniqueFd lingering_socket(int seconds, UniqueFd& other_end) {
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    UniqueFd connection(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!listener || !connection || ::bind(listener.value(), generic, size) < 0 ||
        ::listen(listener.value(), 1) < 0 || ::getsockname(listener.value(), generic, &size) < 0 ||
        ::connect(connection.value(), generic, size) < 0) {
      return {};
    }
    other_end.reset(::accept4(listener.value(), nullptr, nullptr, SOCK_CLOEXEC));
    const std::string block(65536, 'x');
    while (::send(connection.value(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
    }
    const linger wait{.l_onoff = 1, .l_linger = seconds};
    ::setsockopt(connection.value(), SOL_SOCKET, SO_LINGER, &wait, sizeof wait);
    return connection;
  }

  static microseconds processor_time() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    return std::chrono::seconds(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           microseconds(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  }

  /// Always readable, at ordinary priority, as the connection of a client that floods; counts its
  /// turns.
  loop::EventSource busy_source(int& turns) {
    always_readable_.reset(::eventfd(1, EFD_CLOEXEC));
    sd_event_source* source = nullptr;
    sd_event_add_io(
        loop_.get(), &source, always_readable_.value(), EPOLLIN,
        [](sd_event_source*, int, uint32_t, void* count) {
          return ++*static_cast<int*>(count) * 0;
        },
        &turns);
    return loop::EventSource(source);
  }

  UniqueFd always_readable_;
  std::unique_ptr<NotifySocket> socket_;
  std::string address_;
  bool allowed_ = true;
  std::vector<NotifySender> asked_;
  std::vector<Heard> heard_;
  std::vector<std::string> messages_;
  std::function<void()> on_asked_, on_heard_, on_message_;
};

TEST_F(NotifySocketTest, HearsWhatLibsystemdSendsAndKnowsTheSender) {
  const pid_t pid = child([this] {
    become_nobody();
    ::setenv("NOTIFY_SOCKET", address_.c_str(), 1);
    if (sd_notify(0, "READY=1\nSTATUS=here") <= 0) ::_exit(1);
    ::pause();
  });
  ASSERT_TRUE(run_until([&] { return !heard_.empty(); }));
  const NotifySender sender{.pid = pid,
                            .uid = is_root() ? kNobody : ::getuid(),
                            .gid = is_root() ? kNobody : ::getgid(),
                            .exists = true};
  EXPECT_EQ(heard_[0].sender, sender);
  EXPECT_EQ(heard_[0].what, (Notification{.ready = true, .status = "here"}));
  EXPECT_EQ(asked_, std::vector{sender});
  EXPECT_TRUE(messages_.empty());
}

TEST_F(NotifySocketTest, EachHasAnAddressOfItsOwnThatFits) {
  EXPECT_TRUE(address_.starts_with("@upkeep/notify/"));
  EXPECT_LT(address_.size(), sizeof(sockaddr_un{}.sun_path));
  EXPECT_EQ(address_.find_first_of(" \t\n'\"$\\"), std::string::npos);
  const auto first = address_;
  const auto kept = std::move(socket_);
  start();
  EXPECT_NE(address_, first);
}

TEST_F(NotifySocketTest, ReachesIntoAChroot) {
  if (!is_root()) GTEST_SKIP() << "needs root";
  child([this] {
    ::setenv("NOTIFY_SOCKET", address_.c_str(), 1);
    if (::chroot("/proc/self/fdinfo") < 0) ::_exit(1);
    sd_notify(0, "READY=1");
  });
  EXPECT_TRUE(run_until([&] { return !heard_.empty(); }));
}

TEST_F(NotifySocketTest, ASenderThatHasGoneIsSaidToBeGone) {
  const pid_t pid = child([this] {
    become_nobody();
    if (!send("READY=1")) ::_exit(1);
  });
  ASSERT_TRUE(wait_for(pid));
  ASSERT_TRUE(run_until([&] { return !heard_.empty(); }));
  EXPECT_EQ(heard_[0].sender.pid, pid);
  EXPECT_EQ(heard_[0].sender.uid, is_root() ? kNobody : ::getuid());
  EXPECT_FALSE(heard_[0].sender.exists);
}

TEST_F(NotifySocketTest, LookReadsAllThatHasBeenSaid) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(send("WATCHDOG=1"));
  socket_->look();
  EXPECT_EQ(heard_.size(), 10U);
  socket_->look();
  EXPECT_EQ(heard_.size(), 10U);
}

// ---- Who is refused --------------------------------------------------------------------------

TEST_F(NotifySocketTest, ARefusedSenderIsToldOnceAndNotHeard) {
  allowed_ = false;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(send("READY=1"));
    socket_->look();
  }
  EXPECT_EQ(asked_.size(), 100U);
  EXPECT_TRUE(heard_.empty());
  EXPECT_EQ(
      messages_,
      std::vector{"ignored a notification of process " + std::to_string(::getpid()) + " of user " +
                  std::to_string(::getuid()) + ": may not speak for this process"});
}

TEST_F(NotifySocketTest, AfterAWhileTheNumberOfRefusalsIsTold) {
  start(200ms);
  allowed_ = false;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(send("READY=1"));
    socket_->look();
  }
  EXPECT_EQ(messages_.size(), 1U);
  run_for(250ms);
  ASSERT_TRUE(send("READY=1"));
  ASSERT_TRUE(run_until([&] { return messages_.size() == 2; }));
  EXPECT_TRUE(messages_[1].ends_with("(the same kind 3 times more before)")) << messages_[1];
}

TEST_F(NotifySocketTest, WhatMakesNoSenseIsToldBesideRefusals) {
  allowed_ = false;
  ASSERT_TRUE(send("READY=1"));
  socket_->look();
  allowed_ = true;
  ASSERT_TRUE(send("READY=1\nMAINPID=none"));
  ASSERT_TRUE(send(std::string(100'000, 'x')));
  socket_->look();
  ASSERT_EQ(messages_.size(), 2U);
  EXPECT_TRUE(messages_[1].ends_with(": MAINPID=none: not the pid of a service")) << messages_[1];
  ASSERT_EQ(heard_.size(), 1U);
  EXPECT_TRUE(heard_[0].what.ready);

  start();
  ASSERT_TRUE(send(std::string(kMaxNotificationBytes, 'x')));
  ASSERT_TRUE(send(std::string(kMaxNotificationBytes + 1, 'x')));
  socket_->look();
  EXPECT_EQ(heard_.size(), 2U);
  ASSERT_EQ(messages_.size(), 3U);
  EXPECT_TRUE(messages_[2].ends_with(": longer than 4096 bytes")) << messages_[2];
}

TEST_F(NotifySocketTest, AnEmptyDatagramSaysNothing) {
  ASSERT_TRUE(send(""));
  ASSERT_TRUE(send("READY=1"));
  socket_->look();
  ASSERT_EQ(heard_.size(), 2U);
  EXPECT_EQ(heard_[0].what, Notification{});
}

// ---- Floods ----------------------------------------------------------------------------------

TEST_F(NotifySocketTest, AFloodLeavesTheLoopAlmostIdle) {
  child([this] {
    while (send("WATCHDOG=1")) {
    }
  });
  ASSERT_TRUE(run_until([&] { return heard_.size() > 100; }));
  heard_.clear();
  const auto begin = Clock::now();
  const auto used_before = processor_time();
  run_for(500ms);
  const auto time = Clock::now() - begin;
  const auto used = processor_time() - used_before;
  EXPECT_GT(heard_.size(), 0U);
  EXPECT_LE(heard_.size(), static_cast<unsigned>((time / 100ms + 2) * 160));
  EXPECT_LT(used, time / 3) << "of so many microseconds: " << time / 1us;
}

TEST_F(NotifySocketTest, AFloodLetsOthersHaveTheirTurn) {
  child([this] {
    while (send("WATCHDOG=1")) {
    }
  });
  ASSERT_TRUE(run_until([&] { return heard_.size() > 100; }));
  int turns = 0;
  const auto busy = busy_source(turns);
  std::size_t most = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto heard_before = heard_.size();
    const int target = turns + 1;
    ASSERT_TRUE(run_until([&] { return turns >= target; }));
    most = std::max(most, heard_.size() - heard_before);
  }
  EXPECT_LE(most, 32U) << "datagrams read while other work waited";
}

TEST_F(NotifySocketTest, WorkThatNeverEndsDoesNotHideANotification) {
  int turns = 0;
  const auto busy = busy_source(turns);
  ASSERT_TRUE(send("WATCHDOG=1"));
  ASSERT_TRUE(run_until([&] { return !heard_.empty() || turns > 1000; }));
  EXPECT_EQ(heard_.size(), 1U);
}

// ---- Descriptors that nobody wants -----------------------------------------------------------

TEST_F(NotifySocketTest, DescriptorsAreClosed) {
  for (const bool as_root : {true, false}) {
    if (as_root && !is_root()) continue;
    const auto open_before = open_descriptors();
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd reading(ends[0]);
    UniqueFd writing(ends[1]);
    child([&] {
      if (!as_root) become_nobody();
      if (!send("READY=1", std::vector<int>(253, writing.value())) || !send("STOPPING=1")) {
        ::_exit(1);
      }
    });
    writing.reset();
    heard_.clear();
    ASSERT_TRUE(run_until([&] { return heard_.size() == 2; }));
    EXPECT_TRUE(heard_[0].what.ready);
    EXPECT_TRUE(heard_[1].what.stopping);
    pollfd closed{reading.value(), POLLIN, 0};
    EXPECT_EQ(::poll(&closed, 1, 10'000), 1) << "the last writer is still there";
    EXPECT_EQ(open_descriptors(), open_before + 1);  // `reading`
  }
}

TEST_F(NotifySocketTest, ABarrierIsReachedWhenEverythingBeforeItIsHeard) {
  const pid_t pid = child([this] {
    become_nobody();
    ::setenv("NOTIFY_SOCKET", address_.c_str(), 1);
    if (sd_notify(0, "READY=1") <= 0) ::_exit(1);
    if (sd_notify_barrier(0, 10'000'000) <= 0) ::_exit(2);
    sd_notify(0, "STATUS=after the barrier");
  });
  ASSERT_TRUE(run_until([&] { return heard_.size() == 3; }));
  EXPECT_TRUE(heard_[0].what.ready);
  EXPECT_EQ(heard_[2].what.status, "after the barrier");
  EXPECT_TRUE(wait_for(pid));
}

TEST_F(NotifySocketTest, ADescriptorThatLingersDoesNotHoldUpTheManager) {
  UniqueFd other_end;
  auto slow = lingering_socket(4, other_end);
  ASSERT_TRUE(slow);
  child([&] {
    become_nobody();
    if (!send("READY=1", {slow.value()}) || !send("STOPPING=1")) ::_exit(1);
    slow.reset();
    ::pause();  // only the datagram has the connection now
  });
  slow.reset();
  const auto begin = Clock::now();
  ASSERT_TRUE(run_until([&] { return heard_.size() == 2; }));
  socket_.reset();
  EXPECT_LT(Clock::now() - begin, 3s);
}

TEST_F(NotifySocketTest, NeitherDoesOneThatNobodyHasReceivedYet) {
  UniqueFd other_end;
  auto slow = lingering_socket(4, other_end);
  ASSERT_TRUE(slow);
  const pid_t pid = child([&] {
    become_nobody();
    if (!send("READY=1") || !send("READY=1", {slow.value()})) ::_exit(1);
  });
  slow.reset();
  ASSERT_TRUE(wait_for(pid));
  const auto begin = Clock::now();
  socket_.reset();
  EXPECT_LT(Clock::now() - begin, 3s);
  EXPECT_TRUE(heard_.empty());
  EXPECT_FALSE(send("READY=1"));
}

// ---- The end of the socket -------------------------------------------------------------------

TEST_F(NotifySocketTest, MayGoFromInsideEachHook) {
  const auto send_some = [&] {
    start();
    asked_.clear();
    heard_.clear();
    messages_.clear();
    ASSERT_TRUE(send("READY=1\nMAINPID=none"));
    ASSERT_TRUE(send("READY=1"));
  };
  send_some();
  on_asked_ = [&] { socket_.reset(); };
  run_what_is_ready();
  EXPECT_EQ(asked_.size(), 1U);
  EXPECT_TRUE(heard_.empty() && messages_.empty());
  on_asked_ = nullptr;

  send_some();
  on_message_ = [&] { socket_.reset(); };
  run_what_is_ready();
  EXPECT_EQ(messages_.size(), 1U);
  EXPECT_TRUE(heard_.empty());
  on_message_ = nullptr;

  send_some();
  on_heard_ = [&] { socket_.reset(); };
  run_what_is_ready();
  EXPECT_EQ(heard_.size(), 1U);
}

TEST_F(NotifySocketTest, NoDescriptorLeftIsAFailureForNow) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto made = NotifySocket::create(loop_.get(), {});
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().temporary);
  EXPECT_EQ(made.error().error, EMFILE);
  EXPECT_EQ(made.error().description,
            "unable to create a socket for notifications: Too many open files");
}

}  // namespace
}  // namespace upkeep::os
