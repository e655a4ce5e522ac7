// Operators have equal precedence and associate to the left, so a group is folded as it is read:
// what stands left of the cursor is one operand. Open parentheses are a stack, not recursion.
#include "conf/expression.h"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "conf/parser.h"

namespace upkeep::conf {
namespace {

using Kind = DiagnosticKind;
using Operator = EventExpression::Kind;
using Tree = std::shared_ptr<const EventExpression>;

class ExpressionParser {
 public:
  ExpressionParser(Lexer& lexer, std::string_view stanza) : lexer_(lexer), stanza_(stanza) {}

  [[nodiscard]] Tree parse() {
    if (lexer_.at_line_end()) return refuse_nothing();
    while (another_token()) {
      if (take_token()) continue;
      mention_open_parenthesis();
      return nullptr;
    }
    return finish() ? groups_.back().operand : nullptr;
  }

 private:
  /// What has been read since an open parenthesis, or since the start.
  struct Group {
    Position opened;                         ///< where the parenthesis stands
    Tree operand;                            ///< everything left of `pending`
    std::optional<Operator> pending;         ///< an operator that waits for its right side
    std::shared_ptr<EventExpression> event;  ///< the event whose arguments are being read
    bool has_named_argument = false;         ///< of `event`
    bool side_by_side = false;               ///< `event` follows an operand without an operator
    std::optional<Operator> first_operator;
    bool mixed = false;  ///< operators of both kinds stand in it
  };

  [[nodiscard]] Group& group() { return groups_.back(); }
  [[nodiscard]] bool inside_parentheses() const { return groups_.size() > 1; }

  /// Moves on to the next token. A line end is the end of the condition unless a parenthesis is
  /// open; but each line must then hold something.
  [[nodiscard]] bool another_token() {
    if (!lexer_.at_line_end()) return true;
    if (!inside_parentheses() || lexer_.at_end()) return false;
    lexer_.finish_line();
    lexer_.skip_blanks();
    return !lexer_.at_end();
  }

  [[nodiscard]] bool take_token() {
    if (lexer_.at_line_end()) {
      return lexer_.fail(
          Kind::MissingToken, lexer_.position(),
          "between parentheses each line must hold a word: this one is empty or a comment");
    }
    last_ = lexer_.position();
    if (lexer_.peek() == '(' || lexer_.peek() == ')') return take_parenthesis();
    const auto word = lexer_.peek_event_word();
    if (!word) return false;
    if (word->text == "and") return take_operator(Operator::And);
    if (word->text == "or") return take_operator(Operator::Or);
    return take_word();
  }

  [[nodiscard]] bool take_parenthesis() {
    const bool opens = lexer_.peek() == '(';
    lexer_.skip_byte();
    lexer_.skip_blanks();
    return opens ? open_group() : close_group();
  }

  [[nodiscard]] bool open_group() {
    if (group().event || (group().operand && !group().pending)) {
      return lexer_.fail(Kind::MissingOperator, last_,
                         "\"and\" or \"or\" is missing before \"(\"; an argument with parentheses "
                         "needs quotes");
    }
    if (groups_.size() > kMaxExpressionDepth) return refuse_depth("parentheses");
    groups_.emplace_back().opened = last_;
    return true;
  }

  [[nodiscard]] bool close_group() {
    const bool nothing_before = !group().event && !group().operand;
    if (!inside_parentheses() && nothing_before) return refuse_unopened();
    if (!complete_operand("\")\"")) return false;
    if (!inside_parentheses()) return refuse_unopened();
    auto inner = std::move(group().operand);
    groups_.pop_back();
    add_operand(std::move(inner));
    return true;
  }

  [[nodiscard]] bool take_operator(Operator kind) {
    (void)lexer_.read(TokenKind::EventWord);
    lexer_.skip_blanks();
    if (!complete_operand(kind == Operator::And ? "\"and\"" : "\"or\"")) return false;
    if (++operators_ > kMaxExpressionDepth) return refuse_depth("operators");
    if (!group().first_operator) group().first_operator = kind;
    if (*group().first_operator != kind && !std::exchange(group().mixed, true)) {
      lexer_.warn(Kind::MixedOperators, last_,
                  "\"and\" and \"or\" without parentheses are taken from left to right, neither "
                  "binds more tightly; put parentheses around what belongs together");
    }
    group().pending = kind;
    return true;
  }

  [[nodiscard]] bool take_word() {
    auto word = lexer_.read(TokenKind::EventArgument);
    if (!word) return false;
    if (word->text.empty()) {
      return lexer_.fail(Kind::MissingToken, lexer_.reached(word->start),
                         "expected an event or an argument, found empty quotes");
    }
    lexer_.skip_blanks();
    if (group().event) return add_argument(std::move(*word));
    begin_event(std::move(word->text));
    return true;
  }

  void begin_event(std::string name) {
    group().side_by_side = group().operand && !group().pending;
    group().has_named_argument = false;
    group().event = std::make_shared<EventExpression>();
    group().event->event = std::move(name);
  }

  [[nodiscard]] bool add_argument(Token word) {
    const bool named = word.text.find('=') != std::string::npos;
    if (group().has_named_argument && !named) {
      return lexer_.fail(Kind::PositionalAfterNamed, lexer_.reached(word.start),
                         fmt::format("{} follows an argument with a name: write NAME=VALUE, or "
                                     "\"and\" or \"or\" before an event",
                                     quoted_word(word.text)));
    }
    group().has_named_argument = named;
    group().event->arguments.push_back(std::move(word.text));
    return true;
  }

  /// The token `found` (or the end) shows that the operand before it is complete, if there is one.
  [[nodiscard]] bool complete_operand(std::string_view found) {
    if (group().side_by_side) {
      return lexer_.fail(Kind::MissingOperator, last_,
                         fmt::format("\"and\" or \"or\" is missing between \")\" and {}",
                                     quoted_word(group().event->event)));
    }
    if (group().event) add_operand(std::move(group().event));
    if (group().operand && !group().pending) return true;
    return lexer_.fail(Kind::MissingEvent, last_,
                       fmt::format("an event is missing before {}", found));
  }

  void add_operand(Tree right) {
    auto& left = group().operand;
    if (!group().pending) {
      left = std::move(right);
      return;
    }
    auto node = std::make_shared<EventExpression>();
    node->kind = *group().pending;
    node->left = std::move(left);
    node->right = std::move(right);
    left = std::move(node);
    group().pending.reset();
  }

  [[nodiscard]] bool finish() {
    const std::string_view end =
        inside_parentheses()
            ? "the end of the file"
            : "the end of the line; only inside parentheses does a condition go on in the next";
    if (!complete_operand(end)) return false;
    if (!inside_parentheses()) return true;
    return lexer_.fail_open(Kind::ParenMismatch, lexer_.position(), group().opened,
                            fmt::format("the \"(\" at line {}, column {} is never closed",
                                        group().opened.line, group().opened.column));
  }

  /// Then lines may have been read that were not meant to be part of the condition.
  void mention_open_parenthesis() {
    if (!inside_parentheses() || group().opened.line == last_.line) return;
    lexer_.introduce_failure(fmt::format("the \"(\" at line {}, column {} is still open here: ",
                                         group().opened.line, group().opened.column));
  }

  Tree refuse_nothing() {
    lexer_.fail(Kind::MissingToken, lexer_.position(),
                fmt::format("expected an event after \"{}\", but the line ends here", stanza_));
    return nullptr;
  }

  bool refuse_unopened() {
    return lexer_.fail(Kind::ParenMismatch, last_, "\")\" without a \"(\" before it");
  }

  bool refuse_depth(std::string_view what) {
    return lexer_.fail(Kind::TooDeep, last_,
                       fmt::format("more than {} {} in one condition", kMaxExpressionDepth, what));
  }

  Lexer& lexer_;
  std::string_view stanza_;
  std::vector<Group> groups_ = std::vector<Group>(1);
  Position last_;  ///< where the last token begins
  int operators_ = 0;
};

}  // namespace

Condition parse_expression(Lexer& lexer, std::string_view stanza) {
  return ExpressionParser(lexer, stanza).parse();
}

}  // namespace upkeep::conf
