#include "daemon/configuration.h"

#include <gtest/gtest.h>

namespace upkeep::daemon {
namespace {

using Words = std::vector<std::string>;
using Paths = std::vector<std::string>;

Surroundings user(Environment environment) {
  return {.pid = 77, .uid = 1000, .environment = std::move(environment)};
}
const Surroundings kProcessOne{.pid = 1, .uid = 0, .environment = {"HOME=/"}};
const Surroundings kRoot{.pid = 77, .uid = 0, .environment = {}};

Configuration read(const Words& words, const Surroundings& surroundings) {
  auto configuration = read_configuration(words, surroundings);
  EXPECT_TRUE(configuration) << configuration.error().message;
  return configuration.value_or(Configuration{});
}

std::string refusal(const Words& words, const Surroundings& surroundings) {
  const auto configuration = read_configuration(words, surroundings);
  return configuration ? "accepted" : configuration.error().message;
}

TEST(Configuration, RolesFollowFromOptionsPidAndUser) {
  EXPECT_EQ(read({}, kProcessOne).role, Role::ProcessOne);
  EXPECT_EQ(read({"--system"}, kProcessOne).role, Role::ProcessOne);
  EXPECT_EQ(read({"--user"}, kProcessOne).role, Role::Session);
  EXPECT_EQ(read({"--system"}, kRoot).role, Role::Supervisor);
  EXPECT_EQ(read({"--user"}, user({"HOME=/home/u"})).role, Role::Session);
}

TEST(Configuration, RefusalsSayWhatToDo) {
  EXPECT_EQ(refusal({"--system"}, user({})), "need to be root for --system (or use --user)");
  EXPECT_EQ(refusal({"--user", "--system"}, kRoot), "--user and --system exclude each other");
  EXPECT_EQ(refusal({"--nosuch"}, kRoot), "invalid option: --nosuch");
  EXPECT_EQ(refusal({"--user", "extra"}, kRoot), "unexpected argument: extra");
  EXPECT_EQ(refusal({"--user", "--default-console=tty"}, user({"HOME=/h"})),
            "invalid value for --default-console: tty (one of none, output, owner, log)");
  EXPECT_EQ(refusal({"--user"}, user({})),
            "no place for logs: set HOME or XDG_CACHE_HOME, or give --logdir");
  EXPECT_NE(refusal({}, kRoot).find("--user"), std::string::npos);
}

TEST(Configuration, ProcessOneSkipsWhatTheKernelPasses) {
  const auto configuration = read({"ro", "quiet", "--nosuch", "splash", "-v"}, kProcessOne);
  EXPECT_EQ(configuration.role, Role::ProcessOne);
  EXPECT_EQ(configuration.log_priority, core::Priority::Info);
}

TEST(Configuration, PlacesOfTheSystem) {  // spec/job-language.md 1.1, runtime.md 5.1
  EXPECT_EQ(read({}, kProcessOne).sources, Paths{"/etc/init"});
  EXPECT_EQ(read({}, kProcessOne).log_directory, "/var/log/upstart");
  EXPECT_EQ(read({}, kProcessOne).control_address, "unix:abstract=/com/ubuntu/upstart");
  const Surroundings moved{
      .pid = 1, .uid = 0, .environment = {"UPSTART_CONFDIR=/c", "UPSTART_LOGDIR=/l"}};
  EXPECT_EQ(read({}, moved).sources, Paths{"/c"});
  EXPECT_EQ(read({}, moved).log_directory, "/l");
  EXPECT_EQ(read({"--logdir", "/mine"}, moved).log_directory, "/mine");  // 5.1: dropped quirk
  EXPECT_EQ(
      read({"--append-confdir=/z", "--confdir", "/a", "--prepend-confdir", "/p", "--confdir=/b"},
           kProcessOne)
          .sources,
      (Paths{"/p", "/a", "/b", "/z"}));
}

TEST(Configuration, PlacesOfASession) {
  const auto plain = read({"--user"}, user({"HOME=/home/u"}));
  EXPECT_EQ(plain.sources, (Paths{"/home/u/.config/upstart", "/home/u/.init", "/etc/xdg/upstart",
                                  "/usr/share/upstart/sessions"}));
  EXPECT_EQ(plain.log_directory, "/home/u/.cache/upstart");
  EXPECT_EQ(plain.session_file, std::nullopt);
  EXPECT_EQ(plain.control_address, "unix:abstract=/com/ubuntu/upstart-session/1000/77");

  const auto xdg = read(
      {"--user"},
      user({"HOME=/home/u", "XDG_CONFIG_HOME=relative", "XDG_CONFIG_DIRS=/a:rel:/b",
            "XDG_CACHE_HOME=/cache", "XDG_RUNTIME_DIR=/run/u", "UPSTART_NO_SYSTEM_USERCONFDIR="}));
  EXPECT_EQ(xdg.sources,
            (Paths{"/home/u/.config/upstart", "/home/u/.init", "/a/upstart", "/b/upstart"}));
  EXPECT_EQ(xdg.log_directory, "/cache/upstart");
  EXPECT_EQ(xdg.session_file, "/run/u/upstart/sessions/77.session");
}

TEST(Configuration, OptionsOfStartUp) {
  const auto surroundings = user({"HOME=/home/u"});
  EXPECT_EQ(read({"--user"}, surroundings).startup_event, "startup");
  EXPECT_EQ(read({"--user", "--startup-event", "up"}, surroundings).startup_event, "up");
  EXPECT_EQ(read({"--user", "--no-startup-event"}, surroundings).startup_event, std::nullopt);
  EXPECT_FALSE(read({"--user", "--no-log"}, surroundings).log_enabled);
  EXPECT_TRUE(read({"--user"}, surroundings).cgroups);
  EXPECT_FALSE(read({"--user", "--no-cgroups"}, surroundings).cgroups);
  EXPECT_FALSE(read({"--user", "--no-dbus"}, surroundings).join_bus);
  EXPECT_EQ(read({"--user", "--default-console", "none"}, surroundings).default_console,
            conf::Console::None);
}

TEST(Configuration, HelpNamesWhatOtherToolsLookFor) {  // spec/control.md 2.1
  EXPECT_NE(help_text().find("--user"), std::string::npos);
  EXPECT_NE(help_text().find("--no-startup-event"), std::string::npos);
}

}  // namespace
}  // namespace upkeep::daemon
