// Valid files: the vectors of spec/job-language.md 8, every stanza, overrides, bounds, and the way
// back from a definition to a file.
#include "conf/parser.h"

#include <ctime>

#include <gtest/gtest.h>

#include "conf/printer.h"
#include "conf/test_support.h"

namespace upkeep::conf {
namespace {

/// Whatever these tests parse has to come out the same when it is printed and parsed again.
void expect_round_trip(const JobDefinition& job) {
  const auto printed = print_job(job);
  const auto again = parse_job(printed);
  ASSERT_TRUE(again) << format_diagnostic("printed", again.error().front()) << "\nin: " << printed;
  EXPECT_TRUE(again->definition == job) << printed;
}

JobDefinition parsed(std::string_view text) {
  auto job = parse_job(text);
  if (job) {
    expect_round_trip(job->definition);
    return std::move(job->definition);
  }
  ADD_FAILURE() << format_diagnostic("test", job.error().front()) << "\nin: " << text;
  return {};
}

struct Vector {
  std::string_view text;
  std::string (*value)(const JobDefinition&);
  std::string_view expected;
};

std::string author(const JobDefinition& job) {
  return show(job.author);
}
std::string env(const JobDefinition& job) {
  return show(job.env);
}
std::string main_process(const JobDefinition& job) {
  return show(job.process(ProcessType::Main));
}
std::string start_on(const JobDefinition& job) {
  return show(job.start_on);
}
std::string task(const JobDefinition& job) {
  return job.task ? "task" : "no task";
}
std::string umask(const JobDefinition& job) {
  return std::to_string(job.umask.value_or(9999));
}
std::string nice(const JobDefinition& job) {
  return std::to_string(job.nice.value_or(9999));
}
std::string oom(const JobDefinition& job) {
  return std::to_string(job.oom_score_adj.value_or(9999));
}
std::string respawn(const JobDefinition& job) {
  return std::to_string(job.respawn_limit->count) + " " +
         std::to_string(job.respawn_limit->interval_seconds) + (job.respawn ? " on" : " off");
}
std::string normal_exit(const JobDefinition& job) {
  std::string out;
  for (const auto status : job.normal_exit) out += std::to_string(status) + " ";
  return out;
}
std::string expect(const JobDefinition& job) {
  std::string out(to_string(job.expect));
  if (job.expect_fd != 0) out += " " + std::to_string(job.expect_fd);
  if (job.expect_timeout_seconds) out += " t" + std::to_string(*job.expect_timeout_seconds);
  if (job.watchdog_seconds) out += " w" + std::to_string(*job.watchdog_seconds);
  return out;
}
std::string kill_mode(const JobDefinition& job) {
  return std::string(to_string(job.kill_mode)) + (job.kill_mode.is_set() ? " set" : "");
}
std::string kill(const JobDefinition& job) {
  return std::to_string(job.kill_signal.value()) + " " + std::to_string(job.kill_timeout_seconds) +
         " " + std::to_string(job.reload_signal);
}
std::string limits(const JobDefinition& job) {
  std::string out;
  for (const auto& limit : job.limits) {
    out += std::string(resources()[limit.resource].name) + " " + std::to_string(limit.soft) + " " +
           std::to_string(limit.hard) + ";";
  }
  return out;
}
std::string cgroups(const JobDefinition& job) {
  std::string out;
  for (const auto& cgroup : job.cgroups) {
    out +=
        cgroup.controller + " " + show(cgroup.name) + show(cgroup.key) + show(cgroup.value) + ";";
  }
  return out;
}

// clang-format off
const Vector kVectors[] = {
    // Section 8.
    {"", task, "no task"},
    {"task#x\n", task, "task"},
    {"author a\\\nb\n", author, "|a b|"},
    {"author \"a  \n  b\"\n", author, "|a b|"},
    {"author \"a \n\"\n", author, "|a |"},
    {"author 'a\\'b'\n", author, "|a\\'b|"},
    {"author a\\ b\n", author, "|a b|"},
    {"author a\\\\b\n", author, "|a\\b|"},
    {"env T=a\\ b\\tc\n", env, "|T=a b\\tc|"},
    {"env A=\"a b\"c\n", env, "|A=a bc|"},
    {"exec srv one \\\n  two  # x\n", main_process, "exec |srv one two|"},
    {"exec a \"x \n y\"  b\n", main_process, "exec |a \"x y\"  b|"},
    {"exec a\\#b # c\n", main_process, "exec |a\\#b|"},
    {"exec a \\#b\n", main_process, "exec |a \\#b|"},
    {"script\n  a\n    b\nend script\n", main_process, "script |a\n  b\n|"},
    {"script\n  a\n\n  b\nend script\n", main_process, "script |  a\n\n  b\n|"},
    {"script\n\ta\n  \tb\nend script # x\n", main_process, "script |\ta\n  \tb\n|"},
    {"script\nx\nend script;\n end\tscript#y\n", main_process, "script |x\nend script;\n|"},
    {"start on p and q or r\n", start_on, "((p and q) or r)"},
    {"start on p or q and r\n", start_on, "((p or q) and r)"},
    {"start on r and (d or (n I=e* # x\n and u))\n", start_on, "(r and (d or (n[I=e*] and u)))"},
    {"start on (a\n b)\n", start_on, "a[b]"},
    {"start on a \"and\" b\n", start_on, "a[and|b]"},
    {"start on a\nmanual\n", start_on, "none"},
    {"manual\nstart on a\n", start_on, "a"},
    {"manual task\n", task, "task"},
    {"respawn limit unlimited\n", respawn, "0 0 off"},
    {"normal exit 0 TERM 3\nnormal exit SIGHUP\n", normal_exit, "0 3840 3 256 "},
    {"kill signal SIGUSR1\nkill timeout 9\n", kill, "10 9 1"},
    {"umask 0777\n", umask, "511"},
    {"nice \" 5\"\n", nice, "5"},
    {"oom -17\n", oom, "-1000"},
    {"oom score -1000\n", oom, "-1000"},
    {"oom never\n", oom, "-1000"},
    {"limit core -1 unlimited\n", limits, "core 18446744073709551615 18446744073709551615;"},
    {"start on a\r\nscript\r\nx\r\nend script\r\n", start_on, "a"},
    {"start on a\r\nscript\r\nx\r\nend script\r\n", main_process, "script |x\r\n|"},

    // What the text says beside them.
    {"   # nothing\n\n\t\n", task, "no task"},
    {"author a \\\n # no more\ntask", task, "task"},
    {"author c\"d e\"f\n", author, "|cd ef|"},
    {"author \"a\n\n\n b\"\n", author, "|a b|"},
    {"author \"it's\"\n", author, "|it's|"},
    {"author \" \"\n", author, "| |"},
    {"author a\\(b\\\"c\n", author, "|a\\(b\\\"c|"},
    {"author \\\n  x\n", author, "|x|"},
    {"author x\nauthor y\n", author, "|y|"},
    {"author \xff\xfe\f\n", author, "|\xff\xfe\f|"},
    {"# don't \\\nauthor x # it's\n", author, "|x|"},
    {"  author x", author, "|x|"},
    {"env A\nenv =x\nenv A=2\n", env, "|A|=x|A=2|"},
    {"exec \"\"\n", main_process, "exec |\"\"|"},
    {"exec a\\\\\\ b\n", main_process, "exec |a\\\\\\ b|"},
    {"exec a \\\n \\\n b", main_process, "exec |a b|"},
    {"exec a \\\n\n", main_process, "exec |a|"},
    {"exec a\nscript\nend script", main_process, "script ||"},
    {"script\nb\nend script\nexec a#c", main_process, "exec |a|"},
    {"script # x\n 'a\\\n \"<<E\n end script x\nendscript\nend script\n", main_process,
     "script | 'a\\\n \"<<E\n end script x\nendscript\n|"},
    {"start on ((a))\n", start_on, "a"},
    {"start on (a) and(b)or c\n", start_on, "((a and b) or c)"},
    {"start on (\n a # one\n or\n b X=\"(y)\"\n)\n", start_on, "(a or b[X=(y)])"},
    {"start on a=b AND or X x\n", start_on, "(a=b[AND] or X[x])"},
    {"start on a 'b c' K=v L!=w \\\n and d\n", start_on, "(a[b c|K=v|L!=w] and d)"},
    {"start on a and\\\n b\n", start_on, "(a and b)"},
    {"start on a\nstart on b\n", start_on, "b"},
    {"manual # comment\ntask\n", task, "task"},
    {"respawn\n", respawn, "10 5 on"},
    {"respawn # x\nrespawn limit 3 010\n", respawn, "3 10 on"},
    {"kill signal 2147483647\nreload signal USR2\n", kill, "2147483647 5 12"},
    {"normal exit +1 010 2147483647\n", normal_exit, "1 10 2147483647 "},
    {"kill timeout 9223372036854775807\nkill signal 0\nkill mode tree\n", kill,
     "0 9223372036854775807 1"},
    {"umask 22\n", umask, "18"},
    {"nice -20\n", nice, "-20"},
    {"oom 7\n", oom, "466"},
    {"oom -1\n", oom, "-58"},
    {"oom \"score\" never\n", oom, "-1000"},
    {"limit nofile 1 2\nlimit as 3 -2\nlimit nofile 4 5\n", limits,
     "nofile 4 5;as 3 18446744073709551614;"},
    {"cgroup a b\ncgroup a b\ncgroup a b k v\ncgroup a b k w\ncgroup a c k v\n", cgroups,
     "a |b|nonenone;a |b||k||w|;a |c||k||v|;"},
    {"cgroup a\ncgroup a $UPSTART_CGROUP\n", cgroups, "a nonenonenone;"},
    {"cgroup a\ncgroup b n\ncgroup c k v\ncgroup d n k v\n", cgroups,
     "a nonenonenone;b |n|nonenone;c none|k||v|;d |n||k||v|;"},

    // What Upstart does not have.
    {"", expect, "none"},
    {"expect auto\n", expect, "auto"},
    {"expect 'notify' # x\n", expect, "notify"},
    {"expect fd 3\n", expect, "fd 3"},
    {"expect \\\n \"fd\" \\\n \"1023\"", expect, "fd 1023"},
    {"expect fd 8\nexpect fd 010\n", expect, "fd 10"},
    {"expect fd 5\nexpect fork\n", expect, "fork"},
    {"expect notify\nexpect fd 5\n", expect, "fd 5"},
    {"expect timeout 0\n", expect, "none t0"},
    {"expect 'timeout' 2147483647\nexpect watchdog '5'\n", expect, "none t2147483647 w5"},
    {"expect timeout 5\nexpect watchdog 6\nexpect stop\n", expect, "stop t5 w6"},
    {"expect timeout 5\nexpect timeout 7\nexpect watchdog 2147483647\nexpect watchdog 0\n", expect,
     "none t7"},
    {"", kill_mode, "group"},
    {"kill mode group\n", kill_mode, "group set"},
    {"kill mode main\n", kill_mode, "main set"},
    {"kill mode main\nkill \\\n mode \"tree\"\n", kill_mode, "tree set"},
};
// clang-format on

TEST(ParserVectors, GiveTheStoredValue) {
  for (const auto& vector : kVectors) {
    EXPECT_EQ(vector.value(parsed(vector.text)), vector.expected) << vector.text;
  }
}

TEST(Parser, EveryPlainStanzaReachesItsField) {
  const auto job = parsed(
      "description d\nversion v\nusage u\ninstance $N\nemits a b*\nemits c\nexport X Y\ntask\n"
      "chroot /r\nchdir /w\nsetuid me\nsetgid us\ndebug\nstop on s\nconsole owner\n"
      "expect \"daemon\"\napparmor switch p\n");
  EXPECT_EQ(job.description, "d");
  EXPECT_EQ(job.version, "v");
  EXPECT_EQ(job.usage, "u");
  EXPECT_EQ(job.instance.value(), "$N");
  EXPECT_EQ(show(job.emits), "|a|b*|c|");
  EXPECT_EQ(show(job.export_env), "|X|Y|");
  EXPECT_TRUE(job.task);
  EXPECT_EQ(job.chroot, "/r");
  EXPECT_EQ(job.chdir, "/w");
  EXPECT_EQ(job.setuid, "me");
  EXPECT_EQ(job.setgid, "us");
  EXPECT_TRUE(job.debug);
  EXPECT_EQ(show(job.stop_on), "s");
  EXPECT_EQ(job.console, Console::Owner);
  EXPECT_EQ(job.expect, Expect::Daemon);
  EXPECT_EQ(job.apparmor_switch, "p");
}

TEST(Parser, EveryWordOfAChoiceIsKnown) {
  for (const auto value :
       {Expect::None, Expect::Stop, Expect::Daemon, Expect::Fork, Expect::Auto, Expect::Notify}) {
    EXPECT_EQ(parsed("expect " + std::string(to_string(value))).expect, value);
  }
  for (const auto mode : {KillMode::Group, KillMode::Main, KillMode::Tree}) {
    EXPECT_EQ(parsed("kill mode " + std::string(to_string(mode))).kill_mode, mode);
  }
  for (const auto console : {Console::None, Console::Output, Console::Owner, Console::Log}) {
    EXPECT_EQ(parsed("console " + std::string(to_string(console))).console, console);
  }
  for (std::size_t i = 0; i < resources().size(); ++i) {
    const auto job = parsed("limit " + std::string(resources()[i].name) + " 1 2");
    EXPECT_EQ(job.limits, (std::vector{ResourceLimit{i, 1, 2}}));
  }
}

TEST(Parser, EveryProcessTakesExecAndScript) {
  for (const auto type : {ProcessType::PreStart, ProcessType::PostStart, ProcessType::PreStop,
                          ProcessType::PostStop}) {
    const std::string name(to_string(type));
    EXPECT_EQ(show(parsed(name + " exec a b\n").process(type)), "exec |a b|");
    EXPECT_EQ(show(parsed(name + " script\n x\nend script\n").process(type)), "script |x\n|");
    EXPECT_EQ(show(parsed(name + " script\nend script\n").process(ProcessType::Main)), "none");
  }
}

TEST(Parser, AppArmorProfileBecomesTheSecurityProcess) {
  EXPECT_EQ(show(parsed("apparmor load /p\n").process(ProcessType::Security)),
            "exec |/sbin/apparmor_parser -r -W /p|");
}

TEST(Parser, ImportDeclaresVariablesAndDoesNothingElse) {
  const auto job = parsed("import A B\nimport C\n");
  EXPECT_EQ(show(job.imports), "|A|B|C|");
  EXPECT_TRUE(job.env.empty());
}

TEST(Parser, TmpfilesOfAllLinesBecomeOneProcess) {
  const auto job = parsed("tmpfiles /a 'b c'\ntmpfiles \"it's\"\n");
  EXPECT_EQ(show(job.tmpfiles), "|/a|b c|it's|");
  EXPECT_EQ(show(job.process(ProcessType::Tmpfiles)),
            "script |command -v systemd-tmpfiles >/dev/null || exit 0\n"
            "exec systemd-tmpfiles --create -- '/a' 'b c' 'it'\\''s'\n|");
}

TEST(Parser, KnowsWhatTheFileSetsToTheDefault) {
  const auto job = parsed("expect none\nkill timeout 5\nrespawn limit 10 5\ninstance \" \"\n");
  EXPECT_TRUE(job.expect.is_set() && job.kill_timeout_seconds.is_set());
  EXPECT_TRUE(job.respawn_limit.is_set() && job.instance.is_set());
  EXPECT_FALSE(job.kill_signal.is_set() || job.reload_signal.is_set());
  EXPECT_FALSE(parsed("exec a").expect.is_set());
}

TEST(Printer, UsesQuotesOnlyWhereTheyAreNeeded) {
  const auto job = parsed(
      "author \"a\\\\b\"\nusage 'say \"it'\nenv A='b c'\nenv \"B=c\"\nkill signal TERM\n"
      "start on (a x=\"(y)\" and \"or\") or (b and (c or d))\nscript\n  a\n   b\nend script\n");
  EXPECT_EQ(print_job(job),
            "author a\\\\b\nusage \"say \"'\"'\"it\"\nenv \"A=b c\"\nenv B=c\n"
            "start on (a \"x=(y)\" and \"or\") or (b and (c or d))\nkill signal 15\n"
            "script\na\n b\nend script\n");
}

TEST(Printer, NamesTheDescriptorWithItsKindAndTheTimesBesideIt) {
  const auto job = parsed(
      "expect watchdog 30\nkill mode tree\nexpect timeout 0\nkill timeout 0\nexpect \"fd\" 7\n");
  EXPECT_EQ(print_job(job),
            "expect fd 7\nexpect timeout 0\nexpect watchdog 30\nkill timeout 0\nkill mode tree\n");
}

TEST(Printer, KeepsWhatPlainCopyingWouldLose) {
  for (const std::string_view text :
       {"author '\\\\'\n", "author \" \t\r\"\n", "author \"a\rb\"\n", "author \\#\\ \\\\\n",
        "author a\\\\\\\\\n", "emits \"#\" '\"' \"'\" \"\\\\\"\n",
        "start on \"and\" \"or\" \"(\" x=\")\"\n", "exec a \\  # b\n", "exec \"\n a\"\n",
        "exec a\\\\\n", "env =\n", "instance \"\\\\\n\"\n", "script\nend script\n",
        "script\n\nend script\n", "script\n \r\n\t\nend script\n", "apparmor load \"/a b\"\n",
        "normal exit 256 TERM 3\n", "umask 0\n", "limit as 0 -2\n"}) {
    (void)parsed(text);
  }
}

TEST(Parser, AnEmptyFileHasTheDefaultsOfTheLanguage) {
  const auto job = parsed("");
  EXPECT_EQ(job.instance.value(), "");
  EXPECT_EQ(job.expect, Expect::None);
  EXPECT_EQ(job.respawn_limit, RespawnLimit{});
  EXPECT_EQ(job.kill_signal, SIGTERM);
  EXPECT_EQ(job.reload_signal, SIGHUP);
  EXPECT_EQ(job.kill_timeout_seconds, 5);
  EXPECT_FALSE(job.start_on);
  EXPECT_FALSE(job.console || job.umask || job.nice || job.oom_score_adj || job.chdir);
}

// --- Overrides (1.4) -----------------------------------------------------------------------------

TEST(Override, ReplacesSingleValuesAndExtendsLists) {
  auto base = parsed("start on a\nenv A=1\nexec old\nauthor x\ntask\n");
  base.name = "job";
  const auto job = parse_override(base, "manual\nenv B=2\nexec new\n");
  ASSERT_TRUE(job);
  EXPECT_EQ(job->definition.name, "job");
  EXPECT_EQ(show(job->definition.start_on), "none");
  EXPECT_EQ(show(job->definition.env), "|A=1|B=2|");
  EXPECT_EQ(show(job->definition.process(ProcessType::Main)), "exec |new|");
  EXPECT_EQ(job->definition.author, "x");
  EXPECT_TRUE(job->definition.task);
}

TEST(Override, ReplacesHowTheJobIsAwaitedAndEndedOneByOne) {
  const auto base = parsed("expect fd 5\nexpect timeout 6\nexpect watchdog 7\nkill mode tree\n");
  const auto value = [&base](std::string_view text, auto show_as) {
    const auto job = parse_override(base, text);
    if (!job) return job.error().front().message;
    expect_round_trip(job->definition);
    return show_as(job->definition);
  };
  EXPECT_EQ(value("expect none\n", expect), "none t6 w7");
  EXPECT_EQ(value("expect timeout 0\n", expect), "fd 5 t0 w7");
  EXPECT_EQ(value("expect watchdog 0\n", expect), "fd 5 t6");
  EXPECT_EQ(value("task\n", expect), "fd 5 t6 w7");
  EXPECT_EQ(value("kill mode group\n", kill_mode), "group set");
  EXPECT_EQ(value("kill signal INT\n", kill_mode), "tree set");
  EXPECT_EQ(expect(base) + kill_mode(base), "fd 5 t6 w7tree set") << "the base is left alone";
}

TEST(Override, CountsItsOwnLinesAndLeavesTheBaseAlone) {
  const auto base = parsed("\n\nstart on a\n");
  const auto job = parse_override(base, "manual\nbogus\n");
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().front().line, 2);
  EXPECT_EQ(show(base.start_on), "a");
}

// --- Bounds --------------------------------------------------------------------------------------

std::string repeated(std::string_view part, std::size_t times) {
  std::string out;
  out.reserve(part.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += part;
  return out;
}

DiagnosticKind kind_of_error(std::string_view text) {
  const auto job = parse_job(text);
  EXPECT_FALSE(job);
  return job ? DiagnosticKind{} : job.error().front().kind;
}

TEST(ParserBounds, AsManyParenthesesAndOperatorsAsPromised) {
  const auto depth = static_cast<std::size_t>(kMaxExpressionDepth);
  EXPECT_EQ(show(parsed("start on " + repeated("(", depth) + "a" + repeated(")", depth)).start_on),
            "a");
  EXPECT_EQ(kind_of_error("start on " + repeated("(", depth + 1)), DiagnosticKind::TooDeep);
  EXPECT_EQ(kind_of_error("start on " + repeated("(", 1'000'000)), DiagnosticKind::TooDeep);
  EXPECT_TRUE(parsed("start on a" + repeated(" and a", depth)).start_on);
  EXPECT_EQ(kind_of_error("start on a" + repeated(" or a", depth + 1)), DiagnosticKind::TooDeep);
  // To the right as well: the tree may not be deeper than recursion over it can bear.
  EXPECT_EQ(kind_of_error("start on a" + repeated(" or ((a) and (b", depth)),
            DiagnosticKind::TooDeep);
}

TEST(ParserBounds, TooLargeIsSaidAndTheLargestIsRead) {
  EXPECT_EQ(kind_of_error(std::string(kMaxJobFileBytes + 1, '\n')), DiagnosticKind::FileTooLarge);
  EXPECT_TRUE(parse_job(std::string(kMaxJobFileBytes, '\n')));
  EXPECT_EQ(parsed(repeated("env A\n", 600'000)).env.size(), 600'000U);
}

TEST(ParserBounds, NulIsRefusedWithItsPlace) {
  using namespace std::string_view_literals;
  const auto job = parse_job("task\n# a\0b\n"sv);
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().front().kind, DiagnosticKind::NulByte);
  EXPECT_EQ(job.error().front().line, 2);
  EXPECT_EQ(job.error().front().column, 4);
}

/// Texts on which a careless reader takes quadratic time: minutes, where these take seconds even
/// with sanitizers. The processor's time is measured, as others may use the machine.
TEST(ParserBounds, TimeIsLinearInTheSizeOfTheFile) {
  const auto start = std::clock();
  const std::size_t most = 1U << 20;
  const auto parse = [](std::string_view head, const std::string& body, std::string_view tail) {
    const auto job = parse_job(std::string(head) + body + std::string(tail));
    EXPECT_TRUE(job || !job.error().front().message.empty());
  };
  parse("", std::string(most, '\\'), "");
  parse("author ", std::string(most, '\\'), "");
  parse("author \"", std::string(most, '\n'), "\"");
  parse("exec a", std::string(most, ' '), "b");
  parse("exec a", repeated(" \\\n", most / 3), "b");
  parse("exec ", repeated("\"\n\"", most / 3), "");
  parse("", std::string(most, '('), "");
  parse("start on a ", repeated("b ", most / 2), "");
  parse("start on (a\n", repeated("\"b\"\n", most / 4), ")");
  parse("script\n", std::string(most, '\n'), "end script");
  parse("script\n", std::string(most / 2, ' ') + "x\n" + std::string(most / 2, ' '),
        "x\nend script");
  parse("script\n", repeated("end ", most / 4), "");
  parse("", repeated("env A\n", most / 6), "");
  parse("limit ", repeated("\xff\xc0", most / 2), "");
  parse("", repeated("cgroup a\n", most / 9), "");
  EXPECT_LT(std::clock() - start, 30 * CLOCKS_PER_SEC);
}

TEST(ParserBounds, MessagesStayShortAndPrintable) {
  for (const auto& text :
       {std::string(1'000'000, 'x'), "author a " + std::string(1'000'000, '\x1b'),
        "console " + repeated("\xff\n\x80", 1000), "start on (a) " + std::string(1'000'000, 'b')}) {
    const auto job = parse_job(text);
    ASSERT_FALSE(job);
    EXPECT_LT(job.error().front().message.size(), 400U);
    for (const char byte : job.error().front().message) EXPECT_TRUE(byte >= ' ' && byte <= '~');
  }
}

}  // namespace
}  // namespace upkeep::conf
