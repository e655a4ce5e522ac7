// upkeepd: runs services as job files describe them.
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "daemon/configuration.h"
#include "daemon/daemon.h"
#include "daemon/process_one.h"

namespace {

using upkeep::daemon::Configuration;
using upkeep::daemon::Role;

upkeep::Environment own_environment() {
  upkeep::Environment environment;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    environment.emplace_back(*entry);
  }
  return environment;
}

int refuse(std::string_view message) {
  fmt::print(stderr, "upkeepd: {}\nTry `upkeepd --help' for more information.\n", message);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (const auto open = upkeep::daemon::open_standard_descriptors(); !open) return 1;

  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  const upkeep::daemon::Surroundings surroundings{
      .pid = ::getpid(), .uid = ::geteuid(), .environment = own_environment()};
  auto configuration = upkeep::daemon::read_configuration(words, surroundings);
  if (!configuration && surroundings.pid == 1) {
    // A machine that does not come up helps nobody to mend its command line.
    fmt::print(stderr, "upkeepd: {}; all options are ignored\n", configuration.error().message);
    configuration = upkeep::daemon::read_configuration({}, surroundings);
  }
  if (!configuration) return refuse(configuration.error().message);
  if (configuration->action == Configuration::Action::ShowHelp) {
    fmt::print("{}", upkeep::daemon::help_text());
    return 0;
  }
  if (configuration->action == Configuration::Action::ShowVersion) {
    fmt::print("init (upstart 1.13.2)\nupkeep {}\n", UPKEEP_VERSION);
    return 0;
  }

  if (configuration->role == Role::ProcessOne) upkeep::daemon::become_process_one();
  if (configuration->role == Role::Supervisor) {
    (void)::setenv("PATH", upkeep::daemon::kSystemPath, 1);
  }
  auto daemon = upkeep::daemon::Daemon::create(*std::move(configuration), own_environment());
  if (!daemon) {
    fmt::print(stderr, "upkeepd: {}\n", daemon.error().message);
    return 1;
  }
  return (*daemon)->run();
}
