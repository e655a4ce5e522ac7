// Real job files: the verdict and the line must be those of the original (skipped without them).
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "conf/parser.h"

namespace upkeep::conf {
namespace {

std::filesystem::path corpus() {
  const char* const shared = std::getenv("UPKEEP_SHARED");
  const auto root = shared != nullptr ? std::filesystem::path(shared)
                                      : std::filesystem::path(UPKEEP_SOURCE_DIR) / "../shared";
  return root / "corpus";
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string verdict_on(const std::string& text) {
  const auto job = parse_job(text);
  return job ? "ok\t" : "error\t" + std::to_string(job.error().front().line);
}

TEST(Corpus, VerdictsAreThoseOfTheOriginal) {
  std::ifstream verdicts(corpus() / "VERDICTS.tsv");
  if (!verdicts) GTEST_SKIP() << "no corpus at " << corpus() << " (set UPKEEP_SHARED)";
  std::string row;
  std::getline(verdicts, row);  // the heading
  int files = 0;
  while (std::getline(verdicts, row)) {
    const auto tab = row.find('\t');
    const auto file = row.substr(0, tab);
    EXPECT_EQ(verdict_on(read_file(corpus() / file)), row.substr(tab + 1)) << file;
    ++files;
  }
  EXPECT_GT(files, 200);
}

}  // namespace
}  // namespace upkeep::conf
