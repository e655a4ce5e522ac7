// state_machine_pages check|update DIR: the generated parts of state-machine.md and
// state-machine.svg in DIR against what the code says now.
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "pages.h"
#include <fmt/format.h>

namespace {

using namespace upkeep::docs;

constexpr std::string_view kBegin = "<!-- The table is made by docs/generate; edit it there. -->\n";
constexpr std::string_view kEnd = "<!-- End of the table. -->\n";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The page with the table between its two marks replaced by today's.
std::string page(const std::string& path) {
  const auto text = read(path);
  const auto begin = text.find(kBegin);
  const auto end = text.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) {
    throw std::runtime_error(fmt::format("{}: the marks around the table are missing", path));
  }
  return text.substr(0, begin) + fmt::format("{}\n{}\n", kBegin, state_table()) + text.substr(end);
}

/// The number of the first line that differs.
std::size_t first_difference(const std::string& one, const std::string& other) {
  std::size_t line = 1;
  for (std::size_t i = 0; i < one.size() && i < other.size() && one[i] == other[i]; ++i) {
    if (one[i] == '\n') ++line;
  }
  return line;
}

bool bring_up_to_date(const std::string& path, const std::string& now, bool update) {
  const auto before = read(path);
  if (before == now) return true;
  if (update) {
    std::ofstream file(path, std::ios::binary);
    file << now;
    if (!file.flush()) throw std::runtime_error(fmt::format("cannot write {}", path));
    fmt::print("{}: updated\n", path);
    return true;
  }
  fmt::print(stderr, "{}:{}: not what the code says now\n", path, first_difference(before, now));
  return false;
}

int run(const std::string& mode, const std::string& folder) {
  if (mode != "check" && mode != "update") throw std::runtime_error("check or update?");
  const bool update = mode == "update";
  const auto markdown = folder + "/state-machine.md";
  const bool table = bring_up_to_date(markdown, page(markdown), update);
  const bool graph = bring_up_to_date(folder + "/state-machine.svg", state_graph(), update);
  if (table && graph) return 0;
  fmt::print(stderr, "To mend it: cmake --build --preset dev --target update-state-machine\n");
  return 1;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    fmt::print(stderr, "usage: state_machine_pages check|update DIR\n");
    return 2;
  }
  return run(argv[1], argv[2]);
} catch (const std::exception& error) {
  fmt::print(stderr, "state_machine_pages: {}\n", error.what());
  return 1;
}
