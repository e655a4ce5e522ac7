// expand_texts [KEY=VALUE]...: expands the texts of standard input, each ended by NUL, with these
// variables. Prints one JSON object a line: {"text":T} or {"error":MESSAGE}.
#include <iostream>
#include <string>

#include "base/json.h"
#include "conf/expansion.h"

int main(int argc, char** argv) {
  using namespace upkeep;
  const Environment variables(argv + 1, argv + argc);
  for (std::string text; std::getline(std::cin, text, '\0');) {
    const auto expanded = conf::expand(text, variables);
    std::string line;
    JsonWriter out(line);
    out.begin_object();
    if (expanded) {
      out.member("text", *expanded);
    } else {
      out.member("error", expanded.error().message);
    }
    out.end_object();
    std::cout << line << '\n';
  }
}
