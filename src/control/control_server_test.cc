// The methods, properties, signals and errors of spec/control.md 1.4 to 1.11 over a real socket.
#include "control/control_server.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "control/arguments.h"
#include "control/server_harness.h"

namespace upkeep::control {
namespace {

constexpr const char* kInvalidArgs = "org.freedesktop.DBus.Error.InvalidArgs: ";
constexpr const char* kUnknownMethod = "org.freedesktop.DBus.Error.UnknownMethod";
const std::string kManager = dbus::kManagerPath;
const std::string kJobs = dbus::kJobsPath;

class ControlServerTest : public testing::Test {
 protected:
  std::string manager(const char* member, const BusClient::Append& append = {}) {
    return client.call(kManager, dbus::kManagerInterface, member, append);
  }
  std::string job(const std::string& name, const char* member,
                  const BusClient::Append& append = {}) {
    return client.call(kJobs + "/" + name, dbus::kJobInterface, member, append);
  }
  std::string instance(const std::string& name, const char* member,
                       const BusClient::Append& append = {}) {
    return client.call(kJobs + "/" + name, dbus::kInstanceInterface, member, append);
  }

  ServerHarness harness;
  BusClient client{harness};
};

TEST_F(ControlServerTest, FindsJobsByName) {
  harness.define("foo", "exec x");
  harness.define("sub/x.y", "exec x");
  EXPECT_EQ(manager("GetJobByName", text("sub/x.y")), "ok " + kJobs + "/sub_2fx_2ey");
  EXPECT_EQ(manager("GetJobByName", text("nosuch")),
            "com.ubuntu.Upstart0_6.Error.UnknownJob: Unknown job: nosuch");
  EXPECT_EQ(manager("GetJobByName", text("")),
            std::string{kInvalidArgs} + "Name may not be empty string");
  EXPECT_EQ(manager("GetAllJobs"), "ok [ " + kJobs + "/foo " + kJobs + "/sub_2fx_2ey ]");
}

TEST_F(ControlServerTest, CallsWithoutInterfaceAndWithWrongArguments) {
  harness.define("foo", "exec x");
  EXPECT_EQ(client.call(kManager, nullptr, "GetAllJobs"), "ok [ " + kJobs + "/foo ]");
  EXPECT_EQ(client.call(kJobs + "/foo", nullptr, "Start", environment_and_wait({}, true)),
            "ok " + kJobs + "/foo/_");
  EXPECT_EQ(manager("GetJobByName"),
            std::string{kInvalidArgs} + "Invalid arguments to GetJobByName method");
  EXPECT_EQ(job("foo", "Start", text("x")),
            std::string{kInvalidArgs} + "Invalid arguments to Start method");
}

TEST_F(ControlServerTest, WhatDoesNotExistIsAnUnknownMethod) {
  harness.define("foo", "exec x");
  for (const auto& outcome :
       {manager("NoSuchMethod"), job("nosuch", "GetAllInstances"), instance("foo/_", "Reload"),
        client.call(kManager + "/nosuch", dbus::kManagerInterface, "GetAllJobs"),
        client.call(kManager, "no.such", "GetAllJobs"), client.call("/", "a.b", "C"),
        client.call("/x", "org.freedesktop.DBus.Introspectable", "Introspect"),
        client.get(kManager, dbus::kManagerInterface, "nosuch"),
        client.get(kManager, dbus::kJobInterface, "name"), client.get(kManager, "", "nosuch"),
        client.get(kJobs + "/foo/_", dbus::kInstanceInterface, "state")}) {
    EXPECT_EQ(outcome.substr(0, outcome.find(':')), kUnknownMethod) << outcome;
  }
}

TEST_F(ControlServerTest, ServiceFromStartToStop) {
  harness.define("foo", "exec x");
  EXPECT_EQ(job("foo", "GetAllInstances"), "ok [ ]");
  EXPECT_EQ(job("foo", "Start", environment_and_wait({}, true)), "ok " + kJobs + "/foo/_");
  EXPECT_EQ(job("foo", "GetInstance", text_list({})), "ok " + kJobs + "/foo/_");
  EXPECT_EQ(job("foo", "GetInstanceByName", text("")), "ok " + kJobs + "/foo/_");
  EXPECT_EQ(client.call(kJobs + "/foo/_", dbus::kPropertiesInterface, "GetAll",
                        text(dbus::kInstanceInterface)),
            "ok [ [ name  ] [ goal start ] [ state running ] [ processes [ [ main 1000 ] ] ] ]");
  EXPECT_EQ(job("foo", "Start", environment_and_wait({}, true)),
            "com.ubuntu.Upstart0_6.Error.AlreadyStarted: Job is already running: foo");
  EXPECT_EQ(instance("foo/_", "Reload"), "ok");
  EXPECT_EQ(harness.platform.signals, std::vector<int>{SIGHUP});
  EXPECT_EQ(instance("foo/_", "Restart", flag(true)), "ok");
  EXPECT_EQ(job("foo", "Restart", environment_and_wait({}, true)), "ok " + kJobs + "/foo/_");
  EXPECT_EQ(job("foo", "Stop", environment_and_wait({}, true)), "ok");
  EXPECT_EQ(job("foo", "Stop", environment_and_wait({}, true)),
            "com.ubuntu.Upstart0_6.Error.UnknownInstance: Unknown instance: ");
  EXPECT_EQ(harness.server->pending_replies(), 0U);
}

TEST_F(ControlServerTest, InstanceNamesComeFromTheEnvironment) {
  harness.define("foo", "instance $N\nusage \"N=number \xE9\"\nexec x");
  const std::string usage = "Unknown parameter: N\nUsage: N=number \xEF\xBF\xBD";
  EXPECT_EQ(job("foo", "Start", environment_and_wait({}, true)), kInvalidArgs + usage);
  EXPECT_EQ(job("foo", "GetInstance", text_list({})), kInvalidArgs + usage);
  EXPECT_EQ(job("foo", "GetInstance", text_list({"N"})),
            std::string{kInvalidArgs} + "Env must be KEY=VALUE pairs");
  EXPECT_EQ(job("foo", "GetInstance", text_list({"N=2"})),
            "com.ubuntu.Upstart0_6.Error.UnknownInstance: Unknown instance: 2");
  EXPECT_EQ(job("foo", "Stop", environment_and_wait({}, true)),
            std::string{kInvalidArgs} + "Unknown parameter: N");
  EXPECT_EQ(job("foo", "Start", environment_and_wait({"N"}, true)),
            std::string{kInvalidArgs} + "Env must be KEY=VALUE pairs");
  EXPECT_EQ(job("foo", "Start", environment_and_wait({"N=a b"}, false)),
            "ok " + kJobs + "/foo/a_20b");
  EXPECT_EQ(client.get(kJobs + "/foo/a_20b", dbus::kInstanceInterface, "name"), "ok a b");
}

TEST_F(ControlServerTest, InstancesOfManyAlphabetsHavePathsOfTheirOwn) {
  harness.define("foo", "instance $N\nexec x");
  const auto path = kJobs + "/foo";
  const auto start = [&](const char* name) {
    return job("foo", "Start", environment_and_wait({fmt::format("N={}", name)}, true));
  };
  EXPECT_EQ(start("ä"), "ok " + path + "/_ff_ff");
  EXPECT_EQ(start("ö"), "ok " + path + "/_c3_b6");
  EXPECT_EQ(job("foo", "GetAllInstances"), "ok [ " + path + "/_ff_ff " + path + "/_c3_b6 ]");
  EXPECT_EQ(job("foo", "GetInstance", text_list({"N=ö"})), "ok " + path + "/_c3_b6");
  EXPECT_EQ(job("foo", "GetInstanceByName", text("ä")), "ok " + path + "/_ff_ff");
  const auto name_at = [&](const char* element) {
    return client.get(path + "/" + element, dbus::kInstanceInterface, "name");
  };
  EXPECT_EQ(name_at("_ff_ff"), "ok ä");
  EXPECT_EQ(name_at("_c3_a4"), "ok ä");
  EXPECT_EQ(name_at("_c3_b6"), "ok ö");
  const auto children = client.call(path, "org.freedesktop.DBus.Introspectable", "Introspect");
  EXPECT_NE(children.find("<node name=\"_ff_ff\"/>"), std::string::npos);
  EXPECT_NE(children.find("<node name=\"_c3_b6\"/>"), std::string::npos);

  EXPECT_EQ(instance("foo/_c3_a4", "Stop", flag(true)), "ok");
  EXPECT_EQ(name_at("_c3_b6"), "ok ö");
  EXPECT_EQ(job("foo", "GetAllInstances"), "ok [ " + path + "/_c3_b6 ]");
  EXPECT_EQ(start("ü"), "ok " + path + "/_ff_ff");
  client.process();
  EXPECT_EQ(std::ranges::count(client.signals, path + " InstanceAdded " + path + "/_c3_b6"), 1);
  EXPECT_EQ(std::ranges::count(client.signals, path + " InstanceRemoved " + path + "/_ff_ff"), 1);
}

TEST_F(ControlServerTest, AJobThatGoesWithItsLastInstanceFreesItsPath) {
  const auto path = kJobs + "/foo";
  for (const char* name : {"ä", "ö"}) {
    harness.define("foo", "instance $N\nexec x");
    EXPECT_EQ(job("foo", "Start", environment_and_wait({fmt::format("N={}", name)}, true)),
              "ok " + path + "/_ff_ff");
    harness.handle(core::ConfChange{core::JobUndefined{"foo"}});
    EXPECT_EQ(instance("foo/_ff_ff", "Stop", flag(true)), "ok");
    ASSERT_EQ(harness.manager->find_job("foo"), nullptr);
  }
}

TEST_F(ControlServerTest, EnvironmentIsBounded) {
  const auto huge = std::string(kMaxEnvironmentBytes, 'x');
  EXPECT_EQ(manager("EmitEvent", event("e", {"A=" + huge}, false)),
            std::string{kInvalidArgs} + "Env may not be larger than 4194304 bytes");
  EXPECT_EQ(manager("EmitEvent", event(std::string(kMaxEventNameBytes + 1, 'x'), {}, false)),
            std::string{kInvalidArgs} + "Name may not be larger than 65536 bytes");
  EXPECT_EQ(manager("EmitEvent", event(std::string(kMaxEventNameBytes, 'x'), {}, false)), "ok");
}

TEST_F(ControlServerTest, EmitsEventsAndTellsWhenTheyFinish) {
  EXPECT_EQ(manager("EmitEvent", event("", {}, false)),
            std::string{kInvalidArgs} + "Name may not be empty string");
  EXPECT_EQ(manager("EmitEvent", event("e", {"A"}, true)),
            std::string{kInvalidArgs} + "Env must be KEY=VALUE pairs");
  EXPECT_EQ(manager("EmitEvent", event("e", {"B=2", "A=1"}, true)), "ok");
  ASSERT_TRUE(harness.run_until([&] {
    client.process();
    return !client.signals.empty();
  }));
  EXPECT_EQ(client.signals[0], kManager + " EventEmitted e [ B=2 A=1 ]");
}

TEST_F(ControlServerTest, EveryClientGetsEverySignal) {
  BusClient other{harness};
  ASSERT_EQ(other.call(kManager, dbus::kManagerInterface, "GetAllJobs"), "ok [ ]");
  harness.define("foo", "exec x");
  EXPECT_EQ(job("foo", "Start", environment_and_wait({}, true)), "ok " + kJobs + "/foo/_");
  EXPECT_EQ(job("foo", "Stop", environment_and_wait({}, true)), "ok");
  harness.handle(core::ConfChange{core::JobUndefined{"foo"}});

  const std::string path = kJobs + "/foo";
  const auto last = kManager + " JobRemoved " + path;
  for (auto* each : {&client, &other}) {
    ASSERT_TRUE(harness.run_until([&] {
      each->process();
      return !each->signals.empty() && each->signals.back() == last;
    }));
    const auto& seen = each->signals;
    EXPECT_EQ(seen[0], kManager + " JobAdded " + path);
    EXPECT_EQ(seen[1], path + " InstanceAdded " + path + "/_");
    EXPECT_EQ(seen[2], path + "/_ GoalChanged start");
    EXPECT_EQ(seen[3], path + "/_ StateChanged starting");
    EXPECT_EQ(std::ranges::count(seen, path + " InstanceRemoved " + path + "/_"), 1);
  }
  EXPECT_EQ(client.signals, other.signals);
}

TEST_F(ControlServerTest, JobProperties) {
  harness.define("foo",
                 "description D\nauthor A\nversion V\nusage U\nemits b a\n"
                 "start on starting A or (B x=y and stopped C)\n");
  const auto get = [&](const char* name) {
    return client.get(kJobs + "/foo", dbus::kJobInterface, name);
  };
  EXPECT_EQ(get("name"), "ok foo");
  EXPECT_EQ(get("description"), "ok D");
  EXPECT_EQ(get("author"), "ok A");
  EXPECT_EQ(get("version"), "ok V");
  EXPECT_EQ(get("usage"), "ok U");
  EXPECT_EQ(get("emits"), "ok [ b a ]");
  EXPECT_EQ(get("start_on"), "ok [ [ starting A ] [ B x=y ] [ stopped C ] [ /AND ] [ /OR ] ]");
  EXPECT_EQ(get("stop_on"), "ok [ ]");
}

TEST_F(ControlServerTest, OurPropertiesOfAJobHaveAnInterfaceOfTheirOwn) {
  harness.define("foo",
                 "instance ${X:-}\nimport A B\nimport C\ntmpfiles /x/\xE9.conf y.conf\nexec x");
  const auto path = kJobs + "/foo";
  const auto get_all = [&](const std::string& where, const char* interface) {
    return client.call(where, dbus::kPropertiesInterface, "GetAll", text(interface));
  };
  const std::string ours =
      " [ instance ${X:-} ] [ import [ A B C ] ] [ tmpfiles [ /x/\xEF\xBF\xBD.conf y.conf ] ]";
  EXPECT_EQ(client.get(path, dbus::kJobExtensionInterface, "import"), "ok [ A B C ]");
  EXPECT_EQ(get_all(path, dbus::kJobExtensionInterface), "ok [" + ours + " ]");

  // Upstart's interface is as it was; no interface means any.
  const auto upstarts = get_all(path, dbus::kJobInterface);
  EXPECT_EQ(upstarts.substr(0, 16), "ok [ [ name foo ");
  EXPECT_EQ(upstarts.find("import"), std::string::npos);
  EXPECT_EQ(get_all(path, "").size(), upstarts.size() + ours.size());
  EXPECT_NE(get_all(path, "").find(ours), std::string::npos);
  EXPECT_EQ(client.get(path, "", "import"), "ok [ A B C ]");
  EXPECT_EQ(client.get(path, "", "name"), "ok foo");

  const auto set = [&](const char* interface, const char* name = "import") {
    return client.call(path, dbus::kPropertiesInterface, "Set", [&](sd_bus_message* message) {
      return sd_bus_message_append(message, "ssv", interface, name, "as", 0);
    });
  };
  const std::string read_only =
      "org.freedesktop.DBus.Error.AccessDenied: The import property is read-only";
  EXPECT_EQ(set(dbus::kJobExtensionInterface), read_only);
  EXPECT_EQ(set(""), read_only);

  // What belongs to the one interface is not found in the other, nor on other objects.
  ASSERT_EQ(job("foo", "Start", environment_and_wait({}, false)), "ok " + path + "/_");
  EXPECT_EQ(get_all(path + "/_", dbus::kJobExtensionInterface), "ok [ ]");
  for (const auto& outcome : {client.get(path, dbus::kJobInterface, "import"),
                              client.get(path, dbus::kJobExtensionInterface, "name"),
                              client.get(path + "/_", dbus::kJobExtensionInterface, "import"),
                              client.get(kManager, "", "import"), set(dbus::kJobInterface),
                              set(dbus::kJobExtensionInterface, "name"),
                              client.call(path, dbus::kJobExtensionInterface, "Start", text("x")),
                              client.call(path, dbus::kJobExtensionInterface, "GetAllInstances")}) {
    EXPECT_EQ(outcome.substr(0, outcome.find(':')), kUnknownMethod) << outcome;
  }
}

TEST_F(ControlServerTest, ManagerProperties) {
  const auto set = [&](const char* interface, const char* name, const char* value) {
    return client.call(kManager, dbus::kPropertiesInterface, "Set", [&](sd_bus_message* message) {
      return sd_bus_message_append(message, "ssv", interface, name, "s", value);
    });
  };
  EXPECT_EQ(client.get(kManager, dbus::kManagerInterface, "version"), "ok init (upstart 1.13.2)");
  EXPECT_EQ(set(dbus::kManagerInterface, "log_priority", "warn"), "ok");
  EXPECT_EQ(harness.priority, core::Priority::Warning);
  EXPECT_EQ(set(dbus::kManagerInterface, "log_priority", "loud"),
            std::string{kInvalidArgs} + "The log priority given was not recognised");
  EXPECT_EQ(set(dbus::kManagerInterface, "version", "2"),
            "org.freedesktop.DBus.Error.AccessDenied: The version property is read-only");

  // An empty interface means any.
  EXPECT_EQ(client.get(kManager, "", "log_priority"), "ok warn");
  EXPECT_EQ(set("", "log_priority", "debug"), "ok");
  EXPECT_EQ(set("", "version", "2"),
            "org.freedesktop.DBus.Error.AccessDenied: The version property is read-only");
  const auto get_all = [&](const char* interface) {
    return client.call(kManager, dbus::kPropertiesInterface, "GetAll", text(interface));
  };
  EXPECT_EQ(get_all(""), "ok [ [ version init (upstart 1.13.2) ] [ log_priority debug ] ]");
  EXPECT_EQ(get_all("no.such"), "ok [ ]");
  EXPECT_EQ(client.call(kManager, dbus::kPropertiesInterface, "Get", text("x")),
            std::string{kInvalidArgs} + "Invalid arguments to Get method");
  EXPECT_EQ(client.call(kManager, dbus::kPropertiesInterface, "Set",
                        [](sd_bus_message* message) {
                          return sd_bus_message_append(message, "ssv", dbus::kManagerInterface,
                                                       "log_priority", "i", 1);
                        }),
            std::string{kInvalidArgs} + "Invalid arguments to Set method");
}

TEST_F(ControlServerTest, IntrospectionNamesArgumentsAndChildren) {
  harness.define("a-b", "exec x");
  EXPECT_EQ(job("a_2db", "Start", environment_and_wait({}, true)), "ok " + kJobs + "/a_2db/_");
  const auto introspect = [&](const std::string& path) {
    return client.call(path, "org.freedesktop.DBus.Introspectable", "Introspect");
  };
  const auto contains = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  const auto manager_xml = introspect(kManager);
  EXPECT_TRUE(contains(manager_xml, "<method name=\"EmitEvent\">"));
  EXPECT_TRUE(contains(manager_xml, "<arg type=\"as\" name=\"env\" direction=\"in\"/>"));
  EXPECT_TRUE(contains(manager_xml, "<node name=\"jobs\"/>"));
  EXPECT_FALSE(contains(manager_xml, "name=\"GetState\""));
  EXPECT_FALSE(contains(manager_xml, "Privileged"));
  EXPECT_TRUE(contains(introspect("/"), "<node name=\"com\"/>"));
  const auto jobs_xml = introspect(kJobs);
  EXPECT_TRUE(contains(jobs_xml, "<node name=\"a_2db\"/>"));
  EXPECT_FALSE(contains(jobs_xml, "a_2db/_"));
  const auto job_xml = introspect(kJobs + "/a_2db");
  EXPECT_TRUE(contains(job_xml, "interface name=\"com.ubuntu.Upstart0_6.Job\""));
  EXPECT_TRUE(contains(job_xml, "interface name=\"org.upkeep.Job\""));
  EXPECT_FALSE(contains(job_xml, "interface name=\"com.ubuntu.Upstart0_6.Instance\""));
  EXPECT_TRUE(contains(job_xml, "<node name=\"_\"/>"));
  const auto instance_xml = introspect(kJobs + "/a_2db/_");
  EXPECT_TRUE(contains(instance_xml, "interface name=\"com.ubuntu.Upstart0_6.Instance\""));
  EXPECT_FALSE(contains(instance_xml, "org.upkeep.Job"));
}

TEST_F(ControlServerTest, ReloadsTheConfiguration) {
  EXPECT_EQ(manager("ReloadConfiguration"), "ok");
  EXPECT_EQ(harness.reloads, 1);
}

TEST_F(ControlServerTest, EndSessionAnswersAndStopsEverything) {
  harness.define("foo", "exec x");
  ASSERT_EQ(job("foo", "Start", environment_and_wait({}, true)), "ok " + kJobs + "/foo/_");
  EXPECT_EQ(manager("EndSession"), "ok");
  EXPECT_TRUE(
      harness.run_until([&] { return harness.manager->find_job("foo")->instances().empty(); }));
}

TEST(ControlServerOfTheSystem, IgnoresEndSession) {
  ControlOptions options;
  options.mode = ControlOptions::Mode::ProcessOne;
  ServerHarness harness{options};
  BusClient client{harness};
  harness.define("foo", "exec x");
  ASSERT_EQ(
      client.call(kJobs + "/foo", dbus::kJobInterface, "Start", environment_and_wait({}, true)),
      "ok " + kJobs + "/foo/_");
  EXPECT_EQ(client.call(kManager, dbus::kManagerInterface, "EndSession"), "ok");
  EXPECT_EQ(client.get(kJobs + "/foo/_", dbus::kInstanceInterface, "goal"), "ok start");
}

TEST_F(ControlServerTest, DriverGreetsBusClients) {
  const auto driver = [&](const char* member, const BusClient::Append& append = {}) {
    return client.call("/org/freedesktop/DBus", "org.freedesktop.DBus", member, append);
  };
  EXPECT_EQ(driver("Hello"), "ok :1.0");
  EXPECT_EQ(driver("AddMatch", text("type='signal'")), "ok");
  EXPECT_EQ(driver("GetNameOwner", text("com.ubuntu.Upstart")), "ok com.ubuntu.Upstart");
}

}  // namespace
}  // namespace upkeep::control
