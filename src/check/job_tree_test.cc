#include "check/job_tree.h"

#include <filesystem>
#include <fstream>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace upkeep::check {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

class JobTreeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = fs::temp_directory_path() / "upkeep-tree.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  void add(const std::string& name) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << "#\n";
  }

  /// What is found, by the path below the root; problems as `NAME: TEXT`.
  Names walk(const std::string& root) const {
    Names found;
    const auto below = [&](const std::string& path) {
      return path.substr(root_.native().size() + 1);
    };
    walk_job_files(
        root, [&](const std::string& path) { found.push_back(below(path)); },
        [&](const std::string& path, const std::string& text) {
          found.push_back(below(path) + ": " + text);
        });
    return found;
  }
  Names walk() const { return walk(root_); }

  fs::path root_;
};

TEST_F(JobTreeTest, NamesThatCountInTheOrderOfTheirBytes) {
  for (const auto* const name :
       {"b.conf", "a.override", "a.conf", "a/z.conf", "B.conf", "\xff.conf", ".conf", ".override",
        ".x.conf", "c.conf~", "c.CONF", "c", "a/b/c.conf", "d.conf/e.conf"}) {
    add(name);
  }
  EXPECT_EQ(walk(), (Names{".x.conf", "B.conf", "a/b/c.conf", "a/z.conf", "a.conf", "a.override",
                           "b.conf", "d.conf/e.conf", "\xff.conf"}));
}

TEST_F(JobTreeTest, ASlashAtTheEndIsNotDoubled) {
  add("a.conf");
  EXPECT_EQ(walk(root_.native() + "/"), Names{"a.conf"});
}

TEST_F(JobTreeTest, IgnoredDirectories) {
  for (const auto* const name : {".git", "CVS", "old.bak", "x~", "#x#", "y.dpkg-new"}) {
    add(std::string(name) + "/a.conf");
  }
  EXPECT_EQ(walk(), Names{});
}

TEST_F(JobTreeTest, Links) {
  add("real/a.conf");
  fs::create_symlink("real/a.conf", root_ / "link.conf");
  fs::create_symlink("real/a.conf", root_ / "link.override");  // never an override
  fs::create_symlink("nowhere", root_ / "broken.conf");        // whoever reads it says so
  fs::create_symlink("/dev/null", root_ / "masked.conf");      // no job, and no mistake
  fs::create_symlink("real", root_ / "directory");             // not entered
  fs::create_symlink("real", root_ / "directory.conf");
  EXPECT_EQ(walk(), (Names{"broken.conf", "directory.conf/a.conf", "link.conf", "real/a.conf"}));
}

TEST_F(JobTreeTest, WhatIsNoFileIsFoundAsWell) {
  ASSERT_EQ(::mkfifo((root_ / "f.conf").c_str(), 0600), 0);
  EXPECT_EQ(walk(), Names{"f.conf"});
}

TEST_F(JobTreeTest, CirclesAndDepthAreBounded) {
  add("a.conf");
  fs::create_directory(root_ / "d");
  fs::create_symlink("..", root_ / "d" / "up.conf");
  std::string deep = "e";
  for (int i = 0; i < 45; ++i) deep += "/e";
  add(deep + "/a.conf");
  std::string reached = "e";
  for (int i = 0; i < 40; ++i) reached += "/e";
  EXPECT_EQ(walk(), (Names{"a.conf", "d/up.conf: the directory contains itself",
                           reached + ": too many directories inside each other"}));
}

TEST_F(JobTreeTest, ADirectoryThatCannotBeReadIsAProblem) {
  EXPECT_EQ(walk(root_ / "nosuch"),
            Names{"nosuch: unable to read directory: No such file or directory"});
}

}  // namespace
}  // namespace upkeep::check
