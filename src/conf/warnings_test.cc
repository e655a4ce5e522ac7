// Each warning, where it stands, and its nearest neighbour that is meant as it is written.
#include "conf/warnings.h"

#include <gtest/gtest.h>

#include "conf/parser.h"

namespace upkeep::conf {
namespace {

std::string list(const std::vector<Diagnostic>& warnings) {
  std::string out;
  for (const auto& warning : warnings) {
    if (!out.empty()) out += ", ";
    out += std::to_string(warning.line) + ":" + std::to_string(warning.column) + " " +
           std::string(to_string(warning.kind));
  }
  return out;
}

std::string warnings_of(std::string_view text) {
  const auto job = parse_job(text);
  return job ? list(job->warnings) : "invalid: " + job.error().front().message;
}

std::string warnings_of_override(std::string_view base, std::string_view text) {
  return list(parse_override(parse_job(base).value().definition, text).value().warnings);
}

TEST(Warnings, NoneForAnHonestJob) {
  EXPECT_EQ(warnings_of("description \"web\"\nstart on (a and b) or c\nstop on d\nrespawn\n"
                        "respawn limit 3 10\nenv PRICE=5$\nenv A=1\nenv B=2\nsetuid nobody\n"
                        "pre-start script\n x\nend script\npost-stop exec y\nexec web $A\n"),
            "");
}

TEST(Warnings, CommandThatIsReplaced) {
  EXPECT_EQ(warnings_of("exec a\nexec b\n"), "2:1 DuplicateStanza");
  EXPECT_EQ(warnings_of("exec a\nscript\nend script\n"), "2:1 DuplicateStanza");
  EXPECT_EQ(warnings_of("pre-stop exec a\npre-stop script\nend script\npre-stop exec b\n"),
            "2:1 DuplicateStanza, 4:1 DuplicateStanza");
  EXPECT_EQ(warnings_of("exec a\npre-stop exec b\npost-stop exec c\n"), "");
  EXPECT_EQ(warnings_of("author a\nauthor b\nnice 1\nnice 2\n"), "");
}

TEST(Warnings, ConditionThatIsReplaced) {
  EXPECT_EQ(warnings_of("start on a\nstart on b\n"), "2:1 DuplicateStanza");
  EXPECT_EQ(warnings_of("start on a\nstop on b\n  stop on c\n"), "3:3 DuplicateStanza");
  EXPECT_EQ(warnings_of("start on a\nmanual\nstart on b\n"), "");
}

TEST(Warnings, ExpectThatFollowsTheShell) {
  EXPECT_EQ(warnings_of("expect fork\nscript\nend script\n"), "1:1 ExpectWithScript");
  EXPECT_EQ(warnings_of("script\nend script\nexpect daemon\n"), "3:1 ExpectWithScript");
  EXPECT_EQ(warnings_of("expect stop\nscript\nend script\n"), "");
  EXPECT_EQ(warnings_of("expect fork\nscript\n . /x\n exec a \\\n  b\n\nend script\n"), "");
  EXPECT_EQ(warnings_of("expect fork\nscript\n exec a &\n b\nend script\n"),
            "1:1 ExpectWithScript");
  EXPECT_EQ(warnings_of("expect fork\npre-start script\nend script\nexec a\n"), "");
}

TEST(Warnings, LimitWithoutRespawn) {
  EXPECT_EQ(warnings_of("respawn limit 3 10\n"), "1:1 LimitWithoutRespawn");
  EXPECT_EQ(warnings_of("respawn limit 3 10\nrespawn\n"), "");
}

TEST(Warnings, ExpectThatFollowsTheShellSaysWhatToDo) {
  EXPECT_EQ(parse_job("expect fork\nscript\nend script\n")->warnings.at(0).message,
            "\"expect fork\" with \"script\": each program that the shell starts counts as a fork; "
            "let the last line of the script be \"exec PROGRAM\", or say \"expect auto\"");
  EXPECT_EQ(warnings_of("expect auto\nscript\nend script\n"), "");
  EXPECT_EQ(warnings_of("expect notify\nscript\nend script\n"), "");
  EXPECT_EQ(warnings_of("expect fd 3\nscript\nend script\n"), "");
}

TEST(Warnings, TimeoutWithoutExpect) {
  EXPECT_EQ(warnings_of("exec a\nexpect timeout 5\n"), "2:1 TimeoutWithoutExpect");
  EXPECT_EQ(warnings_of("expect timeout 0\nexpect timeout 5\n"), "2:1 TimeoutWithoutExpect");
  EXPECT_EQ(warnings_of("expect timeout 5\nexpect stop\n"), "");
  EXPECT_EQ(warnings_of("expect timeout 5\nexpect fd 3\n"), "");
  EXPECT_EQ(warnings_of("expect none\nexpect timeout 5\n"), "") << "said in words";
  EXPECT_EQ(warnings_of_override("expect fork\n", "expect timeout 5\n"), "");
  EXPECT_EQ(warnings_of_override("expect timeout 5\n", "task\n"), "");
}

TEST(Warnings, WatchdogThatCannotBeFed) {
  EXPECT_EQ(warnings_of("exec a\n expect watchdog 5\n"), "2:2 WatchdogWithoutNotify");
  EXPECT_EQ(warnings_of("expect watchdog 5\nexpect fork\n"), "1:1 WatchdogWithoutNotify");
  EXPECT_EQ(warnings_of("expect fd 3\nexpect watchdog 5\n"), "2:1 WatchdogWithoutNotify");
  EXPECT_EQ(warnings_of("expect watchdog 5\nexpect notify\n"), "");
  EXPECT_EQ(warnings_of("expect auto\nexpect watchdog 5\n"), "");
  EXPECT_EQ(warnings_of("expect watchdog 5\nexpect watchdog 0\n"), "") << "there is none";
  EXPECT_EQ(warnings_of_override("expect notify\n", "expect watchdog 5\n"), "");
  const std::string_view watched = "expect notify\nexpect watchdog 5\n";
  EXPECT_EQ(warnings_of_override(watched, "task\nexpect stop\n"), "2:1 WatchdogWithoutNotify");
  EXPECT_EQ(warnings_of_override(watched, "task\nexpect fd 3\n"), "2:1 WatchdogWithoutNotify");
  EXPECT_EQ(warnings_of_override(watched, "expect stop\nexpect watchdog 0\n"), "");
  EXPECT_EQ(warnings_of_override("expect stop\nexpect watchdog 5\n", "task\n"), "");
}

TEST(Warnings, StopWithoutStart) {
  EXPECT_EQ(warnings_of("task\nstop on a\n"), "2:1 StopWithoutStart");
  EXPECT_EQ(warnings_of("manual\nstop on a\n"), "");
}

TEST(Warnings, OperatorsOfBothKindsSideBySide) {
  EXPECT_EQ(warnings_of("start on a and b or c and d\n"), "1:18 MixedOperators");
  EXPECT_EQ(warnings_of("start on a and b or c or d\n"), "1:18 MixedOperators") << "told once";
  EXPECT_EQ(warnings_of("start on x or (a or b and c) or y\n"), "1:23 MixedOperators");
  EXPECT_EQ(warnings_of("start on a and b and (c or d or e)\n"), "");
}

TEST(Warnings, ContinuationThatACarriageReturnBreaks) {
  EXPECT_EQ(warnings_of("exec a \\\r\n"), "1:8 BrokenContinuation");
  EXPECT_EQ(warnings_of("start on a \\\r\nexec a\r\n"), "1:12 BrokenContinuation");
  EXPECT_EQ(warnings_of("script\r\n a \\\r\n b\r\nend script\r\n"), "");
  EXPECT_EQ(warnings_of("exec a \\\n b\r\n"), "");
}

TEST(Warnings, BlockThatAnotherSwallows) {
  EXPECT_EQ(warnings_of("script\n x\nendscript\npre-start script\n y\nend script\n"),
            "3:1 SwallowedStanza");
  EXPECT_EQ(warnings_of("script\n x\npre-start script\n y\nend script\n"), "3:1 SwallowedStanza");
  EXPECT_EQ(warnings_of("script\n x\n # end of the script\nend script\n"), "");
}

TEST(Warnings, StanzaThatAQuoteSwallows) {
  EXPECT_EQ(warnings_of("author it's\n  respawn\nstart on a\nversion don't\n"),
            "2:1 SwallowedStanza");
  EXPECT_EQ(warnings_of("exec a it's\nexpect fork\nenv A=don't\n"), "2:1 SwallowedStanza");
  EXPECT_EQ(warnings_of("exec sh -c '\n  cd x\n  exec y\n  start-it\n'\n"), "");
  EXPECT_EQ(warnings_of("author it's\nversion don't\nrespawn\n"), "") << "behind the quote";
}

TEST(Warnings, VariableThatWillNotExpand) {
  EXPECT_EQ(warnings_of("env A=1\nenv PATH=/opt:$PATH\n"), "2:5 UnexpandedVariable");
  EXPECT_EQ(warnings_of("env A=${B}\nenv $C=1\nenv D=5$\nenv E='$1'\nenv F\n"),
            "1:5 UnexpandedVariable");
}

TEST(Warnings, AreInTheOrderOfTheirPlaces) {
  EXPECT_EQ(warnings_of("respawn limit 1 2\nenv A=$B\nexec a\nexec b\nstop on c\n"),
            "1:1 LimitWithoutRespawn, 2:5 UnexpandedVariable, 4:1 DuplicateStanza, "
            "5:1 StopWithoutStart");
}

TEST(Warnings, AreBoundedInNumber) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "env A=$B\nexec x\n";
  EXPECT_EQ(parse_job(text)->warnings.size(), kMaxDiagnostics);
}

TEST(Warnings, OfAnOverrideAreAboutItsOwnStanzas) {
  EXPECT_EQ(warnings_of_override("start on a\nexec a\nstop on b\n", "start on c\nexec d\n"), "");
  EXPECT_EQ(warnings_of_override("start on a\nstop on b\n", "manual\n"), "");
  EXPECT_EQ(warnings_of_override("respawn\n", "respawn limit 3 4\n"), "");
  EXPECT_EQ(warnings_of_override("expect fork\n", "task\nscript\nend script\n"),
            "2:1 ExpectWithScript");
  EXPECT_EQ(warnings_of_override("exec a\nexec b\n", "task\n"), "");
}

}  // namespace
}  // namespace upkeep::conf
