// Real directories and a real event loop. "Nothing happens" is shown by a later change that does:
// events arrive in order.
#include "os/job_files.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/parser.h"

namespace upkeep::os {
namespace {

namespace fs = std::filesystem;
using core::Priority;

class JobFilesTest : public testing::Test {
 protected:
  JobFilesTest() {
    auto name = (fs::temp_directory_path() / "upkeep-job-files-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    EXPECT_EQ(::chmod(root_.c_str(), 0755), 0);  // one test reads as another user
    fs::create_directory(top());
    sd_event* loop = nullptr;
    EXPECT_GE(sd_event_new(&loop), 0);
    loop_.reset(loop);
  }
  void TearDown() override {
    files_.reset();
    fs::remove_all(root_);
  }

  [[nodiscard]] fs::path top() const { return root_ / "init"; }
  [[nodiscard]] fs::path weaker() const { return root_ / "weaker"; }

  static void write(const fs::path& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
  }

  void load() {
    if (!files_) {
      files_ = std::make_unique<JobFiles>(
          loop_.get(),
          JobFileSources{{top().string(), weaker().string()}, (root_ / "init.conf").string()},
          [this](const core::ConfChange& change) { take(change); },
          [this](Priority priority, const std::string& text) {
            messages_.push_back({priority, text});
          });
    }
    files_->load();
  }

  /// Runs the loop until the condition holds; false after a time in which it always should.
  template <typename Condition>
  [[nodiscard]] bool run_until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      EXPECT_GE(sd_event_run(loop_.get(), 100'000), 0);
    }
    return true;
  }
  [[nodiscard]] bool defined(const std::string& job) const { return jobs_.contains(job); }
  [[nodiscard]] bool wait_for(const std::string& job) {
    return run_until([&] { return defined(job); });
  }
  [[nodiscard]] bool wait_for_author(const std::string& job, const std::string& author) {
    return run_until([&] { return defined(job) && jobs_[job] == author; });
  }
  [[nodiscard]] bool wait_for_end(const std::string& job) {
    return run_until([&] { return !defined(job); });
  }

  /// Returns when all events so far have been acted upon.
  void catch_up() {
    const auto name = "marker" + std::to_string(++markers_);
    write(top() / (name + ".conf"), "");
    ASSERT_TRUE(wait_for(name));
  }

  /// The names of the jobs, markers left out.
  [[nodiscard]] std::string jobs() const {
    std::string out;
    for (const auto& [name, author] : jobs_) {
      if (!name.starts_with("marker")) out += name + " ";
    }
    return out;
  }

  [[nodiscard]] std::size_t messages_about(const std::string& text) const {
    return static_cast<std::size_t>(std::ranges::count_if(messages_, [&](const auto& message) {
      return message.second.find(text) != std::string::npos;
    }));
  }

  fs::path root_;
  std::unique_ptr<sd_event, sd_event* (*)(sd_event*)> loop_{nullptr, &sd_event_unref};
  std::unique_ptr<JobFiles> files_;
  std::map<std::string, std::string> jobs_;  ///< name and author
  std::vector<std::string> changes_;
  std::vector<std::pair<Priority, std::string>> messages_;
  int markers_ = 0;

 private:
  void take(const core::ConfChange& change) {
    if (const auto* defined = std::get_if<core::JobDefined>(&change)) {
      jobs_[defined->definition->name] = defined->definition->author.value_or("");
      changes_.push_back("+" + defined->definition->name);
    } else {
      const auto& name = std::get<core::JobUndefined>(change).job.name;
      EXPECT_EQ(jobs_.erase(name), 1U) << name;
      changes_.push_back("-" + name);
    }
  }
};

// --- Loading -------------------------------------------------------------------------------------

TEST_F(JobFilesTest, LoadsWhatCountsInOrderOfNames) {
  for (const auto* directory : {"CVS", ".git", "old.bak", "d.conf", "net"}) {
    fs::create_directory(top() / directory);
    write(top() / directory / "x.conf", "");
  }
  for (const auto* name : {"b.conf", "a.conf", ".hidden.conf", "a.conf~", "c.CONF", ".conf"}) {
    write(top() / name, "");
  }
  load();
  EXPECT_EQ(changes_, (std::vector<std::string>{"+.hidden", "+a", "+b", "+d.conf/x", "+net/x"}));
  EXPECT_TRUE(messages_.empty());
}

TEST_F(JobFilesTest, TheMasterFileMayHoldCommentsOnly) {
  load();
  EXPECT_TRUE(messages_.empty()) << "it need not exist";
  write(root_ / "init.conf", "# a comment\n\n  # another\n");
  load();
  EXPECT_TRUE(messages_.empty());
  write(root_ / "init.conf", "# a comment\n task\nexec x\n");
  load();
  ASSERT_EQ(messages_.size(), 1U);
  EXPECT_EQ(messages_[0].first, Priority::Error);
  EXPECT_EQ(messages_[0].second, (root_ / "init.conf").string() +
                                     ":2:2: unknown stanza \"task\": this file may hold comments "
                                     "only");
  EXPECT_EQ(jobs(), "");
  fs::remove(root_ / "init.conf");
  fs::create_directory(root_ / "init.conf");
  load();
  EXPECT_EQ(messages_.size(), 1U);
}

TEST_F(JobFilesTest, AMissingSourceIsNoErrorAndOneThatIsNoDirectoryIs) {
  write(weaker(), "");
  fs::remove(top());
  load();
  ASSERT_EQ(messages_.size(), 1U);
  EXPECT_EQ(messages_[0].second, weaker().string() + ": unable to read directory: Not a directory");
}

TEST_F(JobFilesTest, OnlyRegularFilesAreRead) {
  write(root_ / "real", "author real");
  fs::create_symlink(root_ / "real", top() / "link.conf");
  fs::create_symlink("/dev/null", top() / "null.conf");
  fs::create_symlink("/nonexistent", top() / "dangling.conf");
  fs::create_symlink(root_ / "real", top() / "job.override");
  write(top() / "job.conf", "author job");
  ASSERT_EQ(::mkfifo((top() / "fifo.conf").c_str(), 0600), 0);
  fs::create_symlink("fifo.conf", top() / "to-fifo.conf");
  load();
  EXPECT_EQ(jobs(), "job link ");
  EXPECT_EQ(jobs_["job"], "job");
  EXPECT_EQ(jobs_["link"], "real");
  EXPECT_EQ(messages_about("dangling.conf: symbolic link ignored: its target does not exist"), 1U);
  for (const auto& [priority, text] : messages_) EXPECT_LE(priority, Priority::Warning) << text;
}

TEST_F(JobFilesTest, LinksToDirectoriesAreEnteredByNameAndNeverRoundAndRound) {
  fs::create_directories(root_ / "elsewhere/sub");
  write(root_ / "elsewhere/sub/x.conf", "");
  fs::create_directory_symlink(root_ / "elsewhere", top() / "in.conf");
  fs::create_directory_symlink(root_ / "elsewhere", top() / "out");
  fs::create_directory_symlink("../..", root_ / "elsewhere/sub/back.conf");
  fs::create_directory_symlink(".", top() / "self.conf");
  load();
  EXPECT_TRUE(defined("in.conf/sub/x"));
  EXPECT_FALSE(defined("out/sub/x"));
  EXPECT_GE(messages_about("contains itself"), 2U);
}

TEST_F(JobFilesTest, DirectoriesThatMultiplyByLinksComeToAnEnd) {
  fs::path last = top();
  for (int level = 0; level < 30; ++level) {  // 2^30 ways down
    const auto next = root_ / ("level" + std::to_string(level));
    fs::create_directory(next);
    fs::create_directory_symlink(next, last / "l.conf");
    fs::create_directory_symlink(next, last / "r.conf");
    last = next;
  }
  write(top() / "a.conf", "");
  load();
  EXPECT_EQ(messages_about("more than 10000 directories"), 1U);
  EXPECT_TRUE(defined("a"));
}

TEST_F(JobFilesTest, EachBadFileHasOneMessageForEachLoadAndHarmsNoOther) {
  write(top() / "good.conf", "author good");
  write(top() / "broken.conf", "task\n  bogus\n");
  write(top() / "junk.conf", std::string("\x7f"
                                         "ELF\x01\0\0\xff",
                                         8));
  write(top() / "large.conf", std::string(10U << 20, '#'));
  write(top() / "sparse.conf", "");
  fs::resize_file(top() / "sparse.conf", 100ULL << 30);
  write(top() / "good.override", "author \"open");
  for (std::size_t loads = 1; loads <= 2; ++loads) {
    load();
    EXPECT_EQ(jobs(), "good ");
    EXPECT_EQ(messages_.size(), 5 * loads);
    EXPECT_EQ(messages_about(top().string() + "/broken.conf:2:3: unknown stanza"), loads);
    EXPECT_EQ(messages_about("/junk.conf:1:6: "), loads);
    EXPECT_EQ(messages_about("/large.conf: file too large ("), loads);
    EXPECT_EQ(messages_about("/sparse.conf: file too large ("), loads);
    EXPECT_EQ(messages_about("/good.override:1:8: "), loads);
  }
  for (const auto& [priority, text] : messages_) EXPECT_EQ(priority, Priority::Error) << text;
}

TEST_F(JobFilesTest, WhatMayNotBeReadIsSaid) {
  write(top() / "secret.conf", "");
  write(top() / "open.conf", "");
  fs::create_directory(top() / "closed");
  fs::permissions(top() / "secret.conf", fs::perms::none);
  fs::permissions(top() / "closed", fs::perms::none);
  const auto user = ::geteuid();
  ASSERT_EQ(::seteuid(user == 0 ? 65534 : user), 0);  // root may read everything
  load();
  ASSERT_EQ(::seteuid(user), 0);
  EXPECT_EQ(jobs(), "open ");
  EXPECT_EQ(messages_about("/secret.conf: unable to read: Permission denied"), 1U);
  EXPECT_EQ(messages_about("/closed: unable to read directory: Permission denied"), 1U);
  EXPECT_EQ(messages_.size(), 2U);
}

TEST_F(JobFilesTest, TenThousandFilesLoadAndReloadInLinearTime) {
  constexpr int kFiles = 10'000;
  for (int i = 0; i < kFiles; ++i) write(top() / ("job" + std::to_string(i) + ".conf"), "task\n");
  const auto start = std::clock();
  load();
  EXPECT_EQ(jobs_.size(), static_cast<std::size_t>(kFiles));
  load();
  EXPECT_EQ(changes_.size(), static_cast<std::size_t>(kFiles));  // nothing changed, nothing said
  EXPECT_LT(std::clock() - start, 30 * CLOCKS_PER_SEC);
}

// --- Watching ------------------------------------------------------------------------------------

TEST_F(JobFilesTest, FilesComeChangeAndGo) {
  load();
  write(top() / "a.conf", "author one");
  ASSERT_TRUE(wait_for_author("a", "one"));
  write(top() / "a.conf", "author two");
  ASSERT_TRUE(wait_for_author("a", "two"));
  write(top() / "new", "author three");
  fs::rename(top() / "new", top() / "a.conf");
  ASSERT_TRUE(wait_for_author("a", "three"));
  fs::rename(top() / "a.conf", top() / "b.conf");
  ASSERT_TRUE(wait_for_author("b", "three"));
  EXPECT_FALSE(defined("a"));
  write(top() / "b.conf", "bogus");
  ASSERT_TRUE(wait_for_end("b"));
  EXPECT_EQ(messages_about("/b.conf:1:1: unknown stanza"), 1U);
  write(top() / "b.conf", "");
  ASSERT_TRUE(wait_for("b"));
  fs::remove(top() / "b.conf");
  ASSERT_TRUE(wait_for_end("b"));
}

TEST_F(JobFilesTest, AFileIsReadWhenItHasBeenWrittenNotBefore) {
  load();
  std::ofstream half(top() / "half.conf");
  half << "author hal" << std::flush;
  std::ofstream never(top() / "never.conf");
  never << "bogus" << std::flush;
  fs::remove(top() / "never.conf");
  catch_up();
  EXPECT_EQ(jobs(), "");
  half << "f";
  half.close();
  ASSERT_TRUE(wait_for_author("half", "half"));
  never.close();
  catch_up();
  EXPECT_TRUE(messages_.empty());
}

TEST_F(JobFilesTest, ChangesOfAttributesAreNothing) {
  write(top() / "a.conf", "");
  load();
  fs::permissions(top() / "a.conf", fs::perms::owner_all);
  catch_up();
  EXPECT_EQ(changes_, (std::vector<std::string>{"+a", "+marker1"}));
}

TEST_F(JobFilesTest, OverridesComeAndGo) {
  write(top() / "a.conf", "author conf");
  load();
  write(top() / "a.override", "author over");
  ASSERT_TRUE(wait_for_author("a", "over"));
  fs::rename(top() / "a.override", top() / "a.off");
  ASSERT_TRUE(wait_for_author("a", "conf"));
}

TEST_F(JobFilesTest, TheNextSourceStepsIn) {
  fs::create_directory(weaker());
  write(top() / "a.conf", "author first");
  write(weaker() / "a.conf", "author second");
  load();
  EXPECT_EQ(jobs_["a"], "first");
  fs::remove(top() / "a.conf");
  ASSERT_TRUE(wait_for_author("a", "second"));
}

TEST_F(JobFilesTest, OneDirectoryMayBeTwoSources) {
  fs::create_directory_symlink(top(), weaker());
  load();
  write(top() / "a.conf", "author x");
  ASSERT_TRUE(wait_for("a"));
  fs::remove(top() / "a.conf");
  ASSERT_TRUE(wait_for_end("a"));
}

TEST_F(JobFilesTest, NewLinksAreNoticedByThemselves) {
  write(root_ / "real", "author real");
  load();
  fs::create_symlink(root_ / "real", top() / "soft.conf");
  ASSERT_TRUE(wait_for_author("soft", "real"));
  fs::create_hard_link(root_ / "real", top() / "hard.conf");
  ASSERT_TRUE(wait_for_author("hard", "real"));
  fs::create_symlink("/nonexistent", top() / "dangling.conf");
  ASSERT_TRUE(run_until([&] { return messages_about("dangling.conf") == 1; }));
  fs::remove(top() / "soft.conf");
  ASSERT_TRUE(wait_for_end("soft"));
}

/// Until then all is as it is in the original, which sees them at a reload.
TEST_F(JobFilesTest, NewLinksWaitTwoSecondsUnlessThereIsAReload) {
  constexpr auto kDelay = std::chrono::seconds(2);
  write(root_ / "real", "author real");
  load();
  auto made = std::chrono::steady_clock::now();
  fs::create_symlink(root_ / "real", top() / "first.conf");
  catch_up();
  fs::create_symlink(root_ / "real", top() / "second.conf");
  ASSERT_TRUE(wait_for("first"));
  EXPECT_GE(std::chrono::steady_clock::now() - made, kDelay);
  ASSERT_TRUE(wait_for("second"));

  made = std::chrono::steady_clock::now();
  fs::create_symlink(root_ / "real", top() / "third.conf");
  ASSERT_TRUE(wait_for("third"));
  EXPECT_GE(std::chrono::steady_clock::now() - made, kDelay) << "the timer is used again";

  fs::create_symlink(root_ / "real", top() / "fourth.conf");
  catch_up();
  load();
  EXPECT_TRUE(defined("fourth"));
  fs::rename(top() / "fourth.conf", top() / "fifth.conf");
  ASSERT_TRUE(wait_for("fifth"));  // moved into place: at once, there too
}

TEST_F(JobFilesTest, AFileInPlaceOfANewLinkIsStillReadWhenItIsClosed) {
  write(root_ / "real", "author real");
  load();
  fs::create_symlink(root_ / "real", top() / "a.conf");
  fs::create_symlink(root_ / "real", top() / "later.conf");
  catch_up();
  fs::remove(top() / "a.conf");
  std::ofstream file(top() / "a.conf", std::ios::binary);
  file << "author half" << std::flush;
  ASSERT_TRUE(wait_for("later"));  // the time of the first link has come as well
  EXPECT_FALSE(defined("a"));
  file << "-and-half" << std::flush;
  file.close();
  ASSERT_TRUE(wait_for_author("a", "half-and-half"));
}

TEST_F(JobFilesTest, LinkedDirectoriesAreWatchedToo) {
  fs::create_directory(root_ / "elsewhere");
  write(root_ / "elsewhere/first.conf", "");
  load();
  fs::create_directory_symlink(root_ / "elsewhere", top() / "d.conf");
  ASSERT_TRUE(wait_for("d.conf/first"));
  write(root_ / "elsewhere/x.conf", "");
  ASSERT_TRUE(wait_for("d.conf/x"));
  fs::remove(top() / "d.conf");
  ASSERT_TRUE(wait_for_end("d.conf/x"));
  fs::create_directory_symlink(root_ / "elsewhere", top() / "d.conf");
  ASSERT_TRUE(wait_for("d.conf/x"));
  write(root_ / "plain", "author plain");
  fs::rename(root_ / "plain", top() / "d.conf");
  ASSERT_TRUE(wait_for_author("d", "plain"));
  EXPECT_FALSE(defined("d.conf/x"));
}

TEST_F(JobFilesTest, DirectoriesComeMoveAndGo) {
  load();
  fs::create_directories(top() / "sub/deep");
  write(top() / "sub/deep/a.conf", "");
  ASSERT_TRUE(wait_for("sub/deep/a"));
  write(top() / "sub/b.conf", "");
  ASSERT_TRUE(wait_for("sub/b"));

  fs::rename(top() / "sub", top() / "other");
  ASSERT_TRUE(wait_for("other/deep/a"));
  EXPECT_EQ(jobs(), "other/b other/deep/a ");
  write(top() / "other/deep/c.conf", "");
  ASSERT_TRUE(wait_for("other/deep/c"));

  fs::rename(top() / "other", root_ / "away");
  ASSERT_TRUE(wait_for_end("other/b"));
  EXPECT_EQ(jobs(), "");
  write(root_ / "away/d.conf", "");  // no longer ours
  catch_up();
  EXPECT_EQ(jobs(), "");

  fs::rename(root_ / "away", top() / "back");
  ASSERT_TRUE(wait_for("back/d"));
  fs::remove_all(top() / "back");
  ASSERT_TRUE(run_until([&] { return jobs().empty(); }));
}

TEST_F(JobFilesTest, ALostSourceIsBackAfterAReload) {
  write(top() / "a.conf", "");
  load();
  fs::rename(top(), root_ / "moved");
  ASSERT_TRUE(run_until([&] { return messages_about("the directory has gone") == 1; }));
  EXPECT_EQ(jobs(), "a ");
  load();
  EXPECT_EQ(jobs(), "");
  fs::create_directory(top());
  write(top() / "b.conf", "");
  load();
  EXPECT_EQ(jobs(), "b ");
  write(top() / "c.conf", "");
  ASSERT_TRUE(wait_for("c"));
}

TEST_F(JobFilesTest, AReloadFindsEveryDifference) {
  for (const auto* name : {"a", "b", "c"}) write(top() / (std::string(name) + ".conf"), "author x");
  load();
  fs::remove(top() / "a.conf");
  write(top() / "b.conf", "author y");
  write(top() / "d.conf", "");
  changes_.clear();
  load();
  EXPECT_EQ(changes_, (std::vector<std::string>{"-a", "+b", "+d"}));
  catch_up();  // the events of before are not acted upon again
  EXPECT_EQ(changes_.size(), 4U);
}

TEST_F(JobFilesTest, AnOverflowingQueueIsAReload) {
  std::size_t most = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> most;
  if (most == 0 || most > 200'000) GTEST_SKIP() << "the queue holds " << most << " events";
  write(top() / "gone.conf", "");
  load();
  for (std::size_t i = 0; i <= most / 2; ++i) {
    // Two names by turns, as the kernel drops an event that repeats the last.
    const auto name = top() / (i % 2 == 0 ? "even" : "odd");
    write(name, "");
    fs::remove(name);
  }
  fs::remove(top() / "gone.conf");
  write(top() / "new.conf", "");
  ASSERT_TRUE(wait_for("new"));
  EXPECT_EQ(jobs(), "new ");
  EXPECT_EQ(messages_about("too many changes at once"), 1U);
  catch_up();
}

TEST_F(JobFilesTest, AShortageOfDescriptorsLosesNothing) {
  write(top() / "a.conf", "");
  fs::create_directory(top() / "sub");
  write(top() / "sub/b.conf", "");
  load();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  load();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(jobs(), "a sub/b ");
  EXPECT_EQ(messages_about("unable to watch: "), 1U);
  EXPECT_GE(messages_about("Too many open files"), 2U);
  load();
  write(top() / "c.conf", "");
  ASSERT_TRUE(wait_for("c"));
}

}  // namespace
}  // namespace upkeep::os
