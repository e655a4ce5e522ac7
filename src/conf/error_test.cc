// Every kind of error with its line and column, and the words of some.
#include <gtest/gtest.h>

#include "conf/parser.h"

namespace upkeep::conf {
namespace {

using Kind = DiagnosticKind;

struct Case {
  std::string_view text;
  Kind kind;
  int line;
  int column;
};

// clang-format off
const Case kCases[] = {
    // Section 8.
    {"author a\\\n b\n", Kind::ExtraToken, 2, 2},
    {"author \"\"\n", Kind::MissingToken, 1, 8},
    {"author it's\n", Kind::OpenQuote, 2, 1},
    {"author a \\", Kind::ExtraToken, 1, 10},
    {"\"task\"\n", Kind::UnknownStanza, 1, 1},
    {"\\\ntask\n", Kind::UnknownStanza, 2, 5},
    {"bogus \\\n x\n", Kind::UnknownStanza, 2, 2},
    {"env A=b C=d\n", Kind::ExtraToken, 1, 9},
    {"exec it's\n\ntask\n", Kind::OpenQuote, 4, 1},
    {"script\nx\n", Kind::OpenBlock, 3, 1},
    {"script go\nx\nend script\n", Kind::ExtraToken, 1, 8},
    {"pre-start \\\n run\n", Kind::UnknownStanza, 2, 2},
    {"start on (a\n\n and b)\n", Kind::MissingToken, 2, 1},
    {"start on (a\ntask\n", Kind::ParenMismatch, 3, 1},
    {"start on a and\n(b)\n", Kind::MissingEvent, 1, 12},
    {"start on a K=(x)\n", Kind::MissingOperator, 1, 14},
    {"start on a)\n", Kind::ParenMismatch, 1, 11},
    {"start on (a\n K=v\n w)\n", Kind::PositionalAfterNamed, 3, 2},
    {"respawn limit \\\n 5 \\\n x\n", Kind::BadInterval, 3, 2},
    {"respawn limit 5 unlimited\n", Kind::BadInterval, 1, 17},
    {"umask 8\n", Kind::BadUmask, 1, 7},
    {"nice \"5 \"\n", Kind::BadNice, 1, 6},
    {"cgroup a b c d e\n", Kind::ExtraToken, 1, 16},
    {"emits x \"\"\n", Kind::MissingToken, 1, 9},

    // Section 7.3.
    {"chdir\n", Kind::MissingToken, 1, 6},
    {"chdir # x\n", Kind::MissingToken, 1, 7},
    {"chdir \\\n\n", Kind::MissingToken, 2, 1},
    {"exec\n", Kind::MissingToken, 1, 5},
    {"exec # x\n", Kind::MissingToken, 1, 6},
    {"task now\n", Kind::ExtraToken, 1, 6},
    {"author x\\", Kind::DanglingBackslash, 1, 8},
    {"exec a\\", Kind::DanglingBackslash, 1, 6},
    {"export A \\", Kind::DanglingBackslash, 1, 10},
    {"author \"x\\", Kind::DanglingBackslash, 1, 8},
    {"task \\", Kind::ExtraToken, 1, 6},
    {"author \"x\n", Kind::OpenQuote, 2, 1},
    {"author 'x", Kind::OpenQuote, 1, 8},
    {"script\nls\n", Kind::OpenBlock, 3, 1},
    {"script\nls", Kind::OpenBlock, 2, 3},
    {"script", Kind::OpenBlock, 1, 7},
    {"script\nx\nend script foo\nend scripts\nend pre-start script\nEnd script\n", Kind::OpenBlock, 7, 1},
    {"console tty\n", Kind::UnknownStanza, 1, 9},
    {"expect \\\n forks\n", Kind::UnknownStanza, 2, 2},
    {"limit rttime 1 2\n", Kind::UnknownStanza, 1, 7},
    {"kill \"timeout\" 5\n", Kind::UnknownStanza, 1, 6},
    {"respawn /bin/x\n", Kind::UnknownStanza, 1, 9},
    {"apparmor unload x\n", Kind::UnknownStanza, 1, 10},
    {"reload now\n", Kind::UnknownStanza, 1, 8},
    {"normal exits 1\n", Kind::UnknownStanza, 1, 8},
    {"start on(a)\n", Kind::UnknownStanza, 1, 7},
    {"manual foo\n", Kind::UnknownStanza, 1, 8},
    {"\xEF\xBB\xBFtask\n", Kind::UnknownStanza, 1, 1},
    {"author\\\nx\n", Kind::UnknownStanza, 2, 2},
    {"\\\n", Kind::UnknownStanza, 2, 1},
    {"kill timeout 2s\n", Kind::BadInterval, 1, 14},
    {"kill timeout -1\n", Kind::BadInterval, 1, 14},
    {"kill timeout 9223372036854775808\n", Kind::BadInterval, 1, 14},
    {"normal exit ok\n", Kind::BadExitStatus, 1, 13},
    {"normal exit 0 \\\n -1 \\\n\n", Kind::BadExitStatus, 2, 2},
    {"kill signal term\n", Kind::BadSignal, 1, 13},
    {"reload signal 2147483648\n", Kind::BadSignal, 1, 15},
    {"umask 1777\n", Kind::BadUmask, 1, 7},
    {"umask -1\n", Kind::BadUmask, 1, 7},
    {"umask 40000000000\n", Kind::BadUmask, 1, 7},
    {"nice 42\n", Kind::BadNice, 1, 6},
    {"nice 4294967296\n", Kind::BadNice, 1, 6},
    {"nice 0x1\n", Kind::BadNice, 1, 6},
    {"nice +\n", Kind::BadNice, 1, 6},
    {"nice \" \"\n", Kind::BadNice, 1, 6},
    {"oom score max\n", Kind::BadOom, 1, 11},
    {"oom score 1001\n", Kind::BadOom, 1, 11},
    {"oom 16\n", Kind::BadOom, 1, 5},
    {"oom sometimes\n", Kind::BadOom, 1, 5},
    {"limit core 1k 2k\n", Kind::BadLimit, 1, 12},
    {"limit core 1 \\\n 2k\n", Kind::BadLimit, 2, 2},
    {"limit core 1\n", Kind::MissingToken, 1, 13},
    {"respawn limit many 5\n", Kind::BadLimit, 1, 15},
    {"respawn limit 4294967297 5\n", Kind::BadLimit, 1, 15},
    {"respawn limit -1 5\n", Kind::BadLimit, 1, 15},
    {"respawn limit unlimited 5\n", Kind::ExtraToken, 1, 25},
    {"stop on or b\n", Kind::MissingEvent, 1, 9},
    {"author \"\"\\\n\n", Kind::MissingToken, 2, 1},

    // What Upstart does not have.
    {"expect\n", Kind::MissingToken, 1, 7},
    {"expect auto now\n", Kind::ExtraToken, 1, 13},
    {"expect notify 5\n", Kind::ExtraToken, 1, 15},
    {"expect Notify\n", Kind::UnknownStanza, 1, 8},
    {"expect fd\n", Kind::MissingToken, 1, 10},
    {"expect fd \"\"\n", Kind::MissingToken, 1, 11},
    {"expect fd 2\n", Kind::BadDescriptor, 1, 11},
    {"expect fd -3\n", Kind::BadDescriptor, 1, 11},
    {"expect fd 9\n", Kind::BadDescriptor, 1, 11},
    {"expect fd \\\n 1024\n", Kind::BadDescriptor, 2, 2},
    {"expect fd 4294967299\n", Kind::BadDescriptor, 1, 11},
    {"expect fd 99999999999999999999\n", Kind::BadDescriptor, 1, 11},
    {"expect fd '3 '\n", Kind::BadDescriptor, 1, 11},
    {"expect fd three\n", Kind::BadDescriptor, 1, 11},
    {"expect fd 3 4\n", Kind::ExtraToken, 1, 13},
    {"expect timeout\n", Kind::MissingToken, 1, 15},
    {"expect timeout 2s\n", Kind::BadInterval, 1, 16},
    {"expect timeout -1\n", Kind::BadInterval, 1, 16},
    {"expect timeout 2147483648\n", Kind::BadInterval, 1, 16},
    {"expect timeout 5 6\n", Kind::ExtraToken, 1, 18},
    {"expect watchdog # x\n", Kind::MissingToken, 1, 17},
    {"expect watchdog never\n", Kind::BadInterval, 1, 17},
    {"expect watchdog \\\n -1\n", Kind::BadInterval, 2, 2},
    {"expect watchdog 2147483648\n", Kind::BadInterval, 1, 17},
    {"expect watchdog 18446744073709551617\n", Kind::BadInterval, 1, 17},
    {"kill mode\n", Kind::MissingToken, 1, 10},
    {"kill mode all\n", Kind::UnknownStanza, 1, 11},
    {"kill mode tree main\n", Kind::ExtraToken, 1, 16},
    {"kill \"mode\" tree\n", Kind::UnknownStanza, 1, 6},
    {"kill\n", Kind::MissingToken, 1, 5},

    // Section 4.2.
    {"start on\n", Kind::MissingToken, 1, 9},
    {"start on \\\n # x\n", Kind::MissingToken, 2, 2},
    {"start on a \"\"\n", Kind::MissingToken, 1, 12},
    {"start on (a\n # x\n b)\n", Kind::MissingToken, 2, 2},
    {"start on ()\n", Kind::MissingEvent, 1, 11},
    {"start on (\n)\n", Kind::MissingEvent, 2, 1},
    {"start on (a and\n or b)\n", Kind::MissingEvent, 2, 2},
    {"start on (a and\n )\n", Kind::MissingEvent, 2, 2},
    {"start on (and a)\n", Kind::MissingEvent, 1, 11},
    {"start on (a and\n", Kind::MissingEvent, 1, 13},
    {"start on (a or\n(\n", Kind::MissingEvent, 2, 1},
    {"start on a (b)\n", Kind::MissingOperator, 1, 12},
    {"start on (a) (b)\n", Kind::MissingOperator, 1, 14},
    {"start on (a) b\n", Kind::MissingOperator, 1, 14},
    {"start on ((a) b\n c\n and d)\n", Kind::MissingOperator, 3, 2},
    {"start on ((a) b\n c\n)\n", Kind::MissingOperator, 3, 1},
    {"start on (a) b c\n", Kind::MissingOperator, 1, 16},
    {"start on )\n", Kind::ParenMismatch, 1, 10},
    {"start on (a) and b)\n", Kind::ParenMismatch, 1, 19},
    {"start on (a", Kind::ParenMismatch, 1, 12},
    {"start on (a # x", Kind::ParenMismatch, 1, 16},
    {"start on a K=v w \\\n\n", Kind::PositionalAfterNamed, 2, 1},
    {"start on (a\n) b\n", Kind::MissingOperator, 2, 3},
};
// clang-format on

TEST(ParserErrors, HaveTheirKindAndPlace) {
  for (const auto& example : kCases) {
    const auto job = parse_job(example.text);
    ASSERT_FALSE(job) << example.text;
    const auto& error = job.error().front();
    EXPECT_EQ(to_string(error.kind), to_string(example.kind)) << example.text;
    EXPECT_EQ(error.line, example.line) << example.text << error.message;
    EXPECT_EQ(error.column, example.column) << example.text << error.message;
  }
}

std::string shown(std::string_view text) {
  const auto job = parse_job(text);
  return job ? "valid" : format_diagnostic("/etc/init/x.conf", job.error().front());
}

TEST(ParserErrors, SayWhatWasFoundAndWhatWasExpected) {
  EXPECT_EQ(shown("descripton x\n"),
            "/etc/init/x.conf:1:1: unknown stanza \"descripton\", did you mean \"description\"?");
  EXPECT_EQ(
      shown("kill tiemout 5\n"),
      "/etc/init/x.conf:1:6: expected \"timeout\", \"signal\" or \"mode\" after \"kill\", found "
      "\"tiemout\", did you mean \"timeout\"?");
  EXPECT_EQ(
      shown("expect fd 9\n"),
      "/etc/init/x.conf:1:11: expected a descriptor from 3 to 1023 other than 9 after \"expect "
      "fd\", found \"9\"");
  EXPECT_EQ(shown("expect timeout 1m\n"),
            "/etc/init/x.conf:1:16: expected a whole number of seconds up to 2147483647 after "
            "\"expect timeout\", found \"1m\"");
  EXPECT_EQ(shown("expect watchdog 5 s\n"),
            "/etc/init/x.conf:1:19: unexpected \"s\": \"expect watchdog\" takes one number");
  EXPECT_EQ(
      shown("expect notfiy\n"),
      "/etc/init/x.conf:1:8: expected \"stop\", \"daemon\", \"fork\", \"none\", \"auto\", "
      "\"notify\", \"fd\", \"timeout\" or \"watchdog\" after \"expect\", found \"notfiy\", did "
      "you mean \"notify\"?");
  EXPECT_EQ(shown("kill mode tee\n"),
            "/etc/init/x.conf:1:11: expected \"group\", \"main\" or \"tree\" after \"kill mode\", "
            "found \"tee\", did you mean \"tree\"?");
  EXPECT_EQ(shown("frobnicate\n"), "/etc/init/x.conf:1:1: unknown stanza \"frobnicate\"");
  EXPECT_EQ(shown("chdir \"\"\n"),
            "/etc/init/x.conf:1:7: expected a directory after \"chdir\", found empty quotes");
  EXPECT_EQ(shown("start on(a)\n"),
            "/etc/init/x.conf:1:7: expected \"on\" after \"start\", found \"on(a)\"; put a blank "
            "before \"(\"");
}

TEST(ParserErrors, PointBackAtWhatWasNeverClosed) {
  EXPECT_EQ(shown("task\nexec echo it's\nx\n"),
            "/etc/init/x.conf:4:1: the quote at line 2, column 13 is never closed");
  EXPECT_EQ(shown("start on (a\n and (b)\n or x"),
            "/etc/init/x.conf:3:6: the \"(\" at line 1, column 10 is never closed");
  EXPECT_EQ(shown("script\n x\nend scripts\nend script;\n"),
            "/etc/init/x.conf:5:1: the script at line 1 has no \"end script\"; line 3 is not "
            "exactly that");
}

TEST(ParserErrors, ShowPathsThatATerminalCannotObey) {
  EXPECT_EQ(format_diagnostic("/a\x1b", {.kind = Kind::ExtraToken, .message = "m", .opening = {}}),
            "/a\\x1b:1:1: m");
}

}  // namespace
}  // namespace upkeep::conf
