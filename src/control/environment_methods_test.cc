// The calls on the job environment, with their errors (spec/control.md 1.9, 1.11).
#include "control/environment_methods.h"

#include <gtest/gtest.h>

#include "control/arguments.h"
#include "control/server_harness.h"

namespace upkeep::control {
namespace {

const std::string kInvalidArgs = "org.freedesktop.DBus.Error.InvalidArgs: ";
const std::string kUnknownJob = "com.ubuntu.Upstart0_6.Error.UnknownJob: ";
const std::string kUnknownJobInstance = "com.ubuntu.Upstart0_6.Error.UnknownJobInstance: ";

using Texts = std::vector<std::string>;

/// One argument after the other.
template <typename... Parts>
auto in_turn(Parts... parts) {
  return [=](sd_bus_message* message) {
    int result = 0;
    ((result = result < 0 ? result : parts(message)), ...);
    return result;
  };
}

class EnvironmentMethodsTest : public testing::Test {
 protected:
  explicit EnvironmentMethodsTest(ControlOptions options = {})
      : harness{std::move(options), {.job_environment = {"PATH=/bin", "TERM=t"}}} {
    harness.define("foo", "instance $N\nenv K=1\nexec x");
  }

  std::string call(const char* member, const BusClient::Append& append) {
    return client.call(dbus::kManagerPath, dbus::kManagerInterface, member, append);
  }
  std::string get(const Texts& details, const std::string& name) {
    return call("GetEnv", in_turn(text_list(details), text(name)));
  }
  std::string list(const Texts& details) { return call("ListEnv", text_list(details)); }
  std::string set(const Texts& details, const std::string& variable, bool replace = true) {
    return call("SetEnv", in_turn(text_list(details), text(variable), flag(replace)));
  }
  std::string set_list(const Texts& details, const Texts& variables, bool replace = true) {
    return call("SetEnvList", in_turn(text_list(details), text_list(variables), flag(replace)));
  }
  std::string unset(const Texts& details, const std::string& name) {
    return call("UnsetEnv", in_turn(text_list(details), text(name)));
  }
  std::string unset_list(const Texts& details, const Texts& names) {
    return call("UnsetEnvList", in_turn(text_list(details), text_list(names)));
  }
  std::string reset(const Texts& details) { return call("ResetEnv", text_list(details)); }

  void start(const std::string& instance) {
    const auto path = std::string{dbus::kJobsPath} + "/foo";
    ASSERT_EQ(client.call(path, dbus::kJobInterface, "Start",
                          environment_and_wait({"N=" + instance}, true)),
              "ok " + path + "/" + instance);
  }

  ServerHarness harness;
  BusClient client{harness};
};

TEST_F(EnvironmentMethodsTest, ChangeTheTableOfAllJobs) {
  EXPECT_EQ(list({}), "ok [ PATH=/bin TERM=t ]");
  EXPECT_EQ(get({}, "TERM"), "ok t");
  EXPECT_EQ(set({}, "A=b=c %d"), "ok");
  EXPECT_EQ(get({}, "A"), "ok b=c %d");
  EXPECT_EQ(set({}, "A=x", false), "ok");
  EXPECT_EQ(get({}, "A"), "ok b=c %d");
  EXPECT_EQ(set({}, "BARE"), "ok");
  EXPECT_EQ(get({}, "BARE"), "ok ");
  EXPECT_EQ(set_list({}, {"A=1", "AB=2", "ABC=3"}), "ok");
  EXPECT_EQ(unset({}, "ABC"), "ok");
  EXPECT_EQ(list({}), "ok [ PATH=/bin TERM=t A=1 BARE= AB=2 ]");
  EXPECT_EQ(unset_list({}, {"A", "nosuch", "BARE"}), "ok");
  EXPECT_EQ(list({}), "ok [ PATH=/bin TERM=t AB=2 ]");
  EXPECT_EQ(reset({}), "ok");
  EXPECT_EQ(list({}), "ok [ PATH=/bin TERM=t ]");
  EXPECT_EQ(harness.server->pending_replies(), 0U);
}

TEST_F(EnvironmentMethodsTest, ChangeTheTableOfOneInstance) {
  start("a");
  start("b");
  EXPECT_EQ(list({"foo", "a"}), "ok [ PATH=/bin TERM=t K=1 N=a ]");
  EXPECT_EQ(set({"foo", "a"}, "K=2"), "ok");
  EXPECT_EQ(get({"foo", "a"}, "K"), "ok 2");
  EXPECT_EQ(get({"foo", "b"}, "K"), "ok 1");
  EXPECT_EQ(get({}, "K"), kInvalidArgs + "No such variable: K");
  EXPECT_EQ(set({}, "G=1"), "ok");
  EXPECT_EQ(get({"foo", "a"}, "G"), "ok 1");
  EXPECT_EQ(unset_list({"foo", "a"}, {"G", "N"}), "ok");
  EXPECT_EQ(list({"foo", "a"}), "ok [ PATH=/bin TERM=t K=2 ]");
  EXPECT_EQ(reset({"foo", "a"}), "ok");
  EXPECT_EQ(list({"foo", "a"}), "ok [ PATH=/bin TERM=t G=1 K=1 ]");
}

TEST_F(EnvironmentMethodsTest, RefuseWhatTheyCannotFind) {
  start("a");
  using Call = std::function<std::string(const Texts&)>;
  for (const auto& one : {Call{[&](const auto& details) { return get(details, "PATH"); }},
                          Call{[&](const auto& details) { return list(details); }},
                          Call{[&](const auto& details) { return set(details, "A=1"); }},
                          Call{[&](const auto& details) { return set_list(details, {"A=1"}); }},
                          Call{[&](const auto& details) { return unset(details, "A"); }},
                          Call{[&](const auto& details) { return unset_list(details, {"A"}); }},
                          Call{[&](const auto& details) { return reset(details); }}}) {
    EXPECT_EQ(one({""}), kInvalidArgs + "Job may not be empty string");
    EXPECT_EQ(one({"", "a"}), kInvalidArgs + "Job may not be empty string");
    EXPECT_EQ(one({"nosuch", ""}), kUnknownJob + "Unknown job: nosuch");
    EXPECT_EQ(one({"nosuch"}), kUnknownJob + "Unknown job: nosuch");
    EXPECT_EQ(one({"foo"}), kUnknownJobInstance + "Unknown instance: (null) of job foo");
    EXPECT_EQ(one({"foo", ""}), kUnknownJobInstance + "Unknown instance:  of job foo");
    EXPECT_EQ(one({"foo", "b"}), kUnknownJobInstance + "Unknown instance: b of job foo");
    EXPECT_EQ(one({"foo", "a", "b"}), kInvalidArgs + "Job details must be a job and an instance");
    EXPECT_TRUE(one({"foo", "a"}).starts_with("ok"));
    EXPECT_TRUE(one({}).starts_with("ok"));
  }
}

TEST_F(EnvironmentMethodsTest, RefuseEmptyNames) {
  const auto empty = kInvalidArgs + "Variable may not be empty string";
  EXPECT_EQ(get({}, ""), empty);
  for (const auto* variable : {"", "=", "=x"}) {
    EXPECT_EQ(set({}, variable), empty);
    EXPECT_EQ(set_list({}, {"A=1", variable}), empty);
  }
  EXPECT_EQ(unset({}, ""), empty);
  EXPECT_EQ(unset_list({}, {""}), empty);
  EXPECT_EQ(list({}), "ok [ PATH=/bin TERM=t ]") << "a list that is refused changes nothing";
}

TEST_F(EnvironmentMethodsTest, UnsetInAnEmptyTableIsAnError) {
  EXPECT_EQ(unset_list({}, {"PATH", "nosuch", "TERM"}), "ok");
  EXPECT_EQ(unset({}, "A"), kInvalidArgs + "No such variable: A");
  EXPECT_EQ(list({}), "ok [ ]");
}

TEST_F(EnvironmentMethodsTest, AreBounded) {
  const std::string longest((128U << 10U) - 3, 'x');
  EXPECT_EQ(set({}, "A=" + longest), "ok");
  EXPECT_EQ(get({}, "A"), "ok " + longest);
  EXPECT_EQ(set({}, "A=x" + longest),
            kInvalidArgs + "Variable may not be larger than 131071 bytes");
  Texts many;
  for (int i = 0; i < 9; ++i) many.push_back(fmt::format("V{}={}", i, longest.substr(9)));
  EXPECT_EQ(set_list({}, many), kInvalidArgs + "Environment may not be larger than 1048576 bytes");
  EXPECT_EQ(get({}, "V0"), kInvalidArgs + "No such variable: V0");
  const std::string huge(kMaxEnvironmentBytes, 'x');
  EXPECT_EQ(set_list({}, {huge}), kInvalidArgs + "Env may not be larger than 4194304 bytes");
  EXPECT_EQ(unset_list({}, {huge}), kInvalidArgs + "Names may not be larger than 4194304 bytes");
  EXPECT_EQ(list({huge}), kInvalidArgs + "Job details may not be larger than 4194304 bytes");
}

TEST_F(EnvironmentMethodsTest, ShowWhatIsNoUtf8AsReplaced) {
  harness.define("bar", "env L=\xE9\xFF\nexec x");
  ASSERT_TRUE(client
                  .call(std::string{dbus::kJobsPath} + "/bar", dbus::kJobInterface, "Start",
                        environment_and_wait({}, true))
                  .starts_with("ok"));
  EXPECT_EQ(get({"bar", ""}, "L"), "ok \xEF\xBF\xBD\xEF\xBF\xBD");
}

ControlOptions of(ControlOptions::Mode mode) {
  ControlOptions options;
  options.mode = mode;
  return options;
}

class EnvironmentOfProcessOneTest : public EnvironmentMethodsTest {
 protected:
  EnvironmentOfProcessOneTest() : EnvironmentMethodsTest(of(ControlOptions::Mode::ProcessOne)) {}
};

TEST_F(EnvironmentOfProcessOneTest, CanBeReadOnly) {
  start("a");
  for (const auto& details : {Texts{}, Texts{"foo", "a"}, Texts{"nosuch", ""}}) {
    for (const auto& outcome :
         {set(details, "A=1"), set_list(details, {"A=1"}), unset(details, "PATH"),
          unset_list(details, {"PATH"}), reset(details)}) {
      EXPECT_EQ(outcome,
                "com.ubuntu.Upstart0_6.Error.PermissionDenied: "
                "Not permissible to modify PID 1 job environment");
    }
  }
  EXPECT_EQ(get({}, "PATH"), "ok /bin");
  EXPECT_EQ(list({"foo", "a"}), "ok [ PATH=/bin TERM=t K=1 N=a ]");
}

class EnvironmentOfSupervisorTest : public EnvironmentMethodsTest {
 protected:
  EnvironmentOfSupervisorTest() : EnvironmentMethodsTest(of(ControlOptions::Mode::Supervisor)) {}
};

TEST_F(EnvironmentOfSupervisorTest, CanBeChanged) {
  EXPECT_EQ(set({}, "A=1"), "ok");
  EXPECT_EQ(get({}, "A"), "ok 1");
}

}  // namespace
}  // namespace upkeep::control
