// Tokens, blanks and blocks of the job language, with their place (spec/job-language.md 2).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/diagnostic.h"

namespace upkeep::conf {

/// Space, tab and carriage return; a line feed is never white space here.
[[nodiscard]] constexpr bool is_white_space(char byte) {
  return byte == ' ' || byte == '\t' || byte == '\r';
}

/// The white space that a text begins with.
[[nodiscard]] std::string_view leading_white_space(std::string_view text);

/// A word as a message shows it: in quotes, printable, and cut if long.
[[nodiscard]] std::string quoted_word(std::string_view word);

/// How a token ends and whether its quotes are removed (2.3).
enum class TokenKind {
  Word,           ///< a keyword: raw
  Argument,       ///< quotes removed
  EventWord,      ///< a word of a condition: raw, parentheses end it
  EventArgument,  ///< the same with quotes removed
  Command,        ///< the rest of the line, and of the lines that continue it: raw
};

struct Token {
  std::string text;
  Position start;
};

/// Most errors, and most warnings, that are told of one text.
inline constexpr std::size_t kMaxDiagnostics = 1000;

/// A cursor over the text of a job file. Up to a failure each byte is looked at a fixed number of
/// times, whatever the text. The first failure is kept; a function that fails returns nothing or
/// false, and its caller is expected to give up the stanza and, to find what else is wrong, to
/// recover().
class Lexer {
 public:
  /// `text` must outlive the lexer.
  explicit Lexer(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return cursor_.offset == text_.size(); }

  /// The byte at the cursor, which must not be at the end.
  [[nodiscard]] char peek() const { return text_[cursor_.offset]; }

  /// No further argument follows: a line feed, a comment or the end.
  [[nodiscard]] bool at_line_end() const { return at_end() || peek() == '\n' || peek() == '#'; }

  [[nodiscard]] Position position() const;

  /// Where an error is shown whose line is the one that reading has reached: at `word` if that
  /// stands on this line, else here (7.2, "point").
  [[nodiscard]] Position reached(Position word) const;

  /// The raw text from the cursor to the next white space or line feed, for messages only.
  [[nodiscard]] std::string_view peek_word() const;

  void skip_byte();
  void skip_white_space();

  /// White space and continued line ends (2.4).
  void skip_blanks();

  /// Drops a comment and the line feed.
  void finish_line();

  /// A stanza begins at the cursor.
  void begin_stanza() { wide_quote_.reset(); }

  /// The first quote of this stanza that goes over a line end, with its text from that line end to
  /// the cursor. A failure says that the mistake may be there.
  struct WideQuote {
    Position opening;
    std::size_t line_end = 0;  ///< the offset of the line feed
  };
  [[nodiscard]] const std::optional<WideQuote>& wide_quote() const { return wide_quote_; }

  /// The text from an offset to the cursor.
  [[nodiscard]] std::string_view text_since(std::size_t offset) const {
    return text_.substr(offset, cursor_.offset - offset);
  }

  /// Reads one token; its text may be empty. Fails inside quotes or after a backslash at the end.
  [[nodiscard]] std::optional<Token> read(TokenKind kind);

  /// Reads a token of a condition raw; the cursor is not moved.
  [[nodiscard]] std::optional<Token> peek_event_word();

  /// The lines up to `end script`, without their common indent (2.6). The cursor must be at the
  /// start of the first one. `opening` is where the block's keyword stands, for the message.
  [[nodiscard]] std::optional<std::string> read_block(Position opening);

  /// Records a failure unless there is one. Always false.
  bool fail(DiagnosticKind kind, Position place, std::string message);

  /// The same for what was opened at `opening` and never closed.
  bool fail_open(DiagnosticKind kind, Position place, Position opening, std::string message);

  /// Adds to what the failure says, if there is one, in front or behind.
  void introduce_failure(std::string_view words);
  void explain_failure(std::string_view words);

  /// Records a warning, at most kMaxDiagnostics; what is read twice is warned of twice.
  void warn(DiagnosticKind kind, Position place, std::string message);

  [[nodiscard]] std::vector<Diagnostic> take_warnings() { return std::move(warnings_); }

  // --- After a failure

  /// Hands out the failure and goes past what it damaged: to the start of `line` if given, else
  /// past the line of the cursor with those that continue it. What was never closed damages its
  /// first line only, so that the cursor goes back.
  [[nodiscard]] Diagnostic recover(std::optional<int> line = std::nullopt);

  /// Where the next line that ends a block comes before any that begins one, goes past it. After
  /// much reading in vain it is not looked for any more.
  void skip_unopened_block();

  /// The text of the line at the cursor, from the cursor on, without line feed.
  [[nodiscard]] std::string_view peek_line() const;

 private:
  struct Cursor {
    std::size_t offset = 0;
    std::size_t line_start = 0;
    int line = 1;
  };

  [[nodiscard]] std::string_view read_line();
  void go_to_line(int line);
  void warn_of_swallowed_block(Position opening, std::optional<int> line);

  std::string_view text_;
  Cursor cursor_;
  std::optional<Diagnostic> failure_;
  std::optional<WideQuote> wide_quote_;
  std::optional<int> resume_line_;  ///< where to go on after the failure, if not at the cursor
  std::vector<Diagnostic> warnings_;
  std::size_t read_ahead_ = 0;  ///< bytes, in vain
};

}  // namespace upkeep::conf
