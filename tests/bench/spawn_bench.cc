// How long it takes from the request for a process to the first instruction of its program: see
// docs/performance.md. Use a release build, by ./run-tests --bench. All ways take turns in one run.
// The exit status is 1 if the target is missed.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "bench/spawn_probe.h"
#include "sim/bare_manager.h"
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/launcher.h"

namespace upkeep::bench {
namespace {

constexpr std::size_t kJobs = 10'000;
constexpr int kWarmUp = 30;
constexpr int kRounds = 500;
constexpr double kLimit = 1.3;  // times vfork and exec from a small process

double microseconds(const timespec& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) * 1e-3;
}

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return microseconds(time);
}

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(2);
}

/// Both ends as descriptors that programs do not inherit.
struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) die("pipe2");
    reading.reset(ends[0]);
    writing.reset(ends[1]);
  }
  UniqueFd reading, writing;
};

template <class T>
T receive(const UniqueFd& pipe) {
  T value;
  if (::read(pipe.value(), &value, sizeof value) != sizeof value) die("read");
  return value;
}

template <class T>
void send(const UniqueFd& pipe, const T& value) {
  if (::write(pipe.value(), &value, sizeof value) != sizeof value) die("write");
}

/// Where the programs report when they began.
class Reports {
 public:
  Reports() {
    if (::dup2(pipe_.writing.value(), kProbeDescriptor) < 0) die("dup2");
  }
  [[nodiscard]] double first_instruction() const {
    return microseconds(receive<timespec>(pipe_.reading));
  }

 private:
  Pipe pipe_;
};

/// A program to start.
class Probe {
 public:
  Probe(const char* title, std::string path) : title_(title), path_(std::move(path)) {}
  [[nodiscard]] const char* title() const { return title_; }
  [[nodiscard]] const char* path() const { return path_.c_str(); }
  [[nodiscard]] char* const* arguments() const { return arguments_; }
  [[nodiscard]] char* const* environment() const { return environment_; }

 private:
  const char* title_;
  std::string path_;
  char name_[6] = "probe";
  char search_path_[14] = "PATH=/usr/bin";
  char* arguments_[2] = {name_, nullptr};
  char* environment_[2] = {search_path_, nullptr};
};

/// When the request was made, when the one who made it could go on, and what there is to clean up.
struct Attempt {
  double requested = 0;
  double returned = 0;
  pid_t pid = 0;  ///< 0: nobody to wait for
  os::Launched launched = {};
};

Attempt by_vfork(const Probe& probe) {
  Attempt attempt{.requested = now()};
  attempt.pid = ::vfork();
  if (attempt.pid == 0) {
    ::execve(probe.path(), probe.arguments(), probe.environment());
    ::_exit(255);
  }
  attempt.returned = now();
  return attempt;
}

Attempt by_fork(const Probe& probe) {
  Attempt attempt{.requested = now()};
  attempt.pid = ::fork();
  if (attempt.pid == 0) {
    ::execve(probe.path(), probe.arguments(), probe.environment());
    ::_exit(255);
  }
  attempt.returned = now();
  return attempt;
}

Attempt by_posix_spawn(const Probe& probe) {
  Attempt attempt{.requested = now()};
  if (::posix_spawn(&attempt.pid, probe.path(), nullptr, nullptr, probe.arguments(),
                    probe.environment()) != 0) {
    die("posix_spawn");
  }
  attempt.returned = now();
  return attempt;
}

/// A process made before the jobs are loaded: what vfork() and exec cost where there is nothing.
class SmallProcess {
 public:
  SmallProcess() {
    pid_ = ::fork();
    if (pid_ != 0) return;
    orders_.writing.reset();       // so that our end is its end
    const Probe* probe = nullptr;  // all of them have been made by now
    while (::read(orders_.reading.value(), &probe, sizeof probe) > 0) {
      const auto attempt = by_vfork(*probe);
      ::waitpid(attempt.pid, nullptr, 0);
      send(reports_.writing, attempt.requested);
      send(reports_.writing, attempt.returned);
    }
    std::_Exit(0);
  }
  SmallProcess(const SmallProcess&) = delete;
  SmallProcess& operator=(const SmallProcess&) = delete;
  ~SmallProcess() {
    orders_.writing.reset();
    ::waitpid(pid_, nullptr, 0);
  }

  [[nodiscard]] Attempt start(const Probe& probe) const {
    send(orders_.writing, &probe);
    Attempt attempt;
    attempt.requested = receive<double>(reports_.reading);
    attempt.returned = receive<double>(reports_.reading);
    return attempt;
  }

 private:
  Pipe orders_, reports_;
  pid_t pid_ = 0;
};

/// The descriptor of the probe is handed down as one that came with an event.
class ProbeFile final : public core::EventFile {
 public:
  [[nodiscard]] int number() const override { return kProbeDescriptor; }
};

/// launch() as the manager calls it, for a service with nothing but a program.
class Service {
 public:
  Service(const Probe& probe, conf::Console console, bool share) {
    conf::JobDefinition job;
    job.name = "service";
    job.console = console;
    job.process(core::ProcessType::Main) = {conf::Command::Form::Exec, probe.path()};
    request_.definition = std::make_shared<const conf::JobDefinition>(std::move(job));
    request_.type = core::ProcessType::Main;
    request_.environment = {"PATH=/usr/bin", "UPSTART_JOB=service", "UPSTART_INSTANCE="};
    request_.files = {std::make_shared<ProbeFile>()};
    options_.share_memory = share;
  }

  [[nodiscard]] Attempt start() const {
    Attempt attempt{.requested = now()};
    auto launched = os::launch(request_, options_, {.logged = true, .mark = 4711});
    attempt.returned = now();
    if (!launched) die(launched.error().description.c_str());
    attempt.pid = launched->pid;
    attempt.launched = std::move(*launched);
    return attempt;
  }

 private:
  core::SpawnRequest request_;
  os::PlatformOptions options_;
};

struct Way {
  const char* name;
  std::function<Attempt()> start;
  std::vector<double> firsts = {}, returns = {};
};

void measure(Way& way, const Reports& reports, bool counts) {
  const auto attempt = way.start();
  const double first = reports.first_instruction();
  if (attempt.pid > 0) ::waitpid(attempt.pid, nullptr, 0);
  if (!counts) return;
  way.firsts.push_back(first - attempt.requested);
  way.returns.push_back(attempt.returned - attempt.requested);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

long resident_megabytes() {
  long pages = 0;
  long resident = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr || std::fscanf(file, "%ld %ld", &pages, &resident) != 2) die("statm");
  std::fclose(file);
  return resident * ::sysconf(_SC_PAGESIZE) / (1 << 20);
}

std::unique_ptr<sim::BareManager> loaded_manager() {
  auto manager = std::make_unique<sim::BareManager>();
  for (std::size_t i = 0; i < kJobs; ++i) {
    manager->define(fmt::format("job-{:06}", i),
                    fmt::format("start on started other-{:06} or runlevel [2345]\n"
                                "stop on runlevel [016]\nrespawn\nenv PORT={}\n"
                                "exec /usr/bin/server --port $PORT\n",
                                i, i));
  }
  return manager;
}

/// Prints a line for each way to start the program; what ours takes, in times of the bare one.
double compare(const Probe& probe, const SmallProcess& small, const Reports& reports) {
  const Service shared(probe, conf::Console::None, true);
  const Service logged(probe, conf::Console::Log, true);
  const Service copied(probe, conf::Console::None, false);
  std::vector<Way> ways;
  ways.push_back({"vfork, exec from a small process", [&] { return small.start(probe); }});
  ways.push_back({"launch(), memory shared", [&] { return shared.start(); }});
  ways.push_back({"launch(), shared, console log", [&] { return logged.start(); }});
  ways.push_back({"launch(), memory copied", [&] { return copied.start(); }});
  ways.push_back({"vfork, exec", [&] { return by_vfork(probe); }});
  ways.push_back({"posix_spawn", [&] { return by_posix_spawn(probe); }});
  ways.push_back({"fork, exec", [&] { return by_fork(probe); }});

  std::vector<std::size_t> order(ways.size());
  std::iota(order.begin(), order.end(), 0);
  for (int round = -kWarmUp; round < kRounds; ++round) {
    std::ranges::rotate(order, order.begin() + 1);
    for (const auto i : order) measure(ways[i], reports, round >= 0);
  }
  fmt::print("{:<34}{:>18}{:>8}{:>10}\n", probe.title(), "first instruction", "ratio", "returns");
  const double floor = median(ways[0].firsts);
  for (const auto& way : ways) {
    const double first = median(way.firsts);
    fmt::print("  {:<32}{:>18.0f}{:>8.2f}{:>10.0f}\n", way.name, first, first / floor,
               median(way.returns));
  }
  return median(ways[1].firsts) / floor;
}

int run(const std::filesystem::path& directory) {
  const Probe usual("a program in C, from its main()", directory / "spawn_probe");
  const Probe bare("a program without a library", directory / "spawn_probe_bare");
  const Reports reports;
  const SmallProcess small;
  const auto manager = loaded_manager();
  fmt::print("{} jobs loaded, {} MB resident; medians of {} in microseconds\n", kJobs,
             resident_megabytes(), kRounds);
  const double ratio = compare(usual, small, reports);
  (void)compare(bare, small, reports);
  const bool reached = ratio <= kLimit;
  fmt::print("a spawn against the bare one: {:.2f} (target: at most {:.1f}){}\n", ratio, kLimit,
             reached ? "" : " MISSED");
  return reached ? 0 : 1;
}

}  // namespace
}  // namespace upkeep::bench

int main() {
  // By its whole path, since services run in another directory.
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  return upkeep::bench::run(self.parent_path());
}
