// What processes find in their environment (spec/job-language.md 5.4), and the requests that change
// it (spec/control.md 1.11).
#include "sim/scenario.h"

namespace upkeep::sim {
namespace {

class EnvironmentRequests : public Scenario {
 protected:
  EnvironmentRequests() : Scenario({.job_environment = {"PATH=/bin", "TERM=linux"}}) {}

  std::string change(std::optional<core::InstanceKey> instance,
                     decltype(core::EnvironmentRequest::change) what) {
    return sim.outcome(sim.request([&](core::RequestId id) {
      return core::EnvironmentRequest{id, std::move(instance), std::move(what)};
    }));
  }
  std::string set(Environment variables, bool replace = true) {
    return change(std::nullopt, core::SetVariables{std::move(variables), replace});
  }
  std::string unset(std::vector<std::string> names) {
    return change(std::nullopt, core::UnsetVariables{std::move(names)});
  }

  /// What the process started last was given, without what every process gets.
  Environment last_process() {
    auto environment = sim.spawns().back().environment;
    unset_variable(environment, "UPSTART_JOB");
    unset_variable(environment, "UPSTART_INSTANCE");
    return environment;
  }
};

TEST_F(EnvironmentRequests, OfAllJobs) {
  sim.define("foo", "env A=class\nexec main\npost-stop exec hook\n");
  sim.start("foo", {"B=given"});
  sim.run_for(1s);
  EXPECT_EQ(last_process(), (Environment{"PATH=/bin", "TERM=linux", "A=class", "B=given"}));

  EXPECT_EQ(set({"A=all", "C=x=y", "D", "B=all"}), "ok");
  EXPECT_EQ(sim.manager().job_environment(),
            (Environment{"PATH=/bin", "TERM=linux", "A=all", "C=x=y", "D=", "B=all"}));
  sim.stop("foo");
  sim.run_for(1s);
  EXPECT_EQ(last_process(),
            (Environment{"PATH=/bin", "TERM=linux", "A=all", "B=all", "C=x=y", "D="}))
      << "instances that exist are changed, too";

  sim.start("foo");
  sim.run_for(1s);
  EXPECT_EQ(last_process(),
            (Environment{"PATH=/bin", "TERM=linux", "A=class", "C=x=y", "D=", "B=all"}))
      << "`env` comes after the table";
}

TEST_F(EnvironmentRequests, RetainingWhatIsSet) {
  EXPECT_EQ(set({"TERM=vt100", "NEW=1", "NEW=2"}, false), "ok");
  EXPECT_EQ(sim.manager().job_environment(), (Environment{"PATH=/bin", "TERM=linux", "NEW=1"}));
}

TEST_F(EnvironmentRequests, Q10_UnsetRemovesTheWholeNameOnly) {
  EXPECT_EQ(set({"FOO=1", "FOOBAR=2", "FOOBARBAZ=3"}), "ok");
  EXPECT_EQ(unset({"FOOBAR"}), "ok");
  EXPECT_EQ(sim.manager().job_environment(),
            (Environment{"PATH=/bin", "TERM=linux", "FOO=1", "FOOBARBAZ=3"}));
  EXPECT_EQ(unset({"NOSUCH"}), "ok") << "what is not there need not be removed";
}

TEST_F(EnvironmentRequests, UnsetInAnEmptyTable) {
  EXPECT_EQ(unset({"PATH", "TERM", "TERM", "PATH"}), "No such variable: TERM");
  EXPECT_EQ(sim.manager().job_environment(), Environment{}) << "up to the first error";
}

TEST_F(EnvironmentRequests, Reset) {
  EXPECT_EQ(set({"A=1"}), "ok");
  sim.define("foo", "exec main\n");
  sim.start("foo");
  sim.run_for(1s);
  EXPECT_EQ(change(std::nullopt, core::ResetVariables{}), "ok");
  EXPECT_EQ(sim.manager().job_environment(), (Environment{"PATH=/bin", "TERM=linux"}));
  EXPECT_EQ(find_variable(sim.manager().find_instance({"foo", ""})->environment(), "A"), "1")
      << "running instances are not touched";
}

TEST_F(EnvironmentRequests, OfOneInstance) {
  sim.define("foo", "env A=class\ninstance $N\nexec main\npost-stop exec hook\n");
  sim.start("foo", {"N=1", "A=start"});
  sim.start("foo", {"N=2"});
  sim.run_for(1s);
  const core::InstanceKey first{"foo", "1"};
  EXPECT_EQ(change(first, core::SetVariables{{"B=only"}}), "ok");
  EXPECT_EQ(change(first, core::UnsetVariables{{"TERM"}}), "ok");
  EXPECT_EQ(sim.manager().find_instance(first)->environment(),
            (Environment{"PATH=/bin", "A=start", "N=1", "B=only"}));
  EXPECT_EQ(find_variable(sim.manager().find_instance({"foo", "2"})->environment(), "B"),
            std::nullopt);
  EXPECT_EQ(change(first, core::ResetVariables{}), "ok");
  EXPECT_EQ(sim.manager().find_instance(first)->environment(),
            (Environment{"PATH=/bin", "TERM=linux", "A=class"}))
      << "the table and `env`, nothing of the start";

  EXPECT_EQ(change(core::InstanceKey{"foo", "3"}, core::ResetVariables{}),
            "Unknown instance: 3 of job foo");
  EXPECT_EQ(change(core::InstanceKey{"nosuch", ""}, core::ResetVariables{}), "Unknown job: nosuch");
}

TEST_F(EnvironmentRequests, AreBounded) {
  EXPECT_EQ(set({"=value"}), "Variable may not be empty string");
  EXPECT_EQ(set({""}), "Variable may not be empty string");
  EXPECT_EQ(unset({""}), "Variable may not be empty string");
  EXPECT_EQ(set({"A=" + std::string(128 << 10, 'x')}),
            "Variable may not be larger than 131071 bytes");
  Environment many;
  for (int i = 0; i < 10; ++i) many.push_back(fmt::format("V{}={}", i, std::string(120'000, 'x')));
  EXPECT_EQ(set(many), "Environment may not be larger than 1048576 bytes");
  EXPECT_EQ(sim.manager().job_environment(), (Environment{"PATH=/bin", "TERM=linux"}))
      << "all or nothing";
}

TEST_F(EnvironmentRequests, ManyAtOnceCostByTheirNumber) {  // minutes, if each looked at each
  sim.define("foo", "instance $N\nexec main\n");
  for (const auto* name : {"N=1", "N=2", "N=3"}) sim.start("foo", {name});
  Environment many;
  std::vector<std::string> names;
  for (int i = 0; i < 40'000; ++i) {
    names.push_back(fmt::format("VARIABLE_{}", i));
    many.push_back(names.back() + "=1");
  }
  EXPECT_EQ(set(many), "ok");
  EXPECT_EQ(set(many, false), "ok");
  EXPECT_EQ(sim.manager().find_instance({"foo", "3"})->environment().size(), 40'003U);
  EXPECT_EQ(unset(names), "ok");
  EXPECT_EQ(sim.manager().job_environment(), (Environment{"PATH=/bin", "TERM=linux"}));
  EXPECT_EQ(sim.manager().find_instance({"foo", "3"})->environment().size(), 3U);
}

TEST_F(EnvironmentRequests, Q19_PercentSignsAreText) {
  sim.define("foo", "exec main\npost-stop exec hook\n");
  sim.start("foo", {"A=%s%n"});
  sim.run_for(1s);
  EXPECT_EQ(find_variable(last_process(), "A"), "%s%n");
  sim.stop("foo", {"B=100%d"});
  sim.run_for(1s);
  EXPECT_EQ(find_variable(last_process(), "B"), "100%d");
}

// ---------------------------------------------------------------- descriptors of events

struct File : core::EventFile {
  explicit File(int number) : number_(number) {}
  [[nodiscard]] int number() const override { return number_; }
  int number_;
};

class EventFiles : public Scenario {
 protected:
  std::weak_ptr<const core::EventFile> emit(const std::string& event, int number) {
    const auto file = std::make_shared<const File>(number);
    sim.request(
        [&](core::RequestId id) { return core::EmitEvent{event, {}, id, Wait::Yes, {}, file}; });
    return file;
  }
  [[nodiscard]] std::vector<int> files_of(const std::string& job, ProcessType type) const {
    std::vector<int> numbers;
    for (const auto& spawn : sim.spawns()) {
      if (spawn.definition->name != job || spawn.type != type) continue;
      for (const auto& file : spawn.files) numbers.push_back(file->number());
    }
    return numbers;
  }
};

TEST_F(EventFiles, Q11_GoToTheJobsThatTheEventStartsAndToNoOther) {
  sim.define("foo", "start on socket\npre-start exec hook\nexec main\n");
  programs({{"hook/main", {.runs = 1ms}}});
  sim.define("hook", "start on starting foo\ntask\nexec main\n");
  sim.define("other", "start on other\nstop on socket\nexec main\npost-stop exec hook\n");
  sim.emit("other");
  sim.run_for(1s);
  emit("socket", 12);
  sim.run_for(1s);
  EXPECT_EQ(files_of("foo", ProcessType::PreStart), std::vector<int>{12});
  EXPECT_EQ(files_of("foo", ProcessType::Main), std::vector<int>{12});
  EXPECT_EQ(files_of("hook", ProcessType::Main), std::vector<int>{});
  EXPECT_EQ(files_of("other", ProcessType::PostStop), std::vector<int>{})
      << "an event that stops a job gives it nothing";
  EXPECT_EQ(find_variable(sim.manager().find_instance({"foo", ""})->environment(), "UPSTART_FDS"),
            "12");
}

TEST_F(EventFiles, SeveralInTheOrderOfTheCondition) {
  sim.define("foo", "start on b and a\nexec main\n");
  emit("a", 10);
  emit("b", 11);
  sim.run_for(1s);
  EXPECT_EQ(files_of("foo", ProcessType::Main), (std::vector<int>{11, 10}));
  EXPECT_EQ(find_variable(sim.manager().find_instance({"foo", ""})->environment(), "UPSTART_FDS"),
            "11 10");
}

TEST_F(EventFiles, AreKeptForARespawnAndClosedAfterTheJob) {
  sim.define("foo", "start on socket\nrespawn\nexec main\n");
  const auto file = emit("socket", 12);
  sim.run_for(1s);
  EXPECT_EQ(sim.manager().events().size(), 0U) << "the event has finished";
  sim.kill_main("foo", SIGKILL);
  sim.run_for(1s);
  EXPECT_EQ(files_of("foo", ProcessType::Main), (std::vector<int>{12, 12}));
  EXPECT_FALSE(file.expired());
  sim.stop("foo");
  sim.run_for(1s);
  // The record of the simulation still holds what it was handed.
  EXPECT_EQ(file.use_count(), 2);
}

TEST_F(EventFiles, AnotherStartForgetsThem) {
  sim.define("foo", "start on socket\nexec main\n");
  emit("socket", 12);
  sim.run_for(1s);
  sim.restart("foo");
  sim.run_for(1s);
  EXPECT_EQ(files_of("foo", ProcessType::Main), std::vector<int>{12});
  EXPECT_EQ(sim.spawns().back().files.size(), 0U);
}

TEST_F(EventFiles, WithoutListenerIsClosedAtOnce) {
  EXPECT_TRUE(emit("socket", 12).expired());
}

}  // namespace
}  // namespace upkeep::sim
