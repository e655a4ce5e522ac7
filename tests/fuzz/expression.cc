// Any condition is a tree that printed and parsed again is the same, or has one error; and what it
// leaves unread is never a part of it.
#include "conf/expression.h"

#include <algorithm>

#include "fuzz.h"

#include "conf/parser.h"
#include "conf/printer.h"

using namespace upkeep;
using fuzz::check;

namespace {

struct Size {
  int depth = 0;
  int operators = 0;
};

Size size_of(const conf::EventExpression& node) {
  using Kind = conf::EventExpression::Kind;
  if (node.kind == Kind::Event) {
    check(!node.left && !node.right && !node.event.empty());
    check(std::ranges::none_of(node.arguments, [](const auto& word) { return word.empty(); }));
    return {1, 0};
  }
  check(node.left && node.right && node.event.empty() && node.arguments.empty());
  const auto left = size_of(*node.left);
  const auto right = size_of(*node.right);
  return {1 + std::max(left.depth, right.depth), 1 + left.operators + right.operators};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::as_text(data, size);
  if (text.find('\0') != std::string_view::npos) return 0;  // the parser lets none through
  conf::Lexer lexer(text);
  const auto tree = conf::parse_expression(lexer, "start on");
  if (!tree) {
    const auto error = lexer.recover(1);
    check(!error.message.empty() && error.line >= 1 && error.column >= 1);
    return 0;
  }
  check(lexer.at_line_end());
  const auto found = size_of(*tree.get());
  check(found.depth <= conf::kMaxExpressionDepth + 1);
  check(found.operators <= conf::kMaxExpressionDepth);

  const auto printed = conf::print_condition(*tree.get());
  conf::Lexer again(printed);
  check(conf::parse_expression(again, "start on") == tree && again.at_end());
  return 0;
}
