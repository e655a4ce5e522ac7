// EmitEventWithFile: what becomes of the descriptor (spec/control.md 1.11).
#include "control/event_files.h"

#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "control/arguments.h"
#include "control/server_harness.h"

namespace upkeep::control {
namespace {

const std::string kInvalidArgs = "org.freedesktop.DBus.Error.InvalidArgs: ";
const std::string kLimitsExceeded = "org.freedesktop.DBus.Error.LimitsExceeded: ";

bool same_file(int left, int right) {
  struct stat one {
  }, other{};
  return ::fstat(left, &one) == 0 && ::fstat(right, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

std::ptrdiff_t open_descriptors() {
  return std::ranges::distance(std::filesystem::directory_iterator{"/proc/self/fd"},
                               std::filesystem::directory_iterator{});
}

class EventFilesTest : public testing::Test {
 protected:
  EventFilesTest() {
    // sd-bus sends no descriptor before it knows that the server takes them; it would wait for us.
    EXPECT_EQ(client.call(dbus::kManagerPath, dbus::kManagerInterface, "GetAllJobs"), "ok [ ]");
  }

  static BusClient::Append event_with_file(const std::string& name,
                                           const std::vector<std::string>& environment, bool wait,
                                           int descriptor) {
    return [=](sd_bus_message* message) {
      const int result = event(name, environment, wait)(message);
      return result < 0 ? result : sd_bus_message_append(message, "h", descriptor);
    };
  }
  std::string emit(const std::string& name, const std::vector<std::string>& environment = {}) {
    return client.call(dbus::kManagerPath, dbus::kManagerInterface, "EmitEventWithFile",
                       event_with_file(name, environment, false, file.value()));
  }
  /// The reply comes before the job's process is asked for.
  bool wait_for_process(std::size_t number) {
    return harness.run_until([&] { return harness.platform.spawned.size() >= number; });
  }

  UniqueFd file{::open("/", O_PATH | O_CLOEXEC)};
  ServerHarness harness;
  BusClient client{harness};
};

TEST_F(EventFilesTest, AProcessOfTheJobGetsIt) {
  harness.define("foo", "start on e\nexec x");
  EXPECT_EQ(emit("e"), "ok");
  ASSERT_TRUE(wait_for_process(1));
  const auto& request = harness.platform.spawned[0];
  ASSERT_EQ(request.files.size(), 1U);
  const int number = request.files[0]->number();
  EXPECT_NE(number, file.value());
  EXPECT_GE(number, 10);
  EXPECT_TRUE(same_file(number, file.value()));
  EXPECT_EQ(::fcntl(number, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(find_variable(request.environment, "UPSTART_FDS"), fmt::format("{}", number));
}

TEST_F(EventFilesTest, IsClosedWithTheJob) {
  harness.define("foo", "start on e\nstop on f\nexec x");
  EXPECT_EQ(emit("nobody-cares"), "ok");
  const auto before = open_descriptors();
  EXPECT_EQ(emit("e"), "ok");
  ASSERT_TRUE(wait_for_process(1));
  EXPECT_EQ(open_descriptors(), before + 1);
  EXPECT_EQ(emit("f"), "ok");  // its file goes with the event
  ASSERT_TRUE(harness.run_until([&] {
    return harness.manager->find_job("foo")->instances().empty() &&
           harness.manager->events().empty();
  }));
  EXPECT_EQ(open_descriptors(), before + 1) << "the process had it, too";
  harness.platform.spawned.clear();
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(EventFilesTest, IsClosedWhenTheCallIsRefused) {
  EXPECT_EQ(emit("e"), "ok");
  const auto before = open_descriptors();
  EXPECT_EQ(emit(""), kInvalidArgs + "Name may not be empty string");
  EXPECT_EQ(emit("e", {"A"}), kInvalidArgs + "Env must be KEY=VALUE pairs");
  EXPECT_EQ(emit(std::string(kMaxEventNameBytes + 1, 'x')),
            kInvalidArgs + "Name may not be larger than 65536 bytes");
  EXPECT_EQ(client.call(dbus::kManagerPath, dbus::kManagerInterface, "EmitEventWithFile",
                        event("e", {}, false)),
            kInvalidArgs + "Invalid arguments to EmitEventWithFile method");
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(EventFilesTest, AreBounded) {
  harness.define("foo", "start on e\ninstance $N\nexec x");
  EXPECT_EQ(emit("nobody-cares"), "ok");
  const auto before = open_descriptors();
  for (std::size_t i = 0; i < EventFiles::kMax; ++i) {
    ASSERT_EQ(emit("e", {fmt::format("N={}", i)}), "ok") << i;
  }
  ASSERT_TRUE(wait_for_process(EventFiles::kMax));
  EXPECT_EQ(emit("e", {"N=more"}),
            kLimitsExceeded + "No more than 256 files of events can be kept at a time");
  EXPECT_EQ(open_descriptors(), before + static_cast<std::ptrdiff_t>(EventFiles::kMax));
  harness.platform.spawned.pop_front();
  EXPECT_EQ(client.call(std::string{dbus::kJobsPath} + "/foo", dbus::kJobInterface, "Stop",
                        environment_and_wait({"N=0"}, true)),
            "ok");
  EXPECT_EQ(emit("e", {"N=more"}), "ok") << "there is room again";
}

TEST_F(EventFilesTest, ACallThatWaitsKeepsOneDescriptorOnly) {
  harness.define("foo", "start on e\ninstance $N\ntask\nexec x");
  EXPECT_EQ(emit("nobody-cares"), "ok");
  const auto before = open_descriptors();
  for (int i = 0; i < 10; ++i) {
    client.send(dbus::kManagerPath, dbus::kManagerInterface, "EmitEventWithFile",
                event_with_file("e", {fmt::format("N={}", i)}, true, file.value()));
  }
  ASSERT_TRUE(harness.run_until([&] {
    client.process();
    return harness.platform.spawned.size() == 10;
  }));
  EXPECT_EQ(harness.server->pending_replies(), 10U);
  EXPECT_EQ(open_descriptors(), before + 10);
}

TEST_F(EventFilesTest, AShortageOfDescriptorsIsAnError) {
  EventFiles files;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few{10, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &few);
  const auto kept = files.keep(file.value());
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_FALSE(kept);
  // The numbers from 10 on are all out of bounds.
  EXPECT_EQ(kept.error().message, "Unable to keep the file: Invalid argument");
  EXPECT_EQ(files.size(), 0U);
  EXPECT_TRUE(files.keep(file.value()));
  EXPECT_EQ(files.size(), 0U);
}

TEST_F(EventFilesTest, AFileMayOutliveTheirKeeper) {
  auto files = std::make_unique<EventFiles>();
  const auto kept = files->keep(file.value()).value();
  EXPECT_EQ(files->size(), 1U);
  files.reset();
  EXPECT_TRUE(same_file(kept->number(), file.value()));
}

}  // namespace
}  // namespace upkeep::control
