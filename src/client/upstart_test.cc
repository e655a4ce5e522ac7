// The client against a real server, which runs in a thread of its own.
#include "client/upstart.h"

#include <atomic>
#include <future>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/unique_fd.h"
#include "control/server_harness.h"

namespace upkeep::client {
namespace {

class UpstartTest : public testing::Test {
 protected:
  UpstartTest() {
    harness_.define("foo",
                    "start on a X=1 and (b or c)\nstop on d\nemits x y*\nimport K L\nusage U\n"
                    "instance $N\nenv N=\nexec x");
    harness_.define("endless", "start on e\ntask\nexec x");
    server_ = std::thread{[this] {
      while (!stop_) harness_.turn(5);
    }};
  }
  ~UpstartTest() override { stop_server(); }

  void stop_server() {
    stop_ = true;
    if (server_.joinable()) server_.join();
  }

  Upstart connect() {
    auto connection = Connection::open({Endpoint::Kind::UserSocket, harness_.address(), {}});
    EXPECT_TRUE(connection) << connection.error().message;
    return Upstart{std::move(*connection)};
  }

  control::ServerHarness harness_;
  std::atomic<bool> stop_ = false;
  std::thread server_;
};

TEST_F(UpstartTest, FollowsAJobThroughItsLife) {
  auto upstart = connect();
  const auto job = upstart.job("foo").value();
  EXPECT_EQ(upstart.jobs().value().size(), 2U);
  EXPECT_EQ(upstart.job_name(job).value(), "foo");
  EXPECT_EQ(upstart.job_usage(job).value(), "U");
  EXPECT_EQ(upstart.instances(job).value(), std::vector<std::string>{});

  const auto instance = upstart.start(job, {"N=a b"}, Wait::Yes).value();
  EXPECT_EQ(upstart.instance(job, {"N=a b"}).value(), instance);
  EXPECT_EQ(upstart.instance_by_name(job, "a b").value(), instance);
  EXPECT_EQ(upstart.instances(job).value(), std::vector<std::string>{instance});
  const auto status = upstart.status(instance).value();
  EXPECT_EQ(status.name, "a b");
  EXPECT_EQ(status.goal, "start");
  EXPECT_EQ(status.state, "running");
  ASSERT_EQ(status.processes.size(), 1U);
  EXPECT_EQ(status.processes[0].role, "main");
  EXPECT_EQ(status.processes[0].pid, 1000);

  EXPECT_TRUE(upstart.reload_instance(instance));
  EXPECT_TRUE(upstart.restart_instance(instance, Wait::Yes));
  EXPECT_TRUE(upstart.stop(job, {"N=a b"}, Wait::Yes));
  const auto gone = upstart.status(instance);
  ASSERT_FALSE(gone);
  EXPECT_TRUE(has_gone(gone.error()));
}

TEST_F(UpstartTest, ReadsConditions) {
  auto upstart = connect();
  const auto configuration = upstart.job_configuration(upstart.job("foo").value()).value();
  EXPECT_EQ(configuration.name, "foo");
  EXPECT_EQ(configuration.emits, (std::vector<std::string>{"x", "y*"}));
  EXPECT_EQ(configuration.imports, (std::vector<std::string>{"K", "L"}));
  EXPECT_EQ(configuration.start_on, (Condition{{"a", "X=1"}, {"b"}, {"c"}, {"/OR"}, {"/AND"}}));
  EXPECT_EQ(configuration.stop_on, (Condition{{"d"}}));
}

TEST_F(UpstartTest, ReadsAndChangesTheJobEnvironment) {
  auto upstart = connect();
  const EnvironmentOwner all;
  EXPECT_EQ(upstart.list_environment(all).value(), Environment{});
  EXPECT_TRUE(upstart.set_environment(all, {"A=1", "B"}, true));
  EXPECT_TRUE(upstart.set_environment(all, {"A=2", "C=3"}, false));
  EXPECT_EQ(upstart.list_environment(all).value(), (Environment{"A=1", "B=", "C=3"}));
  EXPECT_EQ(upstart.get_environment(all, "A").value(), "1");
  EXPECT_TRUE(upstart.unset_environment(all, {"A", "C"}));
  EXPECT_EQ(upstart.get_environment(all, "A").error().message, "No such variable: A");

  ASSERT_TRUE(upstart.start(upstart.job("foo").value(), {"N=i"}, Wait::Yes));
  const EnvironmentOwner one = InstanceName{"foo", "i"};
  EXPECT_TRUE(upstart.set_environment(one, {"OWN=x"}, true));
  EXPECT_EQ(upstart.list_environment(one).value(), (Environment{"B=", "N=i", "OWN=x"}));
  EXPECT_TRUE(upstart.reset_environment(one));
  EXPECT_EQ(upstart.list_environment(one).value(), (Environment{"B=", "N="}));
  EXPECT_EQ(upstart.reset_environment(InstanceName{"foo", "j"}).error().message,
            "Unknown instance: j of job foo");
}

TEST_F(UpstartTest, ErrorsCarryNameAndMessage) {
  auto upstart = connect();
  const auto unknown = upstart.job("nosuch");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().name, "com.ubuntu.Upstart0_6.Error.UnknownJob");
  EXPECT_EQ(unknown.error().message, "Unknown job: nosuch");
  EXPECT_EQ(upstart.emit("e", {"A"}, Wait::No).error().message, "Env must be KEY=VALUE pairs");
  EXPECT_EQ(upstart.emit("e", {"A=\xFF"}, Wait::No).error().message,
            "Names and values must be valid UTF-8");
  EXPECT_FALSE(upstart.set_log_priority("loud"));
  EXPECT_TRUE(upstart.set_log_priority("debug"));
  EXPECT_EQ(upstart.log_priority().value(), "debug");
}

TEST_F(UpstartTest, ManagerThatGoesAwayEndsTheWait) {
  auto upstart = connect();
  auto waiting = std::async(std::launch::async, [&] { return upstart.emit("e", {}, Wait::Yes); });
  auto other = connect();
  while (other.instances(other.job("endless").value()).value().empty()) {
  }
  stop_server();
  harness_.server.reset();
  const auto outcome = waiting.get();
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message, "");
}

/// A manager that has no interfaces but Upstart's, with one job; it serves one client.
class OtherManager {
 public:
  OtherManager() : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;  // with nothing else the kernel chooses an abstract name
    EXPECT_EQ(::bind(listener_.value(), reinterpret_cast<sockaddr*>(&name), sizeof(sa_family_t)),
              0);
    EXPECT_EQ(::listen(listener_.value(), 1), 0);
    socklen_t size = sizeof name;
    EXPECT_EQ(::getsockname(listener_.value(), reinterpret_cast<sockaddr*>(&name), &size), 0);
    const auto length = size - offsetof(sockaddr_un, sun_path) - 1;
    address_ = "unix:abstract=" + std::string(name.sun_path + 1, length);
    thread_ = std::thread{[this] { serve(); }};
  }
  ~OtherManager() { thread_.join(); }

  [[nodiscard]] const std::string& address() const { return address_; }
  static constexpr const char* kJob = "/com/ubuntu/Upstart/jobs/old";

 private:
  /// Until the client has gone.
  void serve() const {
    static constexpr sd_bus_vtable kMembers[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("name", "s", get_name, 0, 0),
        SD_BUS_PROPERTY("emits", "as", get_emits, 0, 0),
        SD_BUS_VTABLE_END,
    };
    const int client = ::accept4(listener_.value(), nullptr, nullptr, SOCK_CLOEXEC);
    sd_bus* made = nullptr;
    sd_bus_new(&made);
    const dbus::Bus bus{made};
    sd_bus_set_fd(made, client, client);
    sd_bus_set_server(made, 1, sd_id128_t{});
    sd_bus_add_object_vtable(made, nullptr, kJob, dbus::kJobInterface, kMembers, nullptr);
    sd_bus_start(made);
    for (int result = 0; result >= 0;) {
      result = sd_bus_process(made, nullptr);
      if (result == 0) result = sd_bus_wait(made, 1000);  // sd-bus leaves a message lying at first
    }
  }

  static int get_name(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
                      sd_bus_error*) {
    return sd_bus_message_append(reply, "s", "old");
  }
  static int get_emits(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void*,
                       sd_bus_error*) {
    return sd_bus_message_append(reply, "as", 1, "x");
  }

  UniqueFd listener_;
  std::string address_;
  std::thread thread_;
};

TEST(OfAnotherManager, TheConfigurationHasNothingOfOurs) {
  const OtherManager manager;
  auto connection = Connection::open({Endpoint::Kind::UserSocket, manager.address(), {}});
  ASSERT_TRUE(connection) << connection.error().message;
  Upstart upstart{std::move(*connection)};
  const auto configuration = upstart.job_configuration(OtherManager::kJob);
  ASSERT_TRUE(configuration) << configuration.error().message;
  EXPECT_EQ(configuration->name, "old");
  EXPECT_EQ(configuration->emits, std::vector<std::string>{"x"});
  EXPECT_EQ(configuration->imports, std::vector<std::string>{});
}

TEST(Connect, SaysWhatToDoWhenNobodyListens) {
  const auto failed =
      Connection::open({Endpoint::Kind::UserSocket, "unix:abstract=/upkeep-test/nobody", {}});
  ASSERT_FALSE(failed);
  EXPECT_EQ(
      failed.error().message.find("Unable to connect to Upstart: Connection refused: no "
                                  "session init listens at unix:abstract=/upkeep-test/nobody"),
      0U)
      << failed.error().message;
}

}  // namespace
}  // namespace upkeep::client
