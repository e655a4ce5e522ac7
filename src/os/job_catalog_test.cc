// Which definition is used (spec/job-language.md 1.4), without any disk.
#include "os/job_catalog.h"

#include <gtest/gtest.h>

#include "conf/parser.h"

namespace upkeep::os {
namespace {

constexpr auto kConf = JobFileKind::Conf;
constexpr auto kOverride = JobFileKind::Override;

/// Three sources; changes are shown as `+NAME AUTHOR` and `-NAME`.
class JobCatalogTest : public testing::Test {
 protected:
  std::string put(std::size_t source, JobFileKind kind, std::string text) {
    return said(catalog_.put({source, "job", kind}, "/" + std::to_string(source) + "/job",
                             Result<std::string>(std::move(text))));
  }
  std::string put_unreadable(std::size_t source, JobFileKind kind) {
    return said(catalog_.put({source, "job", kind}, "", failure("P: unreadable")));
  }
  static std::string said(const std::vector<JobCatalog::Remark>& remarks) {
    std::string out;
    for (const auto& remark : remarks) {
      EXPECT_EQ(remark.priority == core::Priority::Warning,
                remark.text.find(": warning: ") != std::string::npos);
      out += (out.empty() ? "" : "\n") + remark.text;
    }
    return out;
  }
  void remove(std::size_t source, JobFileKind kind) { catalog_.remove({source, "job", kind}); }

  std::string changes() {
    std::string out;
    for (const auto& change : catalog_.changes()) {
      if (const auto* defined = std::get_if<core::JobDefined>(&change)) {
        out += "+" + defined->definition->name + " " + defined->definition->author.value_or("?");
      } else {
        out += "-" + std::get<core::JobUndefined>(change).job.name;
      }
      out += ";";
    }
    return out;
  }

  JobCatalog catalog_{3};
};

TEST_F(JobCatalogTest, TheStrongestSourceThatParsedWins) {
  put(2, kConf, "author two");
  put(1, kConf, "author one");
  EXPECT_EQ(changes(), "+job one;");
  EXPECT_EQ(put(0, kConf, "author zero\nbogus\n"), "/0/job:2:1: unknown stanza \"bogus\"");
  EXPECT_EQ(changes(), "");
  put(0, kConf, "author zero");
  EXPECT_EQ(changes(), "+job zero;");
  remove(0, kConf);
  EXPECT_EQ(changes(), "+job one;");
  put(1, kConf, "author");
  EXPECT_EQ(changes(), "+job two;");
  remove(2, kConf);
  EXPECT_EQ(changes(), "-job;");
}

TEST_F(JobCatalogTest, OfSeveralErrorsTheFirstIsToldWithTheirNumber) {
  const auto* const told = "/0/job:2:1: unknown stanza \"x\" (2 more, shown by init-checkconf)";
  EXPECT_EQ(put(0, kConf, "task\nx\ny\nz\n"), told);
  EXPECT_EQ(put(0, kConf, "task\nx\ny\nz\n"), told) << "each time it is read";
  std::string many;
  for (std::size_t i = 0; i < conf::kMaxDiagnostics; ++i) many += "x\n";
  EXPECT_TRUE(put(0, kConf, many).ends_with(" (at least 999 more, shown by init-checkconf)"));
}

TEST_F(JobCatalogTest, WarningsAreToldOnceForEachText) {
  const std::string text = "exec a\nexec b\nstop on c\n";
  const std::string told =
      "2:1: warning: \"exec\" replaces the \"exec\" at line 1, which has no effect";
  EXPECT_EQ(put(0, kConf, text), "/0/job:" + told) << "an override may bring the start";
  EXPECT_EQ(put(0, kConf, text), "");
  EXPECT_EQ(put(0, kOverride, text), "/0/job:" + told);
  EXPECT_EQ(put(0, kOverride, text), "");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "exec a\n";
  EXPECT_LT(put(1, kConf, many).size(), 2000U);
}

TEST_F(JobCatalogTest, TheFirstOverrideUpToTheSourceOfTheFileCounts) {
  put(1, kConf, "author conf");
  put(2, kOverride, "author two");
  EXPECT_EQ(changes(), "+job conf;");
  put(1, kOverride, "author one");
  EXPECT_EQ(changes(), "+job one;");
  put(0, kOverride, "author zero");
  EXPECT_EQ(changes(), "+job zero;");
  remove(0, kOverride);
  EXPECT_EQ(changes(), "+job one;");
  remove(1, kOverride);
  EXPECT_EQ(changes(), "+job conf;");
}

TEST_F(JobCatalogTest, AnOverrideAloneIsNoJob) {
  put(0, kOverride, "author zero");
  EXPECT_EQ(changes(), "");
  put(0, kConf, "bogus");
  EXPECT_EQ(changes(), "");
  put(0, kConf, "author conf");
  EXPECT_EQ(changes(), "+job zero;");
}

TEST_F(JobCatalogTest, ABrokenOverrideIsIgnoredAsAWholeAndHidesOthers) {
  put(1, kConf, "author conf");
  put(1, kOverride, "author one");
  EXPECT_EQ(put(0, kOverride, "author zero\ntask now\n"),
            "/0/job:2:6: unexpected \"now\": \"task\" takes no argument");
  EXPECT_EQ(changes(), "+job conf;");
  EXPECT_EQ(put_unreadable(0, kOverride), "P: unreadable");
  EXPECT_EQ(changes(), "");
}

TEST_F(JobCatalogTest, AFileThatCannotBeReadDefinesNothing) {
  put(0, kConf, "author zero");
  EXPECT_EQ(changes(), "+job zero;");
  EXPECT_EQ(put_unreadable(0, kConf), "P: unreadable");
  EXPECT_EQ(changes(), "-job;");
  put(0, kConf, "");  // readable again, and empty
  EXPECT_EQ(changes(), "+job ?;");
}

TEST_F(JobCatalogTest, WhatHasNotChangedIsNotReported) {
  put(0, kConf, "author conf");
  put(0, kOverride, "author over");
  EXPECT_EQ(changes(), "+job over;");
  put(0, kConf, "author conf");
  put(0, kOverride, "author over");
  EXPECT_EQ(changes(), "");
  put(0, kConf, "author conf # edited");
  EXPECT_EQ(changes(), "+job over;");
}

TEST_F(JobCatalogTest, AProblemIsToldEachTimeTheFileIsRead) {
  EXPECT_NE(put(0, kConf, "bogus"), "");
  EXPECT_NE(put(0, kConf, "bogus"), "");
}

TEST_F(JobCatalogTest, AWalkRemovesWhatItDidNotMeet) {
  put(0, kConf, "author zero");
  put(1, kConf, "author one");
  put(0, kOverride, "author over");
  EXPECT_EQ(changes(), "+job over;");
  catalog_.start_walk();
  put(0, kConf, "author zero");
  catalog_.end_walk();
  EXPECT_EQ(changes(), "+job zero;");
  catalog_.start_walk();
  catalog_.keep({0, "job", kConf});
  catalog_.end_walk();
  EXPECT_EQ(changes(), "");
  catalog_.start_walk();
  catalog_.end_walk();
  EXPECT_EQ(changes(), "-job;");
}

TEST_F(JobCatalogTest, ADirectoryTakesWhatIsBelowItInItsSourceOnly) {
  for (const auto* name : {"net", "net/eth", "net/a/b", "network"}) {
    (void)catalog_.put({0, name, kConf}, "", std::string());
  }
  (void)catalog_.put({1, "net/eth", kConf}, "", std::string("author one"));
  (void)changes();
  catalog_.remove_below({0, "net"});
  EXPECT_EQ(changes(), "-net/a/b;+net/eth one;");
}

TEST_F(JobCatalogTest, TheDefinitionKnowsItsNameAndFile) {
  (void)catalog_.put({0, "net/eth", kConf}, "/etc/init/net/eth.conf", std::string());
  const auto all = catalog_.changes();
  ASSERT_EQ(all.size(), 1U);
  const auto& definition = *std::get<core::JobDefined>(all[0]).definition;
  EXPECT_EQ(definition.name, "net/eth");
  EXPECT_EQ(definition.path, "/etc/init/net/eth.conf");
}

}  // namespace
}  // namespace upkeep::os
