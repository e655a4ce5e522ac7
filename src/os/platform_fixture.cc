#include "os/platform_fixture.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/overloaded.h"
#include "base/signals.h"

namespace upkeep::os {
namespace {

constexpr std::chrono::seconds kDeadline{10};

}  // namespace

void CollectingSink::open(log::StreamId id, UniqueFd source, std::string path) {
  streams[id.value] = {std::move(source), std::move(path), {}, false};
}

void CollectingSink::close(log::StreamId id) {
  streams.at(id.value).closed = true;
}

std::string CollectingSink::text(std::uint64_t id) {
  auto& stream = streams.at(id);
  char buffer[4096];
  for (;;) {
    const auto size = ::read(stream.source.value(), buffer, sizeof buffer);
    if (size <= 0) break;
    stream.text.append(buffer, static_cast<std::size_t>(size));
  }
  std::string text = stream.text;
  std::erase(text, '\r');
  return text;
}

PlatformTest::PlatformTest() {
  sd_event* loop = nullptr;
  if (sd_event_new(&loop) < 0) std::abort();
  loop_.reset(loop);
  auto pattern = (std::filesystem::temp_directory_path() / "upkeep-os-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  directory_ = pattern;
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  start({});
}

PlatformTest::~PlatformTest() {
  // What the test has left running, and nothing that has ended: its pid may be another's.
  for (const auto& [id, pid] : pids_) {
    if (pid > 1) ::kill(pid, SIGKILL);
  }
  platform_.reset();
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void PlatformTest::start(PlatformOptions options) {
  platform_.reset();
  if (options.log_directory.empty()) options.log_directory = directory_;
  auto platform = LinuxPlatform::create(
      loop_.get(), std::move(options), &sink_, [this](const core::Input& input) { note(input); },
      [this](core::Priority, std::string text) { messages_.push_back(std::move(text)); });
  if (!platform) std::abort();
  platform_ = std::move(*platform);
}

conf::JobDefinition PlatformTest::exec(std::string command) {
  conf::JobDefinition job;
  job.name = "job";
  job.process(core::ProcessType::Main) = {conf::Command::Form::Exec, std::move(command)};
  return job;
}

conf::JobDefinition PlatformTest::script(std::string text) {
  auto job = exec("");
  job.process(core::ProcessType::Main) = {conf::Command::Form::Script, std::move(text)};
  return job;
}

core::SpawnId PlatformTest::spawn(conf::JobDefinition job, core::ProcessType type) {
  return spawn(std::move(job), type, false);
}

core::SpawnId PlatformTest::spawn_traced(conf::JobDefinition job) {
  return spawn(std::move(job), core::ProcessType::Main, true);
}

core::SpawnId PlatformTest::spawn(conf::JobDefinition job, core::ProcessType type, bool trace) {
  const core::SpawnId id{++last_id_};
  auto definition = std::make_shared<const conf::JobDefinition>(std::move(job));
  platform_->spawn({.id = id,
                    .definition = std::move(definition),
                    .type = type,
                    .instance = "",
                    .environment = environment_,
                    .trace = trace,
                    .files = files_});
  return id;
}

bool PlatformTest::run_until(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    if (sd_event_run(loop_.get(), 20'000) < 0) return false;
  }
  return true;
}

bool PlatformTest::run_until_ended(core::SpawnId id) {
  return run_until([&] {
    if (history(id).empty()) return false;
    const auto& last = history(id).back();
    return last.starts_with("exited") || last.starts_with("signalled") ||
           last.starts_with("failed") || last == "vanished";
  });
}

bool PlatformTest::run_until_history(core::SpawnId id, std::size_t length) {
  return run_until([&] { return history(id).size() >= length; });
}

std::string PlatformTest::output_of(conf::JobDefinition job) {
  const auto id = spawn(std::move(job));
  EXPECT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id), (History{"spawned", "exited 0"}));
  return sink_.text(id.value);
}

std::string PlatformTest::failure_of(conf::JobDefinition job) {
  const auto id = spawn(std::move(job));
  EXPECT_TRUE(run_until_ended(id));
  EXPECT_EQ(history(id).size(), 1U);
  return history(id).front();
}

void PlatformTest::note(const core::Input& input) {
  if (const auto* result = std::get_if<core::SpawnResult>(&input)) {
    auto& record = histories_[result->id.value];
    if (result->outcome) {
      pids_[result->id.value] = first_pids_[result->id.value] = *result->outcome;
      record.emplace_back("spawned");
    } else {
      const auto& reason = result->outcome.error();
      record.push_back(
          fmt::format("failed{}: {}", reason.temporary ? " for now" : "", reason.description));
    }
  }
  if (const auto* change = std::get_if<core::ProcessChange>(&input)) {
    auto& process = pids_[change->id.value];
    const auto ended = [&](std::string how) {
      process = 0;
      return how;
    };
    histories_[change->id.value].push_back(std::visit(
        Overloaded{
            [&](const core::Exited& end) { return ended(fmt::format("exited {}", end.status)); },
            [&](const core::Signalled& end) {
              return ended("signalled " + signal_name(end.signal));
            },
            [&](const core::Stopped& stop) { return "stopped " + signal_name(stop.signal); },
            [&](const core::Forked& fork) {
              process = fork.child;
              return std::string("forked");
            },
            [&](const core::Executed&) { return std::string("executed"); },
            [&](const core::Vanished&) { return ended("vanished"); },
            [&](const core::Orphaned& orphaned) {
              process = orphaned.survivor;
              return std::string(orphaned.was_helper ? "orphaned by a helper" : "orphaned");
            },
            [&](const core::Ready&) { return std::string("ready"); },
            [&](const core::Settled&) { return std::string("settled"); },
            [&](const core::Replaced& replaced) {
              process = replaced.pid;
              return std::string("replaced");
            },
            [&](const core::StatusText& status) { return "says " + status.text; },
            [&](const core::Announced& announced) {
              const bool stops = announced.what == core::Announced::What::Stopping;
              return std::string(stops ? "stopping" : "reloading");
            },
            [&](const core::KeepAlive&) { return std::string("alive"); },
            [&](const core::WatchdogInterval& watchdog) {
              return fmt::format("watchdog {} us", watchdog.interval.count());
            },
            [&](const core::WatchdogTrigger&) { return std::string("watchdog trigger"); },
            [&](const core::MoreTime& more) {
              return fmt::format("more time {} us", more.time.count());
            }},
        change->what));
  }
  if (react_) react_(input);
}

int PlatformTest::open_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

bool PlatformTest::is_root() {
  return ::geteuid() == 0;
}

bool PlatformTest::exists(pid_t pid) {
  return ::kill(pid, 0) == 0;
}

}  // namespace upkeep::os
