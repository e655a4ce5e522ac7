#include "check/job_json.h"

#include <gtest/gtest.h>

#include "conf/parser.h"

namespace upkeep::check {
namespace {

std::string json(std::string_view text) {
  std::string out;
  JsonWriter writer(out);
  write_job(writer, conf::parse_job(text).value().definition);
  return out;
}

TEST(JobJson, OnlyWhatIsSet) {
  EXPECT_EQ(json(""), "{}");
  EXPECT_EQ(json("start on a\nmanual\n"), "{}");
  EXPECT_EQ(json("kill timeout 5\nexpect none\nkill signal TERM\nreload signal HUP\n"),
            R"({"expect":"none","kill_timeout":5,"kill_signal":15,"reload_signal":1})");
  EXPECT_EQ(json("respawn limit 10 5\n"), R"({"respawn_limit":{"count":10,"interval":5}})");
}

TEST(JobJson, ReadinessAndKilling) {
  EXPECT_EQ(json("expect fd 7\nexpect timeout 0\nexpect watchdog 30\nkill mode tree\n"),
            R"({"expect":"fd","expect_fd":7,"expect_timeout":0,"watchdog":30,"kill_mode":"tree"})");
  EXPECT_EQ(json("expect fd 7\nexpect notify\n"), R"({"expect":"notify"})");
  EXPECT_EQ(json("kill mode group\nkill signal INT\nexpect auto\n"),
            R"({"expect":"auto","kill_signal":2,"kill_mode":"group"})");
  EXPECT_EQ(json("expect timeout 5\n"), R"({"expect_timeout":5})");
}

TEST(JobJson, Conditions) {
  EXPECT_EQ(json("start on a X=1 Y!=2 or b and c\n"),
            R"({"start_on":{"and":[{"or":[{"event":"a","args":["X=1","Y!=2"]},)"
            R"({"event":"b","args":[]}]},{"event":"c","args":[]}]}})");
  EXPECT_EQ(json("stop on x\n"), R"({"stop_on":{"event":"x","args":[]}})");
}

TEST(JobJson, ProcessesAndWhatSystemdTmpfilesRuns) {
  EXPECT_EQ(json("exec a b\npost-stop script\n  c\nend script\napparmor load p\n"),
            R"({"processes":{"main":{"exec":"a b"},"post-stop":{"script":"c\n"},)"
            R"("security":{"exec":"/sbin/apparmor_parser -r -W p"}}})");
  EXPECT_EQ(json("import A B\ntmpfiles x y\n"), R"({"import":["A","B"],"tmpfiles":["x","y"]})");
}

TEST(JobJson, Numbers) {
  EXPECT_EQ(json("umask 2\n"), R"({"umask":"002"})");
  EXPECT_EQ(json("umask 0777\nnice -5\noom never\n"),
            R"({"umask":"777","nice":-5,"oom_score":-1000})");
  EXPECT_EQ(json("normal exit 0 3 TERM\n"), R"({"normal_exit":[0,3,3840]})");
  EXPECT_EQ(json("limit nofile 10 unlimited\nlimit core -1 -2\n"),
            R"({"limits":{"nofile":{"soft":10,"hard":"unlimited"},)"
            R"("core":{"soft":"unlimited","hard":18446744073709551614}}})");
}

TEST(JobJson, Cgroups) {
  EXPECT_EQ(json("cgroup cpu\ncgroup memory limit 5\ncgroup blkio n k v\n"),
            R"({"cgroups":[{"controller":"cpu","name":"$UPSTART_CGROUP"},)"
            R"({"controller":"memory","name":"$UPSTART_CGROUP","key":"limit","value":"5"},)"
            R"({"controller":"blkio","name":"n","key":"k","value":"v"}]})");
}

TEST(JobJson, Diagnostics) {
  std::string out;
  JsonWriter writer(out);
  write_diagnostics(writer, std::vector<conf::Diagnostic>{
                                {conf::DiagnosticKind::BadNice, 3, 6, "no \"number\"", {}},
                                {conf::DiagnosticKind::OpenQuote, 9, 1, "m", {{4, 7}}}});
  EXPECT_EQ(out, R"([{"line":3,"column":6,"kind":"BadNice","message":"no \"number\""},)"
                 R"({"line":9,"column":1,"kind":"OpenQuote","message":"m",)"
                 R"("opening":{"line":4,"column":7}}])");
}

}  // namespace
}  // namespace upkeep::check
