#include "os/job_file_reader.h"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/parser.h"

namespace upkeep::os {
namespace {

class JobFileReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "upkeep-reader.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ / name; }
  std::string write(const std::string& text) const {
    std::ofstream(path("a.conf"), std::ios::binary) << text;
    return path("a.conf");
  }

  std::filesystem::path directory_;
};

int error_of(const std::string& path) {
  const auto text = read_job_file(path);
  return text ? 0 : text.error().number;
}

TEST_F(JobFileReaderTest, ReadsAnyBytes) {
  for (const auto& text : {std::string{}, std::string("exec a\n"), std::string("\0\xff\n\0", 4),
                           std::string(100'000, 'x')}) {
    EXPECT_EQ(read_job_file(write(text)).value(), text);
  }
}

TEST_F(JobFileReaderTest, ReadsWhatTheKernelSaysIsEmpty) {
  EXPECT_NE(read_job_file("/proc/self/status").value().find("Pid:"), std::string::npos);
}

TEST_F(JobFileReaderTest, BoundIsExact) {
  const auto file = write(std::string(conf::kMaxJobFileBytes, '#'));
  EXPECT_EQ(read_job_file(file).value().size(), conf::kMaxJobFileBytes);
  std::filesystem::resize_file(file, conf::kMaxJobFileBytes + 1);
  ASSERT_EQ(error_of(file), EFBIG);
  EXPECT_EQ(read_job_file(file).error().text, "file too large (more than 4194304 bytes)");
}

TEST_F(JobFileReaderTest, WhatIsNoFileIsSaidAndNeverBlocks) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  using enum ReadError::Instead;
  EXPECT_EQ(read_job_file(path("fifo")).error().instead, Special);
  EXPECT_EQ(read_job_file("/dev/zero").error().instead, Special);
  EXPECT_EQ(read_job_file(directory_).error().instead, Directory);
  EXPECT_EQ(read_job_file(path("missing")).error().instead, Nothing);
  EXPECT_EQ(read_job_file(directory_).error().text, "not a regular file");
  for (const std::string& none : {path("fifo"), directory_.string(), path("missing")}) {
    EXPECT_EQ(error_of(none), ENOENT) << none;
  }
  EXPECT_EQ(read_job_file(path("missing")).error().text,
            "unable to read: No such file or directory");
}

}  // namespace
}  // namespace upkeep::os
