// What the core costs with many jobs loaded: see docs/performance.md. Use a release build, by
// ./run-tests --bench. The last lines are the two targets, and the exit status is 1 if one is
// missed;
// --check measures nothing else.
#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <string_view>

#include "sim/bare_manager.h"
#include <benchmark/benchmark.h>

namespace upkeep::bench {
namespace {

using sim::BareManager;

constexpr std::size_t kJobs = 10'000;
constexpr std::size_t kShortChain = 1'000;
constexpr std::size_t kLongChain = 10'000;

constexpr double kDispatchLimit = 2.0;  // microseconds
constexpr double kChainLimit = 12.0;    // times the short one

/// A service as job files have them: waits for another job or for an event, and never gets it.
BareManager::Definition idle_job(std::size_t number) {
  return BareManager::parse(
      fmt::format("job-{:06}", number),
      fmt::format("start on started other-{:06} or runlevel [2345]\nstop on runlevel [016]\n"
                  "respawn\nenv PORT={}\nexec /usr/bin/server --port $PORT\n",
                  number, number));
}

std::unique_ptr<BareManager> loaded_manager() {
  auto bare = std::make_unique<BareManager>();
  for (std::size_t i = 0; i < kJobs; ++i) bare->define(idle_job(i));
  return bare;
}

/// Queue, dispatch, finish, and telling the observer, in one turn.
void dispatch_to_nobody(benchmark::State& state) {
  const auto bare = loaded_manager();
  for (auto _ : state) bare->emit("net-changed");
}
BENCHMARK(dispatch_to_nobody);

/// Jobs that name the event, with a value that it does not have.
void dispatch_to_others(benchmark::State& state) {
  const auto bare = loaded_manager();
  for (int i = 0; i < state.range(0); ++i) {
    bare->define(fmt::format("listener-{:06}", i), "start on net-changed KIND=full\n");
  }
  for (auto _ : state) bare->emit("net-changed");
}
BENCHMARK(dispatch_to_others)->Arg(1)->Arg(100);

/// Jobs whose condition the event makes true, though they run already.
void dispatch_to_running(benchmark::State& state) {
  const auto bare = loaded_manager();
  for (int i = 0; i < state.range(0); ++i) {
    bare->define(fmt::format("listener-{:06}", i), "start on net-changed\n");
  }
  bare->emit("net-changed");
  bare->settle();
  for (auto _ : state) bare->emit("net-changed");
}
BENCHMARK(dispatch_to_running)->Arg(1)->Arg(100);

/// Parsed already: what the core does with ten thousand definitions.
void define_jobs(benchmark::State& state) {
  std::vector<BareManager::Definition> definitions;
  for (std::size_t i = 0; i < kJobs; ++i) definitions.push_back(idle_job(i));
  for (auto _ : state) {
    BareManager bare;
    for (const auto& definition : definitions) bare.define(definition);
    benchmark::DoNotOptimize(bare.manager.jobs().size());
  }
}
BENCHMARK(define_jobs)->Unit(benchmark::kMillisecond);

/// One service up and down again: all states, four events, one process.
void start_and_stop(benchmark::State& state) {
  const auto bare = loaded_manager();
  for (auto _ : state) {
    bare->start("job-000000");
    bare->settle();
    bare->stop("job-000000");
    bare->settle();
  }
}
BENCHMARK(start_and_stop)->Unit(benchmark::kMicrosecond);

double seconds_of(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Seconds until the last of a chain of jobs runs.
double run_chain(std::size_t length) {
  BareManager bare;
  define_chain(bare, length);
  const double seconds = seconds_of([&] {
    bare.emit("go");
    bare.settle();
  });
  if (bare.events_finished != 2 * length + 1) std::abort();  // not what was to be measured
  return seconds;
}

void chain(benchmark::State& state) {
  for (auto _ : state) state.SetIterationTime(run_chain(static_cast<std::size_t>(state.range(0))));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(chain)->Arg(kShortChain)->Arg(kLongChain)->UseManualTime()->Unit(benchmark::kMillisecond);

// ---------------------------------------------------------------- the targets

/// The best of some runs: what the machine does besides only adds.
double best_of(int runs, const auto& measure) {
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < runs; ++i) best = std::min(best, measure());
  return best;
}

bool report(std::string_view what, double value, double limit, std::string_view unit) {
  const bool reached = value < limit;
  fmt::print("{}: {:.2f}{} (target: under {:.0f}){}\n", what, value, unit, limit,
             reached ? "" : " MISSED");
  return reached;
}

/// Prints a line for each target; true if both are reached.
bool check_targets() {
  constexpr int kDispatches = 100'000;
  const auto bare = loaded_manager();
  const double dispatch = best_of(5, [&] {
    return seconds_of([&] {
             for (int i = 0; i < kDispatches; ++i) bare->emit("net-changed");
           }) /
           kDispatches * 1e6;
  });
  const double shorter = best_of(5, [] { return run_chain(kShortChain); });
  const double longer = best_of(3, [] { return run_chain(kLongChain); });
  fmt::print("chain of {}: {:.1f} ms; of {}: {:.1f} ms\n", kShortChain, shorter * 1e3, kLongChain,
             longer * 1e3);
  const bool fast = report(fmt::format("dispatch to nobody, {} jobs loaded", kJobs), dispatch,
                           kDispatchLimit, " us");
  const bool linear = report("ratio of the chains", longer / shorter, kChainLimit, "");
  return fast && linear;
}

}  // namespace
}  // namespace upkeep::bench

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--check") {
    return upkeep::bench::check_targets() ? 0 : 1;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return upkeep::bench::check_targets() ? 0 : 1;
}
