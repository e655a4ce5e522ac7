// Scenario files: what they say is what is printed, and what is wrong with them is told.
#include <cerrno>
#include <csignal>

#include "sim/run_scenario.h"
#include "sim/scenario.h"
#include "sim/words.h"

namespace upkeep::sim {
namespace {

/// Everything that a scenario can say, and text that needs care.
ScenarioFile everything() {
  ScenarioFile file;
  file.comment = {"A title", "", " indented # twice"};
  file.job_environment = {"PATH=/bin", "TERM=two words"};
  file.daemon_environment = {"LANG=C"};
  file.jobs = {{"foo", {"exec foo", "", "# a comment", "    deeper", "script", ""}},
               {"a/b c", {}},
               {"job", {"task"}}};
  Program odd{.set_up = 3us,
              .spawn_error = ENOENT,
              .spawn_step = "unable to \"execute\"",
              .runs = 90s,
              .status = 3,
              .dies_by = SIGSEGV,
              .ignores_term = true,
              .takes_to_die = 0ns,
              .stops_itself = true,
              .forks = 2,
              .ready_after = 1ns,
              .executes_after = 1,
              .vanishes = true,
              .ends_before_result = true};
  Program never{.runs = std::nullopt, .status = 1};
  file.programs = {{"foo", ProcessType::Main, odd},
                   {"foo", ProcessType::Main, never},
                   {"foo", ProcessType::Main, {}},
                   {"foo", ProcessType::PreStart, {.spawn_error = 4000, .runs = 0s}},
                   {"a,b:", ProcessType::Tmpfiles, {.dies_by = 40}}};
  file.timeline = {
      {0s, Define{{"foo", {"exec bar", ""}}}},
      {0s, Undefine{"a/b c"}},
      {1ms, Emit{"ev", {"A=1", "as", "no-wait", "B=x,", "C=a\"\\\n\x01 \xc3\xa4"}}},
      {1ms, Emit{"", {}, Wait::No, "E"}},
      {1s, Command{.verb = Verb::Start, .job = "foo", .variables = {"instance", "#x", ""}}},
      {1s, Command{.verb = Verb::Stop, .job = "foo", .instance = "", .wait = Wait::No}},
      {1s, Command{.verb = Verb::Restart, .job = "foo", .instance = "a b", .label = "as"}},
      {2s, Reload{"foo", "", "R"}},
      {2s, Reload{"foo", "i", ""}},
      {2s, Harm{Harm::Effect::Kill, "foo", ProcessType::PostStop, SIGKILL, ""}},
      {2s, Harm{Harm::Effect::Suspend, "foo", ProcessType::Main, SIGTSTP, "i"}},
      {3s, End{core::EndSession::Type::Logout}},
      {3s, End{core::EndSession::Type::Shutdown}},
      {3s, ClientGone{"E"}},
      {3s, ChangeEnvironment{.change = ChangeEnvironment::Change::Set,
                             .variables = {"A=1", "of", "keep"},
                             .job = "foo",
                             .instance = "i",
                             .replace = false,
                             .label = "S"}},
      {3s, ChangeEnvironment{.change = ChangeEnvironment::Change::Unset, .variables = {"A", "as"}}},
      {3s, ChangeEnvironment{.change = ChangeEnvironment::Change::Reset, .job = "of"}},
      {3s, ExpectStatus{"foo", "start/running", "i"}},
      {3s, ExpectReply{"R", "Job is not running: foo"}},
      {3s, ExpectRuns{"foo", ProcessType::Main, 2}}};
  file.until = 90s;
  file.apparmor = true;
  file.reuses_pids = true;
  file.lots = Lots{.every = 50ms, .latest_first = true};
  return file;
}

TEST(ScenarioFile, WhatIsPrintedIsReadBack) {
  const auto file = everything();
  const auto read = ScenarioFile::parse(file.print());
  ASSERT_TRUE(read) << read.error().message << "\n" << file.print();
  EXPECT_EQ(*read, file) << file.print() << "\n" << read->print();
  EXPECT_EQ(ScenarioFile::parse("")->print(), "");
  for (const auto finale : {Finale::StopAll, Finale::StopAllCycles}) {
    const ScenarioFile stops{.comment = {}, .finale = finale, .lots = Lots{.every = 1s}};
    EXPECT_EQ(*ScenarioFile::parse(stops.print()), stops) << stops.print();
  }
}

TEST(ScenarioFile, ReadsLikeAPage) {
  const auto file = ScenarioFile::parse(R"(# Q1: dies early

job foo
    respawn

    exec foo
program foo main: exits 1    # the first run
program foo main: stops itself, ready after 20ms

at 0s start foo N=1 as A
at 2s define foo
    exec bar
# the end
at 2s stop foo no-wait
)");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->print(), R"(# Q1: dies early
job foo
    respawn
    )" + std::string(R"(
    exec foo
program foo main: runs 1ms, exits 1
program foo main: stops itself, ready after 20ms
at 0s start foo N=1 as A
at 2s define foo
    exec bar
at 2s stop foo no-wait
)"));
}

struct Wrong {
  std::string text, error;
};

TEST(ScenarioFile, WhatIsWrongIsTold) {
  const std::vector<Wrong> cases{
      {"\nfoo\n",
       "line 2: \"foo\" where job, program, at, until, stop-all, apparmor, pids, ends, environment "
       "or "
       "daemon-environment should be"},
      {"job\n", "line 1: a job is missing at the end of the line"},
      {"job a b\n", "line 1: \"b\" where the end of the line should be"},
      {"    exec x\n", "line 1: an indented line that belongs to no job"},
      {"job a\n  exec x\n",
       "line 2: the lines of a job are indented by four blanks, all others by none"},
      {"job \"a\n", "line 1: a quote that is not closed"},
      {"job a\\b\n", "line 1: a backslash that is not part of \\\" \\\\ \\n \\xNN in \"\""},
      {"job \"a\\x1\"\n", "line 1: a backslash that is not part of \\\" \\\\ \\n \\xNN in \"\""},
      {std::string("job a\0b\n", 8), "line 1: a NUL byte"},
      {"at soon emit x\n", "line 1: \"soon\" is not a time such as 90s, 20ms or 5us"},
      {"at 200000000s emit x\n", "line 1: \"200000000s\" is not a time such as 90s, 20ms or 5us"},
      {"at 2s emit x\nat 1s emit y\n", "line 2: a time before that of the action above"},
      {"at 2s emit x\nuntil 1s\n", "line 2: a time before that of the action above"},
      {"until 1s\nat 2s emit x\n", "line 2: nothing can happen after `until`"},
      {"until 1s\nstop-all\n", "line 2: nothing can happen after `until`"},
      {"stop-all\nat 2s emit x\n", "line 2: nothing can happen after `stop-all`"},
      {"ends told every 0s\n", "line 1: 0s is no time between two lots"},
      {"at 1s dance\n", "line 1: \"dance\" where an action should be"},
      {"at 1s emit x as \"\"\n", "line 1: a label has 1 to 100 bytes"},
      {"at 1s start x instance a B=1\n",
       "line 1: an instance that is named exactly takes no variables"},
      {"at 1s end-session\n", "line 1: the end of the line where \"shutdown\" should be"},
      {"at 1s expect x\n", "line 1: \"x\" where status, reply or runs should be"},
      {"at 1s kill x nobody KILL\n",
       "line 1: \"nobody\" is not a process such as main or pre-start"},
      {"at 1s kill x main 65\n", "line 1: \"65\" is not a signal"},
      {"program x main\n", "line 1: the end of the line where \":\" should be"},
      {"program x main: exits 256\n", "line 1: \"256\" is not an exit status up to 255"},
      {"program x main: forks 1001\n", "line 1: \"1001\" is not a number of forks up to 1000"},
      {"program x main: fails to start with ENOSUCH\n",
       "line 1: \"ENOSUCH\" is not an error such as ENOENT"},
      {"program x main: dances\n", "line 1: \"dances\" where what a program does should be"},
      {"program x main: vanishes,\n",
       "line 1: the end of the line where what a program does "
       "should be"},
      {std::string((4U << 20) + 1, '\n'), "line 1: larger than 4194304 bytes"},
  };
  for (const auto& one : cases) {
    const auto file = ScenarioFile::parse(one.text);
    ASSERT_FALSE(file) << one.text;
    EXPECT_EQ(file.error().message, one.error);
  }
}

TEST(ScenarioFile, TimesKeepTheirUnit) {
  for (const auto* text : {"0s", "90s", "1500ms", "5us", "1ns", "100000000s"}) {
    EXPECT_EQ(print_time(*parse_time(text)), text);
  }
  EXPECT_EQ(print_time(*parse_time("2000ms")), "2s");
  for (const auto* text : {"", "s", "1", "-1s", "1.5s", "1m", "99999999999999999999s"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
}

TEST(ScenarioFile, ExpectationsThatAreNotMetAreViolations) {
  const auto file = ScenarioFile::parse(R"(
job foo
    exec foo
at 0s start foo as A
at 1s expect status foo stop/waiting
at 1s expect status foo start/running
at 1s expect reply A waiting
at 1s expect reply A ok
at 1s expect reply B ok
at 1s expect runs foo main 2
at 1s expect runs foo main 1
at 1s client-gone NOSUCH
)");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(
      run_scenario(*file).violations,
      (Lines{"the status of foo is start/running, not stop/waiting",
             "the reply to A is ok, not waiting", "the reply to B is \"no request\", not ok",
             "the number of runs of foo main is 1, not 2", "client-gone NOSUCH: no such request"}));
}

TEST(ScenarioFile, WhatNeverRestsIsBrokenOff) {
  const auto file = ScenarioFile::parse(R"(
job foo
    start on go or stopped foo
    task
at 0s emit go
at 1s stop foo
)");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(run_scenario(*file).violations, Lines{});  // a task without main rests in running
  const auto endless = ScenarioFile::parse(R"(
job foo
    task
    start on go or stopped foo
    exec foo
program foo main: set up in 0s, runs 0s
at 0s emit go
)");
  ASSERT_TRUE(endless) << endless.error().message;
  const auto result = run_scenario(*endless);
  ASSERT_FALSE(result.violations.empty());
  EXPECT_EQ(result.violations.front(), "something goes on and on: broken off");
}

}  // namespace
}  // namespace upkeep::sim
