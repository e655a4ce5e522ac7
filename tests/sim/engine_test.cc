// Who may act on whom, why jobs are as they are, and what the engine does about knots and
// shortages.
#include "sim/scenario.h"

#include "core/blocker_graph.h"

namespace upkeep::sim {
namespace {

bool mentions(const Lines& messages, const std::string& text) {
  return std::ranges::any_of(messages,
                             [&](const auto& one) { return one.find(text) != std::string::npos; });
}

// ---------------------------------------------------------------- sessions (1.1, 2.9, 3.2)

class Sessions : public Scenario {
 protected:
  void emit_in(const std::string& session, const std::string& event) {
    sim.request([&](core::RequestId id) {
      return core::EmitEvent{event, {}, id, Wait::No, {.session = session}};
    });
  }
  std::string status(const std::string& session, const std::string& job) {
    const auto* one = sim.manager().find_instance({{session, job}, ""});
    return one == nullptr ? "none" : fmt::format("{}", to_string(one->state()));
  }
};

TEST_F(Sessions, EventsReachTheirOwnJobsOnly) {
  for (const auto* session : {"", "/a", "/b"}) sim.define("foo", "start on ev\nexec x\n", session);
  emit_in("/a", "ev");
  sim.run_for(1s);
  EXPECT_EQ(status("/a", "foo"), "running");
  EXPECT_EQ(status("/b", "foo"), "none");
  EXPECT_EQ(status("", "foo"), "none");
  EXPECT_EQ(sim.spawns().back().session, "/a");
  emit_in("", "ev");
  sim.run_for(1s);
  EXPECT_EQ(status("/b", "foo"), "running") << "an event of the null session reaches all";
  EXPECT_EQ(status("", "foo"), "running");
}

TEST_F(Sessions, EventsOfJobsStayInTheirSession) {
  sim.define("foo", "exec x\n", "/a");
  sim.define("bar", "start on started foo\nexec x\n", "/a");
  sim.define("bar", "start on started foo\nexec x\n", "");
  sim.request([&](core::RequestId id) {
    return core::JobRequest{id, Verb::Start, {"/a", "foo"}, {}, Wait::No, {.session = "/a"}};
  });
  sim.run_for(1s);
  EXPECT_EQ(status("/a", "bar"), "running");
  EXPECT_EQ(status("", "bar"), "none");
}

TEST_F(Sessions, OthersJobsAreNotToBeChanged) {
  sim.define("foo", "exec x\n");
  const core::Requester stranger{.session = "/a"};
  const auto refused = "You do not have permission to modify job: foo";
  EXPECT_EQ(sim.outcome(sim.request([&](core::RequestId id) {
    return core::JobRequest{id, Verb::Start, "foo", {}, Wait::No, stranger};
  })),
            refused);
  sim.start("foo");
  sim.run_for(1s);
  EXPECT_EQ(sim.outcome(sim.request([&](core::RequestId id) {
    return core::InstanceRequest{id, Verb::Stop, "foo", "", Wait::No, stranger};
  })),
            refused);
  EXPECT_EQ(sim.outcome(sim.request([&](core::RequestId id) {
    return core::ReloadRequest{id, "foo", "", stranger};
  })),
            refused);
  EXPECT_EQ(sim.status("foo"), "start/running");
}

// ---------------------------------------------------------------- causes

class Causes : public Scenario {
 protected:
  Lines why(const std::string& job) {
    const auto* one = sim.manager().find_instance({job, ""});
    if (one != nullptr) return core::explain(one->cause());
    return core::explain(sim.manager().find_job(job)->last_ended()->cause);
  }
};

TEST_F(Causes, NameTheEventThatToldOfAFailure) {
  programs({{"check/main", {.runs = 1ms, .status = 1}}});
  sim.define("web", "exec x\n");
  sim.define("check", "start on starting web\ntask\nexec false\n");
  sim.define("alarm", "start on starting/failed\nexec x\n");
  sim.start("web");
  sim.run_for(1s);
  EXPECT_EQ(why("alarm"),
            (Lines{"event starting/failed", "event starting of web", "start of web requested"}));
}

TEST_F(Causes, LeadBackToTheCommand) {
  sim.define("db", "exec x\n");
  sim.define("web", "start on started db and net\nstop on stopping db\nexec x\n");
  sim.emit("net", {}, Wait::No);
  sim.request([&](core::RequestId id) {
    return core::JobRequest{id, Verb::Start, "db", {}, Wait::No, {"", core::Caller{1000, 4711}}};
  });
  sim.run_for(1s);
  const std::string command = "start of db requested by uid 1000, pid 4711";
  EXPECT_EQ(why("db"), Lines{command});
  EXPECT_EQ(why("web"), (Lines{"events started net", "event started of db", command}));
  sim.stop("db");
  sim.run_for(1s);
  EXPECT_EQ(why("web"), (Lines{"event stopping of db", "stop of db requested"}));
  EXPECT_EQ(why("db"), Lines{"stop of db requested"}) << "of one that is gone, too";
}

TEST_F(Causes, TellOfTheEndOfProcesses) {
  programs({{"foo/main", {.runs = 1s, .status = 3}}});
  sim.define("foo", "start on startup\nrespawn\nrespawn limit 1 60\nexec x\n");
  sim.emit("startup", {}, Wait::No);
  sim.run_for(1500ms);
  EXPECT_EQ(why("foo"),
            (Lines{"foo main process exited with status 3, respawned", "event startup emitted"}));
  sim.run_for(1500ms);
  EXPECT_EQ(why("foo"),
            (Lines{"foo main process exited with status 3, respawn limit reached",
                   "foo main process exited with status 3, respawned", "event startup emitted"}));
}

TEST_F(Causes, TellOfFailuresAndKills) {
  programs({{"a/pre-start", {.runs = 1ms, .status = 1}},
            {"b/main", {.spawn_error = ENOENT}},
            {"c/main", {.ignores_term = true}}});
  sim.define("a", "pre-start exec x\nexec x\n");
  sim.define("b", "exec x\n");
  sim.define("c", "exec x\nkill timeout 1\n");
  for (const auto* job : {"a", "b", "c"}) sim.start(job);
  sim.run_for(1s);
  EXPECT_EQ(why("a").front(), "a pre-start process exited with status 1, a failure");
  EXPECT_EQ(why("b").front(), "b main process could not be started: No such file or directory");
  sim.stop("c");
  sim.run_for(2s);
  EXPECT_EQ(why("c"),
            (Lines{"c main process did not end in time and was killed", "stop of c requested"}));
}

TEST_F(Causes, OfAChangedDefinitionAndOfTheEndOfTheSession) {
  sim.define("foo", "start on a and b\nexec x\n");
  sim.emit("a", {}, Wait::No);
  sim.define("foo", "start on a\nexec x\n");
  sim.run_for(1s);
  EXPECT_EQ(why("foo"), Lines{"definition of foo changed"});
  sim.end_session(core::EndSession::Type::Shutdown);
  sim.run_for(1s);
  EXPECT_EQ(why("foo"), Lines{"end of the session requested"});
}

// ---------------------------------------------------------------- who waits for whom

class Waits : public Scenario {
 protected:
  Lines waits_of(const std::string& job) {
    const core::BlockerGraph graph(sim.manager());
    Lines lines;
    for (const auto& edge : graph.waits_of(sim.manager().find_instance({job, ""}))) {
      lines.push_back(fmt::format("{} < {}", describe(edge.waiter), describe(edge.awaited)));
    }
    return lines;
  }
};

TEST_F(Waits, ThroughEventsAndProcesses) {
  programs({{"hook/pre-start", {.runs = 10s}}});
  sim.define("db", "exec x\n");
  sim.define("hook", "start on starting db\npre-start exec x\nexec x\n");
  sim.define("half", "start on starting db and never\nexec x\n");
  sim.start("db");
  sim.run_for(1s);
  EXPECT_EQ(waits_of("db"), (Lines{"db (start/starting) < event starting JOB=db INSTANCE=",
                                   "event starting JOB=db INSTANCE= < `start on` of half",
                                   "event starting JOB=db INSTANCE= < hook (start/pre-start)",
                                   "hook (start/pre-start) < pre-start process (101) of hook"}));
  const auto request = core::BlockerGraph(sim.manager()).waits_of(core::RequestId{1});
  EXPECT_EQ(describe(request.front().waiter), "request 1");
  EXPECT_EQ(describe(request.front().awaited), "db (start/starting)");
  sim.undefine("half");
}

TEST_F(Waits, Q16_AroundTwoJobsIsNotWaitedFor) {
  sim.define("j", "exec x\nstop on stopping k\n");
  sim.define("k", "exec x\nstop on starting j\n");
  sim.start("k");
  sim.run_for(1s);
  sim.start("j");
  ASSERT_TRUE(sim.run_until_quiet());
  EXPECT_EQ(sim.status("j"), "stop/waiting");
  EXPECT_EQ(sim.status("k"), "stop/waiting");
  EXPECT_TRUE(mentions(sim.messages(),
                       "deadlock avoided: j (starting) waits for k, k (stopping) "
                       "waits for j; stopping of k goes on without j"))
      << join(sim.messages(), "\n");
}

TEST_F(Waits, Q16_AroundThreeJobsIsNotWaitedFor) {
  sim.define("a", "exec x\nstop on stopping c\n");
  sim.define("b", "exec x\nstop on starting a\n");
  sim.define("c", "exec x\nstop on stopping b\n");
  for (const auto* job : {"b", "c"}) sim.start(job);
  sim.run_for(1s);
  sim.start("a");
  ASSERT_TRUE(sim.run_until_quiet());
  for (const auto* job : {"a", "b", "c"}) EXPECT_EQ(sim.status(job), "stop/waiting");
  EXPECT_TRUE(mentions(sim.messages(),
                       "deadlock avoided: a (starting) waits for b, b (stopping) waits "
                       "for c, c (stopping) waits for a; stopping of c goes on without a"));
}

TEST_F(Waits, Q16_KnotsAreToldOnce) {
  sim.define("foo", "exec x\nstart on stopping foo\n");
  for (int i = 0; i < 3; ++i) {
    sim.start("foo");
    sim.run_for(1s);
    sim.stop("foo");
    sim.run_for(1s);
    EXPECT_EQ(sim.status("foo"), "start/running");
  }
  const auto told = std::ranges::count_if(sim.messages(), [](const auto& text) {
    return text.find("deadlock avoided: foo (stopping) does not wait for itself") !=
           std::string::npos;
  });
  EXPECT_EQ(told, 1);
}

// ---------------------------------------------------------------- jobs that trigger each other

class Triggers : public Scenario {};

TEST_F(Triggers, WithoutEndAreToldOnceWithTheirPath) {
  sim.define("a", "start on started c or go\nstop on started b\n");
  sim.define("b", "start on started a\nstop on started c\n");
  sim.define("c", "start on started b\nstop on started a\n");
  sim.emit("go", {}, Wait::No);
  for (int i = 0; i < 3; ++i) sim.tick();
  Lines told;
  for (const auto& text : sim.messages()) {
    if (text.starts_with("jobs trigger")) told.push_back(text);
  }
  ASSERT_EQ(told.size(), 1U) << join(sim.messages(), "\n");
  EXPECT_EQ(
      told[0],
      "jobs trigger each other without end: started a -> started b -> started c -> started a");

  // Nothing else starves: another job starts and stops in the middle of it.
  sim.define("other", "exec x\n");
  const auto started = sim.start("other");
  sim.turn_for(1s);
  EXPECT_EQ(sim.outcome(started), "ok");
  sim.undefine("a");
  sim.stop("a");
  sim.stop("b");
  sim.stop("c");
}

TEST_F(Triggers, ByAnEventThatTellsOfAFailure) {
  programs({{"check/main", {.runs = 1ms, .status = 1}},
            {"mend/main", {.runs = 5ms}},
            {"web/main", {.runs = 1ms}}});
  sim.define("web", "start on stopped mend\ntask\nexec true\n");
  sim.define("check", "start on starting web\ntask\nexec false\n");
  sim.define("mend", "start on starting/failed JOB=web\ntask\nexec true\n");
  sim.start("web", {}, Wait::No);
  sim.run_for(1s);
  EXPECT_TRUE(mentions(sim.messages(),
                       "jobs trigger each other without end: starting/failed web -> stopped mend "
                       "-> starting/failed web"))
      << join(sim.messages(), "\n");
  for (const auto* job : {"web", "check", "mend"}) sim.undefine(job);
  sim.run_for(1s);
}

TEST_F(Triggers, TasksThatEndAtOnce) {
  programs({{"a/main", {.set_up = 1ms, .runs = 1ms}}, {"b/main", {.set_up = 1ms, .runs = 1ms}}});
  sim.define("a", "start on stopped b\ntask\nexec x\n");
  sim.define("b", "start on stopped a\ntask\nexec x\n");
  sim.start("a");
  sim.run_for(1s);
  EXPECT_TRUE(mentions(sim.messages(),
                       "jobs trigger each other without end: stopped a -> stopped b -> stopped a"));
  sim.end_session(core::EndSession::Type::Shutdown);
  sim.define("b", "exec x\n");
  sim.run_until_quiet();
}

TEST_F(Triggers, ThatTakeTheirTimeAreNoNews) {
  programs({{"a/main", {.runs = 60s}}, {"b/main", {.runs = 60s}}});
  sim.define("a", "start on stopped b\ntask\nexec x\n");
  sim.define("b", "start on stopped a\ntask\nexec x\n");
  sim.start("a");
  sim.run_for(7200s);
  EXPECT_EQ(sim.messages(), Lines{});
}

TEST_F(Triggers, ALongCycleIsTold) {
  const auto cycle_of = [&](int jobs) {
    for (int i = 0; i < jobs; ++i) {
      sim.define(fmt::format("j{}", i), fmt::format("start on started j{}\nstop on started j{}\n",
                                                    (i + jobs - 1) % jobs, (i + 2) % jobs));
    }
    const auto told = sim.messages().size();
    sim.start("j0", {}, Wait::No);
    for (int i = 0; i < 10; ++i) sim.tick();
    for (int i = 0; i < jobs; ++i) sim.undefine(fmt::format("j{}", i));
    for (int i = 0; i < jobs; ++i) sim.stop(fmt::format("j{}", i), {}, Wait::No);
    sim.tick();
    return Lines(sim.messages().begin() + static_cast<std::ptrdiff_t>(told), sim.messages().end());
  };
  const auto whole = cycle_of(40);
  ASSERT_EQ(whole.size(), 1U) << join(whole, "\n");
  EXPECT_TRUE(
      whole[0].starts_with("jobs trigger each other without end: started j0 -> started j1"));
  EXPECT_TRUE(whole[0].ends_with("started j39 -> started j0"));

  const auto part = cycle_of(150);  // longer than causes are kept
  ASSERT_EQ(part.size(), 1U) << join(part, "\n");
  EXPECT_TRUE(part[0].starts_with("jobs trigger each other without end: ... -> started j"));
}

// ---------------------------------------------------------------- shortages (Q5)

class Shortage : public Scenario {
 protected:
  /// No child can be made for this process, so often.
  void fail(const std::string& name, int times) {
    sim.program = [this, name, left = times](const core::SpawnRequest& request) mutable {
      auto program = Simulation::default_program(request);
      if (name == conf::to_string(request.type) && left > 0) {
        --left;
        tried_at_.push_back(sim.now());
        program.set_up = 0ms;
        program.spawn_error = EAGAIN;
        program.temporary = true;
      }
      return program;
    };
  }
  std::vector<TimePoint> tried_at_;
};

TEST_F(Shortage, Q5_IsTriedAgainAtGrowingIntervals) {
  sim.define("foo", "exec x\n");
  fail("main", 3);
  const auto started = sim.start("foo");
  sim.run_for(10s);
  EXPECT_EQ(sim.outcome(started), "ok");
  EXPECT_EQ(sim.status("foo"), "start/running");
  ASSERT_EQ(tried_at_.size(), 3U);
  EXPECT_EQ(tried_at_[1] - tried_at_[0], 100ms);
  EXPECT_EQ(tried_at_[2] - tried_at_[1], 200ms);
}

TEST_F(Shortage, Q5_ThatLastsBecomesAFailure) {
  sim.define("foo", "respawn\nexec x\n");
  fail("main", 1000);
  const auto started = sim.start("foo");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "Job failed to start");
  EXPECT_EQ(sim.events().back(), "stopped JOB=foo INSTANCE= RESULT=failed PROCESS=main");
  EXPECT_EQ(tried_at_.size(), 20U);
  EXPECT_LT(tried_at_.back() - tried_at_.front(), 7min);
  EXPECT_GT(tried_at_.back() - tried_at_.front(), 5min);
}

TEST_F(Shortage, Q5_StopDoesNotWaitForIt) {
  for (const auto* process : {"tmpfiles", "pre-start", "main", "post-start"}) {
    sim.define("foo", "tmpfiles x\npre-start exec x\nexec x\npost-start exec x\n");
    fail(process, 1000);
    sim.start("foo");
    sim.run_for(50ms);
    const auto stopped = sim.stop("foo");
    sim.run_for(1s);
    EXPECT_EQ(sim.outcome(stopped), "ok") << process;
    EXPECT_EQ(sim.events().back(), "stopped JOB=foo INSTANCE= RESULT=ok") << process;
    EXPECT_TRUE(sim.run_until_quiet());
  }
}

TEST_F(Shortage, Q5_OfPreStopAndPostStopEndsToo) {
  for (const auto* process : {"pre-stop", "post-stop"}) {
    sim.define("foo", "exec x\npre-stop exec x\npost-stop exec x\n");
    fail(process, 2);
    sim.start("foo");
    sim.run_for(1s);
    const auto stopped = sim.stop("foo");
    sim.run_for(10s);
    EXPECT_EQ(sim.outcome(stopped), "ok") << process;
    EXPECT_EQ(sim.status("foo"), "stop/waiting");
  }
}

TEST_F(Shortage, Q5_RestartBeginsAnew) {
  sim.define("foo", "exec x\n");
  fail("main", 4);
  sim.start("foo");
  sim.run_for(500ms);
  EXPECT_EQ(sim.status("foo"), "start/spawned");
  const auto restarted = sim.restart("foo");
  EXPECT_EQ(sim.states("foo").back(), "spawned");
  sim.run_for(1s);
  EXPECT_EQ(sim.outcome(restarted), "ok");
  EXPECT_EQ(sim.status("foo"), "start/running");
}

// ---------------------------------------------------------------- reports out of order (Q2, Q4)

class EarlyEnds : public Scenario {};

TEST_F(EarlyEnds, Q2_EndBeforeTheResultOfTheSpawn) {
  programs({{"foo/main", {.set_up = 1s}}});
  sim.define("foo", "task\nexec x\n");
  const auto started = sim.start("foo");
  const auto id = sim.spawns().back().id;
  sim.inject(core::ProcessChange{id, core::Exited{0}});
  EXPECT_EQ(sim.status("foo"), "start/spawned") << "nothing happens before the result";
  sim.run_for(2s);
  EXPECT_EQ(sim.outcome(started), "ok");
  EXPECT_EQ(sim.states("foo"), kUp + kDownWithoutMain);
}

TEST_F(EarlyEnds, Q4_StatusOfAFailedSetUpIsNoExitStatus) {
  programs({{"foo/main", {.set_up = 1s, .spawn_error = ENOENT}}});
  sim.define("foo", "exec x\n");
  sim.start("foo");
  const auto id = sim.spawns().back().id;
  sim.inject(core::ProcessChange{id, core::Exited{255}});
  sim.run_for(2s);
  EXPECT_EQ(sim.events().back(), "stopped JOB=foo INSTANCE= RESULT=failed PROCESS=main");
  sim.inject(core::ProcessChange{id, core::Exited{255}});  // nor later: it is nobody's
  EXPECT_EQ(sim.status("foo"), "stop/waiting");
}

// ---------------------------------------------------------------- clients that leave

class ClientsGone : public Scenario {};

TEST_F(ClientsGone, GetNoReplyAndHoldNothingUp) {
  programs({{"foo/pre-start", {.runs = 10s}}});
  sim.define("foo", "start on ev\npre-start exec x\nexec x\n");
  const auto emitted = sim.emit("ev");
  sim.run_for(1s);
  sim.abandon(emitted);
  const auto stopped = sim.stop("foo");
  sim.abandon(stopped);
  EXPECT_EQ(sim.manager().waiting_requests(), 0U);
  sim.run_until_quiet();
  EXPECT_EQ(sim.status("foo"), "stop/waiting");
  sim.abandon(stopped);  // long gone
}

// ---------------------------------------------------------------- AppArmor (Q3)

class Security : public Scenario {
 protected:
  Security() : Scenario({.apparmor_usable = true}) {}
};

TEST_F(Security, ProfileIsLoadedFirst) {
  sim.define("foo", "apparmor load /p\ntmpfiles x\npre-start exec x\nexec x\n");
  sim.start("foo");
  sim.run_for(1s);
  std::string order;
  for (const auto& spawn : sim.spawns()) order += std::string(conf::to_string(spawn.type)) + " ";
  EXPECT_EQ(order, "security tmpfiles pre-start main ");
}

TEST_F(Security, StatusDoesNotMatter) {
  programs({{"foo/security", {.runs = 1ms, .status = 1}}});
  sim.define("foo", "apparmor load /p\nexec x\n");
  sim.start("foo");
  sim.run_for(1s);
  EXPECT_EQ(sim.status("foo"), "start/running");
}

TEST_F(Security, Q3_FailedSpawnDoesNotHang) {
  programs({{"foo/security", {.spawn_error = ENOENT}}});
  sim.define("foo", "apparmor load /p\nexec x\n");
  const auto started = sim.start("foo");
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(started), "Job failed to start");
  EXPECT_EQ(sim.events().back(), "stopped JOB=foo INSTANCE= RESULT=failed PROCESS=security");
}

TEST_F(Security, StopTakesEffectWhenItHasEnded) {
  programs({{"foo/security", {.runs = 5s}}});
  sim.define("foo", "apparmor load /p\ntmpfiles x\nexec x\n");
  sim.start("foo");
  sim.run_for(1s);
  const auto stopped = sim.stop("foo");
  sim.run_for(1s);
  EXPECT_EQ(sim.status("foo"), "stop/security") << "tmpfiles has ended, security has not";
  sim.run_until_quiet();
  EXPECT_EQ(sim.outcome(stopped), "ok");
  EXPECT_EQ(sim.spawn_count("foo", ProcessType::Main), 0);
}

}  // namespace
}  // namespace upkeep::sim
