// All that is wrong with a file is told in one go, and told so that a person sees it.
#include <algorithm>
#include <ctime>
#include <string>

#include <gtest/gtest.h>

#include "conf/parser.h"

namespace upkeep::conf {
namespace {

using Kind = DiagnosticKind;

/// `LINE:COLUMN Kind` of every error, separated by blanks.
std::string errors_of(std::string_view text) {
  const auto job = parse_job(text);
  if (job) return "valid";
  std::string out;
  for (const auto& error : job.error()) {
    if (!out.empty()) out += ", ";
    out += std::to_string(error.line) + ":" + std::to_string(error.column) + " " +
           std::string(to_string(error.kind));
  }
  return out;
}

std::string first_message(std::string_view text) {
  const auto job = parse_job(text);
  return job ? "valid" : job.error().front().message;
}

TEST(Recovery, GoesOnAfterEachKindOfMistakeWithinALine) {
  EXPECT_EQ(errors_of("bogus\nnice 42\ntask now\nchdir\nkill timeout x\nexec ok\n"),
            "1:1 UnknownStanza, 2:6 BadNice, 3:6 ExtraToken, 4:6 MissingToken, 5:14 BadInterval");
}

TEST(Recovery, LeavesOutTheLinesThatContinueADamagedOne) {
  EXPECT_EQ(errors_of("bogus a \\\n b \\\n c\nnice 42\n"), "1:1 UnknownStanza, 4:6 BadNice");
  EXPECT_EQ(errors_of("nice 42 \\\n x\nbogus\n"), "1:6 BadNice, 3:1 UnknownStanza");
  EXPECT_EQ(errors_of("bogus # no continuation \\\nbogus\n"),
            "1:1 UnknownStanza, 2:1 UnknownStanza");
}

TEST(Recovery, AnOpenQuoteHidesNothingBehindIt) {
  EXPECT_EQ(errors_of("exec say it's\nrespwan\nnice 42\n"),
            "4:1 OpenQuote, 2:1 UnknownStanza, 3:6 BadNice");
  EXPECT_EQ(errors_of("author a \\\n \"b\nbogus\n"), "2:2 ExtraToken, 3:1 UnknownStanza");
}

TEST(Recovery, AnOpenParenthesisHidesNothingBehindIt) {
  EXPECT_EQ(errors_of("start on (a\n and b\nnice 42\nexec x\n"), "5:1 ParenMismatch, 3:6 BadNice");
  EXPECT_EQ(errors_of("start on (a or\n or b)\nnice 42\n"), "2:2 MissingEvent, 3:6 BadNice");
  EXPECT_EQ(errors_of("start on (a\n\nand b)\nnice 42\n"), "2:1 MissingToken, 4:6 BadNice");
  EXPECT_EQ(errors_of("stop on (a\nexec it's\nnice 42\n"),
            "4:1 OpenQuote, 3:6 BadNice");  // the quote is told of once
}

TEST(Recovery, AConditionDamagesNoMoreThanItsOwnLines) {
  EXPECT_EQ(errors_of("start on a or\ndecription x\nscrpt\n ls\nend script\nnice 42\n"),
            "1:12 MissingEvent, 2:1 UnknownStanza, 3:1 UnknownStanza, 6:6 BadNice");
  EXPECT_EQ(errors_of("stop on (a))\ndecription x\n"), "1:12 ParenMismatch, 2:1 UnknownStanza");
  EXPECT_EQ(errors_of("start on or a\n  and b\n  or (c\n  d)\nbogus\n"),
            "1:10 MissingEvent, 5:1 UnknownStanza");
  EXPECT_EQ(errors_of("start on (a or or\n  started b\n  stopped c)\nbogus\n"),
            "1:16 MissingEvent, 4:1 UnknownStanza");
  EXPECT_EQ(errors_of("start on (a or or\ndecription x\n"), "1:16 MissingEvent, 2:1 UnknownStanza");
  EXPECT_EQ(errors_of("start on a or or \\\n  b\nbogus\n"), "1:15 MissingEvent, 3:1 UnknownStanza");
}

TEST(Recovery, WhatStandsInAScriptIsNoStanza) {
  EXPECT_EQ(errors_of("pre-start\tscrpit\n\tmkdir -p /x\n\tend script\nnice 42\n"),
            "1:11 UnknownStanza, 4:6 BadNice");
  EXPECT_EQ(errors_of("scirpt\n ls\nend script\nnice 42\n"), "1:1 UnknownStanza, 4:6 BadNice");
  EXPECT_EQ(errors_of("pre-start scrpt\n ls\nend script\nnice 42\n"),
            "1:11 UnknownStanza, 4:6 BadNice");
  EXPECT_EQ(errors_of("script now\n ls\nend script\nnice 42\n"), "1:8 ExtraToken, 4:6 BadNice");
  EXPECT_EQ(errors_of("scirpt\nscript\n ls\nend script\n"), "1:1 UnknownStanza");
  EXPECT_EQ(errors_of("scirpt\npre-stop script\n ls\nend script\nnice 42\n"),
            "1:1 UnknownStanza, 5:6 BadNice");
  EXPECT_EQ(errors_of("scirpt\nnice 42\n"), "1:1 UnknownStanza, 2:6 BadNice");
  EXPECT_EQ(errors_of("scirpt\nnice 42\nscript\n ls\nend script\n"),
            "1:1 UnknownStanza, 2:6 BadNice");
}

TEST(Recovery, AnOpenScriptEndsWhereItWasPerhapsMeantTo) {
  EXPECT_EQ(errors_of("script\n ls\nend script;\nnice 42\n"), "5:1 OpenBlock, 4:6 BadNice");
  EXPECT_EQ(errors_of("script\n ls\nnice 42\n"), "4:1 OpenBlock");
  for (const std::string end : {"endscript", "end-script", "End Script", "end scirpt",
                                "end  script.", "end pre-start script", "end_script"}) {
    EXPECT_EQ(errors_of("script\n ls\n" + end + "\nnice 42\n"), "5:1 OpenBlock, 4:6 BadNice")
        << end;
  }
  for (const std::string line :
       {"endpoint=/srv/scripts/x", "end", "ending the script here", "ends"}) {
    EXPECT_EQ(errors_of("script\n ls\n" + line + "\nnice 42\n"), "5:1 OpenBlock") << line;
  }
}

TEST(Recovery, ManyErrorsAreBoundedInNumber) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "bogus\n";
  EXPECT_EQ(parse_job(text).error().size(), kMaxDiagnostics);
}

/// Each error makes the reader look at much of the file again. A careless one takes minutes.
TEST(Recovery, TimeIsBoundedWhereEachErrorIsSearchedAround) {
  const auto start = std::clock();
  for (const std::string_view line :
       {"exec 'a\nexec \"b\n", "start on (a\n", "start on (\n", "scrpt\n"}) {
    std::string text;
    while (text.size() + line.size() <= kMaxJobFileBytes) text += line;
    EXPECT_FALSE(parse_job(text));
  }
  std::string late(kMaxJobFileBytes - 20'000, '\n');
  while (late.size() + 12 <= kMaxJobFileBytes) late += "start on or\n";
  EXPECT_EQ(parse_job(late).error().size(), kMaxDiagnostics) << "however far behind they stand";
  EXPECT_LT(std::clock() - start, 30 * CLOCKS_PER_SEC);
}

TEST(Recovery, AnErrorBehindABrokenContinuationSaysWhereItComesFrom) {
  const auto job = parse_job("exec foo \\\r\n  --bar\r\nbogus\r\n");
  ASSERT_EQ(job.error().size(), 2U);
  EXPECT_EQ(job.error()[0].message,
            "unknown stanza \"--bar\"; line 1 does not go on here: a carriage return follows its "
            "backslash");
  EXPECT_EQ(job.error()[1].message, "unknown stanza \"bogus\"");

  const auto again = first_message("start on (a\nstart on b '\\\r\n");
  const auto first = again.find("does not go on here");
  EXPECT_NE(first, std::string::npos) << again;
  EXPECT_EQ(again.find("does not go on here", first + 1), std::string::npos) << again;
}

TEST(Messages, KnowWhatPeopleWrite) {
  const auto ends = [](const std::string& text, std::string_view end) {
    const auto message = first_message(text);
    EXPECT_TRUE(message.ends_with(end)) << message;
  };
  ends("start on a\n  and b\n", "only inside parentheses, or after a backslash");
  ends("if true; then\n", "shell commands belong between \"script\" and \"end script\"");
  ends("Description=Web\n", "; write \"description\" and a blank, without \"=\"");
  ends("ExecStart=/x\n", "unknown stanza \"ExecStart=/x\"");
  ends("author \xE2\x80\x9Cmy self\xE2\x80\x9D\n", "; only \" and ' are quotes");
  ends("PORT=80\n", "to set a variable, write \"env\" before it");
  ends("[Service]\n", "sections are for systemd, a job file has none");
  ends("start-on a\n", "did you mean \"start on\"?");
  ends("user www\n", "did you mean \"setuid\"?");
  ends("EXEC a\n", "did you mean \"exec\"?");
  ends("Desciption a\n", "did you mean \"description\"?");
  ends("kill signal sigterm\n", "found \"sigterm\"; did you mean \"SIGTERM\"?");
  ends("normal exit 0 term\n", "found \"term\"; did you mean \"TERM\"?");
  ends("kill signal soon\n", "found \"soon\"");
  ends("oom score adj\n", "after \"oom score\", found \"adj\"");
}

TEST(Messages, SuspectAQuoteThatGoesOverALine) {
  const auto at = [](std::string_view text) {
    const auto message = first_message(text);
    const auto found = message.find("; the quote at ");
    return found == std::string::npos ? "none in: " + message : message.substr(found);
  };
  const std::string suspicion = " goes on to another line, is it meant to?";
  EXPECT_EQ(at("task\nsetuid \"www data\nrespawn\nexec bar \"a b\" c\n"),
            "; the quote at line 2, column 8" + suspicion);
  EXPECT_EQ(at("env A='x\ny' z\n"), "; the quote at line 1, column 7" + suspicion);
  EXPECT_EQ(at("author \"a\nb\"\nnice 42\n").substr(0, 4), "none") << "another stanza";
}

// --- How it looks --------------------------------------------------------------------------------

std::string shown(std::string_view text) {
  const auto job = parse_job(text);
  std::string out;
  for (const auto& one : job ? job->warnings : job.error()) {
    out += show_diagnostic("web.conf", text, one, Colour::No);
  }
  return out;
}

TEST(Shown, ErrorWithItsLineAndACaret) {
  EXPECT_EQ(
      shown("task\nkill tiemout 5\n"),
      "web.conf:2:6: error: expected \"timeout\", \"signal\" or \"mode\" after \"kill\", found "
      "\"tiemout\", did you mean \"timeout\"?\n"
      "    2 | kill tiemout 5\n"
      "      |      ^\n");
}

TEST(Shown, WarningSaysSo) {
  EXPECT_EQ(shown("exec a\nexec b\n"),
            "web.conf:2:1: warning: \"exec\" replaces the \"exec\" at line 1, which has no effect\n"
            "    2 | exec b\n"
            "      | ^\n");
}

TEST(Shown, WhereItWasOpenedIfItWasNeverClosed) {
  EXPECT_EQ(shown("exec say it's\ntask\n"),
            "web.conf:3:1: error: the quote at line 1, column 12 is never closed\n"
            "    1 | exec say it's\n"
            "      |            ^\n");
}

TEST(Shown, ThatAParenthesisHasSwallowedTheLine) {
  const auto text = shown("start on (a\nexec it's\n");
  EXPECT_NE(text.find("error: the \"(\" at line 1, column 10 is still open here: the quote at "),
            std::string::npos)
      << text;
}

TEST(Shown, NoOpenParenthesisThatStandsInTheSameLine) {
  EXPECT_EQ(first_message("start on (a and or b)\n"), "an event is missing before \"or\"");
}

TEST(Shown, CaretStandsBelowItsCharacter) {
  EXPECT_EQ(
      shown("author \"\xC3\xA4\xE2\x82\xAC\" x\n"),
      "web.conf:1:16: error: unexpected \"x\": \"author\" takes one value; put quotes around a "
      "value with blanks\n"
      "    1 | author \"\xC3\xA4\xE2\x82\xAC\" x\n"
      "      |             ^\n");
  EXPECT_NE(shown("\tnice\t42\n").find("    1 |  nice 42\n      |       ^\n"), std::string::npos);
}

TEST(Shown, NothingThatATerminalObeysAndNoMoreThanALine) {
  const auto control = shown("author \x1b[31m\x07\xff\xc2\x9b x\n");
  EXPECT_TRUE(std::ranges::none_of(control, [](char c) { return c >= 0 && c < ' ' && c != '\n'; }));
  EXPECT_NE(control.find("author ?[31m??? x"), std::string::npos) << control;
  const auto wide =
      shown("author " + std::string(5000, 'a') + " x" + std::string(5000, 'b') + "\n");
  EXPECT_LT(wide.size(), 500U);
  EXPECT_NE(wide.find("| ...aaa"), std::string::npos);
  EXPECT_NE(wide.find("bbb...\n"), std::string::npos);
}

TEST(Shown, ColourOnlyOnDemand) {
  const Diagnostic error{Kind::BadNice, 1, 6, "bad", {}};
  const auto text = show_diagnostic("x", "nice 42\n", error, Colour::Yes);
  EXPECT_EQ(text,
            "x:1:6: \x1b[1;31merror:\x1b[0m bad\n"
            "    1 | nice 42\n"
            "      |      \x1b[1;32m^\x1b[0m\n");
  EXPECT_EQ(show_diagnostic("x", "nice 42\n", error, Colour::No).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace upkeep::conf
