#include "sim/golden.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <span>

#include <fmt/format.h>

#include "base/strings.h"

namespace upkeep::sim {
namespace {

/// Lines shown before and after a difference, and the most of either side of it.
constexpr std::size_t kAround = 3;
constexpr std::size_t kMost = 12;

void show(std::string& text, char mark, std::span<const std::string_view> lines) {
  for (const auto line : lines.first(std::min(lines.size(), kMost))) {
    text += fmt::format("{} {}\n", mark, line);
  }
  if (lines.size() > kMost) text += fmt::format("{} ({} more)\n", mark, lines.size() - kMost);
}

}  // namespace

std::filesystem::path golden_path(const std::filesystem::path& scenario) {
  auto path = scenario;
  return path.replace_extension(".trace");
}

Result<std::string> read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return failure(fmt::format("{}: cannot be read", path.native()));
  return text;
}

Result<ScenarioResult> run_scenario_file(const std::filesystem::path& scenario) {
  const auto text = read_text(scenario);
  if (!text) return std::unexpected(text.error());
  const auto file = ScenarioFile::parse(*text);
  if (!file) return failure(fmt::format("{}: {}", scenario.native(), file.error().message));
  return run_scenario(*file);
}

std::string to_text(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

std::string difference(const std::string& expected, const std::string& actual) {
  if (expected == actual) return {};
  const auto left = split(expected, '\n');
  const auto right = split(actual, '\n');
  const auto head = static_cast<std::size_t>(std::ranges::mismatch(left, right).in1 - left.begin());
  const auto shorter = std::min(left.size(), right.size());
  std::size_t tail = 0;
  while (tail < shorter - head && left[left.size() - tail - 1] == right[right.size() - tail - 1]) {
    ++tail;
  }
  const auto before = std::min(head, kAround);
  const std::span<const std::string_view> old_lines(left), new_lines(right);
  std::string text = fmt::format("from line {}:\n", head + 1);
  show(text, ' ', old_lines.subspan(head - before, before));
  show(text, '-', old_lines.subspan(head, left.size() - tail - head));
  show(text, '+', new_lines.subspan(head, right.size() - tail - head));
  show(text, ' ', old_lines.subspan(left.size() - tail, std::min(tail, kAround)));
  return text;
}

}  // namespace upkeep::sim
