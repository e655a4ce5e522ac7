// The manual page init(5) is true: its examples are job files, and it has one for each stanza.
#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "conf/parser.h"
#include "conf/stanzas.h"

namespace upkeep::conf {
namespace {

constexpr char kPage[] = UPKEEP_SOURCE_DIR "/docs/man/init.5";

/// A display of the page, with the words of the comment before it that says what it is.
struct Display {
  std::string kind;
  int line = 0;  ///< of its first line in the page
  std::string text;
};

struct Escape {
  std::string_view roff;
  char plain;
};
constexpr Escape kEscapes[] = {{"\\e", '\\'},  {"\\-", '-'},   {"\\(aq", '\''},
                               {"\\(ga", '`'}, {"\\(ha", '^'}, {"\\(ti", '~'}};

/// What a reader sees and copies. Only the escapes that the head of the page allows are known;
/// bytes that roff would make into typographic marks must be written as one of them.
std::string plain(std::string_view roff, int line) {
  std::string out;
  while (!roff.empty()) {
    if (roff.starts_with("\\&")) {
      roff.remove_prefix(2);
      continue;
    }
    const auto* const escape = std::ranges::find_if(
        kEscapes, [&](const Escape& one) { return roff.starts_with(one.roff); });
    if (escape != std::end(kEscapes)) {
      out += escape->plain;
      roff.remove_prefix(escape->roff.size());
      continue;
    }
    if (std::string_view("\\-'`^~").find(roff.front()) != std::string_view::npos) {
      ADD_FAILURE() << kPage << ":" << line << ": write '" << roff.front() << "' as an escape";
    }
    out += roff.front();
    roff.remove_prefix(1);
  }
  return out;
}

std::vector<std::string> page_lines() {
  std::ifstream page(kPage);
  EXPECT_TRUE(page) << kPage;
  std::vector<std::string> lines;
  for (std::string line; std::getline(page, line);) lines.push_back(line);
  return lines;
}

/// Every literal display of the page.
std::vector<Display> displays() {
  constexpr std::string_view kComment = ".\\\" ";
  const auto lines = page_lines();
  std::vector<Display> found;
  bool inside = false;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto number = static_cast<int>(i) + 1;
    if (lines[i].starts_with(".Bd -literal")) {
      const auto& before = lines[i - 1];
      const auto kind = before.starts_with(kComment) ? before.substr(kComment.size()) : "nothing";
      found.push_back({kind, number + 1, {}});
      inside = true;
    } else if (lines[i] == ".Ed") {
      inside = false;
    } else if (inside) {
      found.back().text += plain(lines[i], number) + "\n";
    }
  }
  return found;
}

/// The displays of one kind. There must be some, or the page is not read as it is meant to be.
std::vector<Display> displays(std::string_view kind) {
  auto all = displays();
  std::erase_if(all, [&](const Display& one) { return one.kind != kind; });
  EXPECT_FALSE(all.empty()) << kind;
  return all;
}

/// Where in the page, for the editor, and the text.
std::string show(const Display& display, const Diagnostic& diagnostic) {
  auto in_page = diagnostic;
  in_page.line += display.line - 1;
  return format_diagnostic(kPage, in_page) + "\n" + display.text;
}

/// Nothing for an indented line: it continues a stanza, or belongs to a script.
std::string first_word(std::string_view line) {
  return std::string(line.substr(0, line.find_first_of(" \t\n")));
}

TEST(Manual, SaysOfEveryDisplayWhatItIs) {
  const std::set<std::string> kinds{"example", "example: warning", "example: error", "terminal"};
  for (const auto& display : displays()) {
    EXPECT_TRUE(kinds.contains(display.kind))
        << kPage << ":" << display.line << ": " << display.kind;
  }
}

TEST(Manual, ExamplesAreJobFiles) {
  for (const auto& example : displays("example")) {
    const auto job = parse_job(example.text);
    EXPECT_TRUE(job) << show(example, job.error().front());
    if (!job) continue;
    for (const auto& warning : job->warnings) ADD_FAILURE() << show(example, warning);
  }
}

TEST(Manual, ExamplesOfMistakesAreWarnedOf) {
  for (const auto& example : displays("example: warning")) {
    const auto job = parse_job(example.text);
    ASSERT_TRUE(job) << show(example, job.error().front());
    EXPECT_FALSE(job->warnings.empty()) << kPage << ":" << example.line;
  }
}

TEST(Manual, ExamplesOfErrorsAreRefused) {
  for (const auto& example : displays("example: error")) {
    EXPECT_FALSE(parse_job(example.text)) << kPage << ":" << example.line;
  }
}

TEST(Manual, HasAnEntryAndAnExampleForEveryStanza) {
  std::set<std::string> entries;
  for (const auto& line : page_lines()) {
    constexpr std::string_view kEntry = ".It Ic ";
    if (!line.starts_with(kEntry)) continue;
    auto name = first_word(std::string_view(line).substr(kEntry.size()));
    std::erase(name, '\\');
    entries.insert(name);
  }
  std::set<std::string> shown;
  for (const auto& example : displays("example")) {
    std::string_view rest = example.text;
    while (!rest.empty()) {
      shown.insert(first_word(rest));
      rest.remove_prefix(rest.find('\n') + 1);
    }
  }
  for (const auto name : stanza_names()) {
    EXPECT_TRUE(entries.contains(std::string(name))) << "no entry for " << name;
    EXPECT_TRUE(shown.contains(std::string(name))) << "no example for " << name;
  }
}

}  // namespace
}  // namespace upkeep::conf
