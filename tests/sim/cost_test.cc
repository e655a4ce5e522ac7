// What does not happen costs nothing: an event visits its listeners, not all jobs. Counted in
// allocations, which are the same on every machine and in every build, and which no visit does
// without. Times are in tests/bench.
#include <cstdlib>
#include <new>

#include "sim/bare_manager.h"
#include <gtest/gtest.h>

namespace {
std::size_t allocations = 0;
}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}

namespace upkeep::sim {
namespace {

std::size_t allocations_of(const auto& work) {
  const auto before = allocations;
  work();
  return allocations - before;
}

/// Allocations for one event, with so many jobs that run and listen to another one.
std::size_t cost_of_event(std::size_t jobs) {
  BareManager bare;
  for (std::size_t i = 0; i < jobs; ++i) {
    bare.define(fmt::format("job-{:06}", i), "start on go\nstop on halt\n");
  }
  bare.emit("go");
  bare.settle();
  return allocations_of([&] { bare.emit("net-changed"); });
}

TEST(Cost, AChainOfJobsCostsByItsLength) {  // each event wakes one job, not all that wait for one
  const auto cost_of_chain = [](std::size_t length) {
    BareManager bare;
    define_chain(bare, length);
    const auto cost = allocations_of([&] {
      bare.emit("go");
      bare.settle();
    });
    EXPECT_EQ(bare.events_finished, 2 * length + 1);
    return cost;
  };
  // Both longer than causes are kept whole, which costs a little more for each link.
  const auto cost = cost_of_chain(500);
  EXPECT_LT(cost_of_chain(5000), 11 * cost);
}

TEST(Cost, AnEventCostsByItsListenersNotByJobs) {
  EXPECT_GT(cost_of_event(10), 0U);
  EXPECT_EQ(cost_of_event(10), cost_of_event(1000));
}

}  // namespace
}  // namespace upkeep::sim
