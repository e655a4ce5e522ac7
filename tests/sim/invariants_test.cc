// check_invariants() sees each thing that must not be. The engine never gets there by itself, so
// the tests reach into it and break it.
#include "sim/bare_manager.h"
#include <gtest/gtest.h>

namespace upkeep::sim {

using core::Event;
using core::Goal;
using core::JobClass;
using core::JobInstance;
using core::ProcessType;
using core::ServiceManager;
using core::State;

// The one place where the language lets private names be used: naming them to instantiate a
// template. So the core needs to know nothing of this file.
template <typename Name, auto Member>
struct Open {
  friend auto member(Name /*tag*/) { return Member; }
};
// NOLINTBEGIN(bugprone-macro-parentheses): a name of a type
#define UPKEEP_OPEN(NAME, MEMBER)     \
  struct NAME {                       \
    friend auto member(NAME /*tag*/); \
  };                                  \
  template struct Open<NAME, MEMBER>
// NOLINTEND(bugprone-macro-parentheses)

UPKEEP_OPEN(InstanceState, &JobInstance::state_);
UPKEEP_OPEN(InstanceGoal, &JobInstance::goal_);
UPKEEP_OPEN(InstanceBlocker, &JobInstance::blocker_);
UPKEEP_OPEN(InstanceHeld, &JobInstance::held_);
UPKEEP_OPEN(InstanceKillTimer, &JobInstance::kill_timer_);
UPKEEP_OPEN(InstanceProcesses, &JobInstance::processes_);
UPKEEP_OPEN(JobStartOn, &JobClass::start_on_);
UPKEEP_OPEN(JobSuccessor, &JobClass::successor_);
UPKEEP_OPEN(EventBlockers, &Event::blockers_);
UPKEEP_OPEN(EventWaiters, &Event::waiters_);
UPKEEP_OPEN(ManagerSpawned, &ServiceManager::spawned_);
UPKEEP_OPEN(ManagerEvents, &ServiceManager::events_);

namespace {

/// What Name was declared to open, of this object.
template <typename Name, typename Object>
auto& the(Object& object) {
  return object.*member(Name{});
}

/// `web` runs; `db` is in starting, since `hook` holds its event; `prepare` is in pre-start.
class Invariants : public ::testing::Test {
 protected:
  Invariants() {
    bare.define("web", "exec web\n");
    bare.define("db", "exec db\n");
    bare.define("hook", "start on starting db\ntask\nexec hook\n");
    bare.start("web");
    bare.start("db");
    bare.settle();
    bare.define("prepare", "pre-start exec prepare\nexec main\n");
    bare.start("prepare");
    EXPECT_EQ(problem(), "");
  }

  std::string problem() {
    const auto sound = bare.manager.check_invariants();
    return sound ? "" : sound.error().message;
  }
  JobClass& job(const std::string& name) { return *bare.manager.jobs().at(name); }
  JobInstance& instance(const std::string& name) { return *job(name).instances().at(""); }
  Event& starting_db() { return *the<InstanceBlocker>(instance("db")); }
  auto& spawned() { return the<ManagerSpawned>(bare.manager); }
  /// The entry of web's main process in the table of processes.
  auto& main_of_web() { return spawned().at(instance("web").process(ProcessType::Main).spawn); }

  BareManager bare;
};

TEST_F(Invariants, NoInstanceRestsInWaiting) {
  the<InstanceState>(instance("web")) = State::Waiting;
  EXPECT_EQ(problem(), "web: rests in waiting");
}

TEST_F(Invariants, NoneRestsWhereNothingMovesItOn) {
  the<InstanceProcesses>(instance("prepare")) = {};
  EXPECT_EQ(problem(), "prepare: rests in pre-start, which waits for nothing");
}

TEST_F(Invariants, NoProcessOutlivesItsState) {
  the<InstanceState>(instance("prepare")) = State::PostStart;
  EXPECT_EQ(problem(), "prepare: its pre-start process is alive in state post-start");
  the<InstanceState>(instance("prepare")) = State::PreStart;
  the<InstanceState>(instance("web")) = State::PostStop;
  EXPECT_EQ(problem(), "web: its main process is alive in state post-stop");
}

TEST_F(Invariants, RunningMeansWithMainAndToStay) {
  the<InstanceGoal>(instance("web")) = Goal::Stop;
  EXPECT_EQ(problem(), "web: rests in running with another goal than start");
  the<InstanceGoal>(instance("web")) = Goal::Start;
  the<InstanceProcesses>(instance("web")) = {};
  EXPECT_EQ(problem(), "web: running without its main process (Q1, Q7)");
}

TEST_F(Invariants, AKillTimerBelongsToSomethingThatIsToEnd) {
  the<InstanceKillTimer>(instance("web")).emplace();
  EXPECT_EQ(problem(), "web: kill timer armed with nothing to end");
}

TEST_F(Invariants, ABlockerBelongsToStartingAndStopping) {
  auto& blocker = the<InstanceBlocker>(instance("web"));
  blocker = &starting_db();
  EXPECT_EQ(problem(), "web: state running and blocker do not fit");
}

TEST_F(Invariants, NobodyHoldsItsOwnBlocker) {  // Q16
  the<InstanceHeld>(instance("db")).emplace_back(&starting_db());
  EXPECT_EQ(problem(), "db: holds its own blocker (Q16)");
}

TEST_F(Invariants, WhoIsBlockedWillBeWoken) {
  auto& waiters = the<EventWaiters>(starting_db());
  const auto kept = std::exchange(waiters, {});
  EXPECT_EQ(problem(), "db: blocked by an event that will not wake it");
  waiters = kept;
  waiters.emplace_back(&instance("web"));
  EXPECT_EQ(problem(), "event starting: an instance waits that is not blocked by it");
}

TEST_F(Invariants, AnInstanceWaitsForItsBlockerAlone) {
  auto other = std::make_unique<Event>(0, "other", Environment{}, "", nullptr);
  the<EventWaiters>(*other).emplace_back(&instance("db"));
  ++the<EventBlockers>(*other);
  the<InstanceHeld>(instance("web")).emplace_back(other.get());
  the<ManagerEvents>(bare.manager).emplace(0, std::move(other));
  EXPECT_EQ(problem(), "event other: an instance waits that is not blocked by it");
  the<InstanceHeld>(instance("web")) = {};
  the<ManagerEvents>(bare.manager).erase(0);
}

TEST_F(Invariants, EachHolderOfAnEventIsCounted) {
  ++the<EventBlockers>(starting_db());
  EXPECT_EQ(problem(), "event starting: 2 blockers counted, 1 references held");
}

TEST_F(Invariants, AnEventThatNobodyHoldsIsFinished) {
  the<InstanceHeld>(instance("hook")) = {};
  the<EventBlockers>(starting_db()) = 0;
  EXPECT_EQ(problem(), "event starting: nothing holds it, nobody finishes it");
}

TEST_F(Invariants, ATrueConditionIsActedOn) {
  the<JobStartOn>(job("hook")) = core::EventOperator(job("hook").definition().start_on.get());
  Event event(0, "starting", {"JOB=db"}, "", nullptr);
  ASSERT_TRUE(the<JobStartOn>(job("hook")).handle(event, {}));
  EXPECT_EQ(problem(), "hook: start on is true but was not acted on");
  the<JobStartOn>(job("hook")).reset([](Event&) {});
}

TEST_F(Invariants, ANewDefinitionWaitsForInstancesOnly) {
  bare.define("idle", "exec idle\n");
  the<JobSuccessor>(job("idle")).emplace();
  EXPECT_EQ(problem(), "idle: a newer definition waits although no instance exists");
}

TEST_F(Invariants, TheTableOfProcessesIsThatOfTheInstances) {
  auto& entry = main_of_web();
  const auto kept = entry;
  entry.instance = &instance("db");
  EXPECT_EQ(problem(), "web: its process is not in the table of processes");
  entry = kept;
  entry.type = ProcessType::PreStart;
  EXPECT_EQ(problem(), "web: its process is not in the table of processes");
  entry = kept;
  spawned()[core::SpawnId{99}] = kept;
  EXPECT_EQ(problem(), "the table of processes has strangers in it");
  spawned().clear();
  EXPECT_EQ(problem(), "hook: its process is not in the table of processes");
}

}  // namespace
}  // namespace upkeep::sim
