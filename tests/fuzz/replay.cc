// Runs a fuzz target over its stored corpus; a broken promise aborts and so fails the test.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "fuzz.h"
#include <gtest/gtest.h>

namespace {

TEST(Replay, CorpusKeepsEveryPromise) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(UPKEEP_CORPUS)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string input{std::istreambuf_iterator<char>(file), {}};
    SCOPED_TRACE(entry.path());
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    ++files;
  }
  EXPECT_GE(files, 5);
}

}  // namespace
