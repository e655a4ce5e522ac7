// Clients that stall, flood, vanish or send rubbish: they must hurt nobody but themselves.
#include <array>
#include <optional>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "control/control_server.h"
#include "control/server_harness.h"

namespace upkeep::control {
namespace {

/// A little-endian D-Bus method call without arguments, as its bytes.
std::string raw_call(std::uint32_t serial, std::string_view path, std::string_view interface,
                     std::string_view member) {
  std::string fields;
  const auto add_u32 = [](std::string& out, std::size_t value) {
    const auto number = static_cast<std::uint32_t>(value);
    out.append(reinterpret_cast<const char*>(&number), sizeof(number));
  };
  const auto add_field = [&](char code, char type, std::string_view value) {
    fields.resize((fields.size() + 7) / 8 * 8);
    fields += {code, '\1', type, '\0'};
    add_u32(fields, value.size());
    fields.append(value).push_back('\0');
  };
  add_field(1, 'o', path);
  add_field(2, 's', interface);
  add_field(3, 's', member);

  std::string message{'l', '\1', '\0', '\1'};
  add_u32(message, 0);  // body
  add_u32(message, serial);
  add_u32(message, fields.size());
  message += fields;
  message.resize((message.size() + 7) / 8 * 8);
  return message;
}

std::string get_all_jobs(std::uint32_t serial) {
  return raw_call(serial, dbus::kManagerPath, dbus::kManagerInterface, "GetAllJobs");
}

class HostileClientsTest : public testing::Test {
 protected:
  /// What has arrived at `fd`; nothing once the server has closed.
  static std::optional<std::string> received(int fd) {
    std::string text;
    std::array<char, 4096> buffer;
    for (;;) {
      const auto count = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count > 0) {
        text.append(buffer.data(), static_cast<std::size_t>(count));
        continue;
      }
      if (count == 0 || errno != EAGAIN) return text.empty() ? std::nullopt : std::optional{text};
      return text;
    }
  }

  static void send(int fd, std::string_view text) {
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

  static std::string auth() {
    std::string uid;
    for (const char digit : std::to_string(::geteuid())) uid += fmt::format("{:02x}", digit);
    return std::string{'\0'} + "AUTH EXTERNAL " + uid + "\r\n";
  }

  bool closed(int fd) {
    return harness.run_until([&] { return !received(fd).has_value(); });
  }

  bool served(BusClient& client) {
    return client.call(dbus::kManagerPath, dbus::kManagerInterface, "GetAllJobs").starts_with("ok");
  }

  void emit(const std::string& name, std::size_t bytes) {
    harness.handle(core::EmitEvent{name, {"A=" + std::string(bytes, 'x')}});
  }

  /// Emits an event that a task holds for good.
  static constexpr std::string_view kEndlessTask = "start on e\ninstance $N\ntask\nexec x";
  static std::size_t send_endless_call(BusClient& client, std::size_t number) {
    const auto variable = fmt::format("N={}", number);
    return client.send(dbus::kManagerPath, dbus::kManagerInterface, "EmitEvent",
                       [&](sd_bus_message* message) {
                         return sd_bus_message_append(message, "sasb", "e", 1, variable.c_str(), 1);
                       });
  }

  ServerHarness harness;
};

TEST_F(HostileClientsTest, CallTogetherWithBeginIsAnswered) {
  for (int round = 0; round < 50; ++round) {
    const auto fd = harness.connect();
    send(fd.value(), auth());
    std::string greeting;
    ASSERT_TRUE(harness.run_until([&] {
      greeting += received(fd.value()).value_or("");
      return greeting.starts_with("OK ") && greeting.ends_with("\r\n");
    }));
    send(fd.value(), "BEGIN\r\n" + get_all_jobs(1) + get_all_jobs(2));
    std::string replies;
    ASSERT_TRUE(harness.run_until([&] {
      replies += received(fd.value()).value_or("");
      return replies.size() > 100;  // two messages
    })) << "round "
        << round;
  }
}

TEST_F(HostileClientsTest, RubbishEndsOnlyItsOwnConnection) {
  BusClient good{harness};
  ASSERT_TRUE(served(good));
  const std::string begun = auth() + "BEGIN\r\n";
  for (const std::string& rubbish :
       {std::string{"GET / HTTP/1.1\r\n\r\n"}, std::string(70000, 'A'),
        std::string{'\0'} + std::string(70000, 'A'), begun + std::string(4096, '\xFF')}) {
    const auto fd = harness.connect();
    send(fd.value(), rubbish);
    EXPECT_TRUE(closed(fd.value())) << rubbish.substr(0, 40);
    EXPECT_TRUE(served(good));
  }
  EXPECT_TRUE(harness.run_until([&] { return harness.server->connections() == 1; }));
}

TEST_F(HostileClientsTest, SilentClientsAreSentAway) {
  ControlOptions options;
  options.greeting_time = std::chrono::milliseconds{50};
  ServerHarness impatient{options};
  BusClient good{impatient};
  ASSERT_EQ(good.call(dbus::kManagerPath, dbus::kManagerInterface, "GetAllJobs"), "ok [ ]");
  const auto silent = impatient.connect();
  const auto slow = impatient.connect();
  send(slow.value(), auth());
  EXPECT_TRUE(
      impatient.run_until([&] { return !received(silent.value()) && !received(slow.value()); }));
  EXPECT_EQ(impatient.server->connections(), 1U);
  EXPECT_EQ(good.call(dbus::kManagerPath, dbus::kManagerInterface, "GetAllJobs"), "ok [ ]");
}

TEST_F(HostileClientsTest, HalfAMessageHoldsUpNobody) {
  const auto fd = harness.connect();
  send(fd.value(), auth() + "BEGIN\r\n" + get_all_jobs(1).substr(0, 50));
  BusClient good{harness};
  EXPECT_TRUE(served(good));
  send(fd.value(), get_all_jobs(1).substr(50));
  std::string reply;
  EXPECT_TRUE(harness.run_until([&] {
    reply += received(fd.value()).value_or("");
    return reply.find("\x02\x01\x01", 30) != std::string::npos;
  }));
}

TEST_F(HostileClientsTest, ReaderThatSleepsIsClosedByNumberOfSignals) {
  BusClient good{harness};
  BusClient sleeper{harness};
  ASSERT_TRUE(served(good) && served(sleeper));
  std::size_t events = 0;
  while (harness.server->connections() == 2 && events < 4 * Peer::kMaxUnreadMessages) {
    emit("e", 1);
    ++events;
    harness.turn(0);
    good.process();
  }
  EXPECT_GT(events, Peer::kMaxUnreadMessages);
  EXPECT_EQ(harness.warnings.size(), 1U);
  EXPECT_TRUE(served(good));
  EXPECT_EQ(harness.server->connections(), 1U);
  EXPECT_TRUE(harness.run_until([&] {
    good.process();
    return good.signals.size() == events;
  }));
}

TEST_F(HostileClientsTest, ReaderThatSleepsIsClosedBySizeOfSignals) {
  constexpr std::size_t kEventBytes = 256U << 10;
  BusClient good{harness};
  BusClient sleeper{harness};
  ASSERT_TRUE(served(good) && served(sleeper));
  std::size_t events = 0;
  while (harness.server->connections() == 2 && events < 1000) {
    emit("e", kEventBytes);
    ++events;
    ASSERT_TRUE(harness.run_until([&] {
      good.process();
      return good.signals.size() == events;
    }));
    good.signals.back().clear();
  }
  // What the kernel buffers comes on top, and is less than the bound.
  EXPECT_LT(events * kEventBytes, 2 * Peer::kMaxUnreadBytes);
  EXPECT_TRUE(served(good));
}

TEST_F(HostileClientsTest, CallerThatNeverReadsIsClosed) {
  for (int job = 0; job < 100; ++job) harness.define(fmt::format("job{}", job), "exec x");
  BusClient good{harness};
  ASSERT_TRUE(served(good));
  const auto fd = harness.connect();
  ::fcntl(fd.value(), F_SETFL, O_NONBLOCK);
  send(fd.value(), auth() + "BEGIN\r\n");
  std::uint32_t serial = 0;
  const bool gone = harness.run_until([&] {
    const auto call = get_all_jobs(++serial);
    // A full socket only means that the server has not caught up.
    if (::send(fd.value(), call.data(), call.size(), MSG_NOSIGNAL) < 0 && errno == EAGAIN) {
      --serial;
    }
    return serial > 10 && harness.server->connections() == 1;
  });
  EXPECT_TRUE(gone) << serial << " calls";
  EXPECT_EQ(harness.warnings.size(), 1U);
  EXPECT_TRUE(served(good));
}

TEST_F(HostileClientsTest, ClientsThatVanishWhileTheyWaitLeaveNothing) {
  harness.define("foo", kEndlessTask);
  for (std::size_t round = 0; round < 20; ++round) {
    BusClient client{harness};
    const auto waiting = send_endless_call(client, round);
    ASSERT_TRUE(harness.run_until([&] {
      client.process();
      return harness.server->pending_replies() == 1;
    })) << client.outcomes[waiting];
    EXPECT_EQ(client.outcomes[waiting], "");
    client.close();
    ASSERT_TRUE(harness.run_until([&] { return harness.server->connections() == 0; }));
    EXPECT_EQ(harness.server->pending_replies(), 0U);
  }
  // The requests finish for nobody.
  const auto* job = harness.manager->find_job("foo");
  core::SpawnId spawn = job->find_instance("0")->process(core::ProcessType::Main).spawn;
  harness.handle(core::ProcessChange{spawn, core::Exited{0}});
  BusClient good{harness};
  EXPECT_TRUE(served(good));
}

TEST_F(HostileClientsTest, TooManyWaitingCallsAreRefused) {
  harness.define("foo", kEndlessTask);
  BusClient client{harness};
  std::size_t refused = 0;
  for (std::size_t call = 0; call <= PendingReplies::kMaxForOneConnection; ++call) {
    send_endless_call(client, call);
  }
  EXPECT_TRUE(harness.run_until([&] {
    client.process();
    refused = 0;
    for (const auto& outcome : client.outcomes) {
      refused += outcome.starts_with("org.freedesktop.DBus.Error.LimitsExceeded");
    }
    return refused > 0;
  }));
  EXPECT_EQ(refused, 1U);
}

TEST_F(HostileClientsTest, MoreConnectionsThanAllowedAreTurnedAway) {
  constexpr std::size_t kClients = 600;
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const rlimit before = files;
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4 * kClients);
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 3 * kClients) GTEST_SKIP() << "too few file descriptors allowed";

  BusClient good{harness};
  ASSERT_TRUE(served(good));
  {
    std::vector<UniqueFd> clients;
    for (std::size_t count = 0; count < kClients; ++count) {
      clients.push_back(harness.connect());
      send(clients.back().value(), std::string{'\0'});
      harness.turn(0);
      ASSERT_LE(harness.server->connections(), ControlServer::kMaxConnections);
    }
    EXPECT_TRUE(harness.run_until([&] { return !harness.warnings.empty(); }));
    EXPECT_EQ(harness.server->connections(), ControlServer::kMaxConnections);
    EXPECT_EQ(harness.warnings.size(), 1U) << "one warning for all that were turned away";
    EXPECT_TRUE(closed(clients.back().value()));
    EXPECT_TRUE(served(good));
  }
  EXPECT_TRUE(harness.run_until([&] { return harness.server->connections() == 1; }));
  BusClient late{harness};
  EXPECT_TRUE(served(late));
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_F(HostileClientsTest, RunningOutOfDescriptorsIsSurvived) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const rlimit before = files;
  BusClient good{harness};
  ASSERT_TRUE(served(good));
  const auto waiting = harness.connect();
  files.rlim_cur = static_cast<rlim_t>(waiting.value()) + 1;  // no number is free below
  ::setrlimit(RLIMIT_NOFILE, &files);
  EXPECT_TRUE(harness.run_until([&] { return !harness.warnings.empty(); }));
  EXPECT_TRUE(served(good));
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(harness.run_until([&] { return harness.server->connections() == 2; }));
}

TEST_F(HostileClientsTest, OtherUsersAreTurnedAway) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(2);
    const auto fd = harness.connect();
    ::send(fd.value(), "\0AUTH EXTERNAL 3635353334\r\n", 27, MSG_NOSIGNAL);
    char byte = 0;
    ::_exit(::recv(fd.value(), &byte, 1, 0) > 0 ? 1 : 0);
  }
  int status = -1;
  EXPECT_TRUE(harness.run_until([&] { return ::waitpid(child, &status, WNOHANG) == child; }));
  EXPECT_EQ(status, 0);
  EXPECT_EQ(harness.server->connections(), 0U);
  EXPECT_EQ(harness.warnings.size(), 1U);
}

}  // namespace
}  // namespace upkeep::control
