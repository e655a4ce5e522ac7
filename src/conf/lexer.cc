// How bytes become tokens: quotes, escapes, folding of lines, blocks.
#include "conf/lexer.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "base/strings.h"
#include "conf/suggest.h"

namespace upkeep::conf {
namespace {

constexpr std::size_t kQuotedBytes = 40;

/// Keeps the search for the ends of blocks in a text that is damaged all over within a second.
constexpr std::size_t kMaxReadAhead = 16U << 20;

bool ends_token(TokenKind kind, char byte) {
  if (byte == '\n' || byte == '#') return true;
  if (kind == TokenKind::Command) return false;
  if (is_white_space(byte)) return true;
  const bool of_event = kind == TokenKind::EventWord || kind == TokenKind::EventArgument;
  return of_event && (byte == '(' || byte == ')');
}

bool keeps_quotes(TokenKind kind) {
  return kind != TokenKind::Argument && kind != TokenKind::EventArgument;
}

/// Text whose blanks and line breaks wait until it is known that more follows.
class FoldedText {
 public:
  void put(char byte) {
    flush();
    text_ += byte;
  }
  void put_blank(char byte) { blanks_ += byte; }
  void put_line_break() { folded_ = true; }

  /// One space stands for any number of line breaks with the blanks around them.
  void flush() {
    text_ += folded_ ? std::string_view(" ") : std::string_view(blanks_);
    blanks_.clear();
    folded_ = false;
  }

  /// What is still pending is dropped.
  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  std::string text_;
  std::string blanks_;
  bool folded_ = false;
};

/// The state between two bytes of a token.
class TokenReader {
 public:
  explicit TokenReader(TokenKind kind) : kind_(kind) {}

  [[nodiscard]] bool escaping() const { return escaping_; }
  [[nodiscard]] bool quoting() const { return quote_ != kNone; }

  /// Takes the next byte, unless it is the delimiter that ends the token.
  [[nodiscard]] bool take(char byte) {
    if (escaping_) {
      take_escaped(byte);
    } else if (byte == '\\') {
      escaping_ = true;
    } else if (quoting()) {
      take_quoted(byte);
    } else if (byte == '"' || byte == '\'') {
      take_quote_mark(byte);
      quote_ = byte;
    } else if (ends_token(kind_, byte)) {
      return false;
    } else {
      take_plain(byte);
    }
    return true;
  }

  [[nodiscard]] std::string text() && { return std::move(text_).take(); }

 private:
  static constexpr char kNone = '\0';

  void take_escaped(char byte) {
    escaping_ = false;
    if (byte == '\n') return text_.put_line_break();
    // Only a backslash and white space lose their backslash, and only where quotes do.
    const bool removed = byte == '\\' || is_white_space(byte);
    if (keeps_quotes(kind_) || !removed) text_.put('\\');
    text_.put(byte);
  }

  void take_quoted(char byte) {
    if (byte == quote_) {
      take_quote_mark(byte);
      quote_ = kNone;
    } else if (byte == '\n') {
      text_.put_line_break();
    } else {
      take_plain(byte);
    }
  }

  void take_quote_mark(char byte) {
    text_.flush();
    if (keeps_quotes(kind_)) text_.put(byte);
  }

  void take_plain(char byte) {
    if (is_white_space(byte)) return text_.put_blank(byte);
    text_.put(byte);
  }

  TokenKind kind_;
  FoldedText text_;
  bool escaping_ = false;
  char quote_ = kNone;
};

/// Removes `word` from the front of `line`; false if it does not stand there.
bool consume(std::string_view& line, std::string_view word) {
  if (!line.starts_with(word)) return false;
  line.remove_prefix(word.size());
  return true;
}

/// Whether the line, without its line feed, ends a block.
bool is_end_line(std::string_view line) {
  line.remove_prefix(leading_white_space(line).size());
  if (!consume(line, "end")) return false;
  const auto blanks = leading_white_space(line).size();
  line.remove_prefix(blanks);
  if (blanks == 0 || !consume(line, "script")) return false;
  line.remove_prefix(leading_white_space(line).size());
  return line.empty() || line.front() == '#';
}

/// Whether somebody may have thought that this line ends a block: "endscript", "end-script;",
/// "end scirpt", "end pre-start script".
bool resembles_end_line(std::string_view line) {
  constexpr std::string_view kScript = "script";
  constexpr std::string_view kEnd = "endscript";
  constexpr std::size_t kLongest = 40;
  line.remove_prefix(leading_white_space(line).size());
  if (line.size() > kLongest) return false;
  std::string letters;
  std::string last_word;
  for (const char byte : line) {
    const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    if (is_white_space(byte)) last_word.clear();
    if (letter) letters += to_lower(byte);
    if (letter) last_word += to_lower(byte);
  }
  if (closest(letters, std::span(&kEnd, 1))) return true;
  const bool begins = line.starts_with("end ") || line.starts_with("end\t");
  return begins && closest(last_word, std::span(&kScript, 1));
}

/// Whether the line, from its start, begins a block.
bool opens_block(std::string_view line) {
  line.remove_prefix(leading_white_space(line).size());
  for (const auto* const process : {"pre-start", "post-start", "pre-stop", "post-stop"}) {
    if (!consume(line, process)) continue;
    line.remove_prefix(leading_white_space(line).size());
    break;
  }
  if (!consume(line, "script")) return false;
  line.remove_prefix(leading_white_space(line).size());
  return line.empty() || line.front() == '#';
}

/// The longest text that both begin with.
std::string_view common_prefix(std::string_view a, std::string_view b) {
  const auto differ = std::ranges::mismatch(a, b);
  return a.substr(0, static_cast<std::size_t>(differ.in1 - a.begin()));
}

/// Copies lines, each without its first `indent` bytes.
std::string without_indent(std::string_view lines, std::size_t indent) {
  std::string out;
  out.reserve(lines.size());
  while (!lines.empty()) {
    const auto length = lines.find('\n') + 1;
    out += lines.substr(indent, length - indent);
    lines.remove_prefix(length);
  }
  return out;
}

}  // namespace

std::string_view leading_white_space(std::string_view text) {
  const auto* const end = std::ranges::find_if_not(text, is_white_space);
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

std::string quoted_word(std::string_view word) {
  if (word.size() <= kQuotedBytes) return fmt::format("\"{}\"", printable(word));
  return fmt::format("\"{}...\"", printable(word.substr(0, kQuotedBytes)));
}

Position Lexer::position() const {
  return {cursor_.line, static_cast<int>(cursor_.offset - cursor_.line_start) + 1};
}

Position Lexer::reached(Position word) const {
  return word.line == cursor_.line ? word : position();
}

std::string_view Lexer::peek_word() const {
  const auto rest = text_.substr(cursor_.offset);
  return rest.substr(0, rest.find_first_of(" \t\r\n"));
}

void Lexer::skip_byte() {
  const bool line_feed = peek() == '\n';
  ++cursor_.offset;
  if (!line_feed) return;
  ++cursor_.line;
  cursor_.line_start = cursor_.offset;
}

void Lexer::skip_white_space() {
  while (!at_end() && is_white_space(peek())) skip_byte();
}

void Lexer::skip_blanks() {
  for (;;) {
    skip_white_space();
    if (!text_.substr(cursor_.offset).starts_with("\\\n")) return;
    skip_byte();
    skip_byte();
  }
}

void Lexer::finish_line() {
  (void)read_line();
}

std::optional<Token> Lexer::read(TokenKind kind) {
  const auto start = position();
  auto quote = start;
  TokenReader reader(kind);
  while (!at_end()) {
    if (!reader.quoting()) quote = position();
    if (reader.escaping() && text_.substr(cursor_.offset).starts_with("\r\n")) {
      warn(DiagnosticKind::BrokenContinuation, {cursor_.line, position().column - 1},
           "this line is not continued: a carriage return stands between the backslash and the "
           "end of the line");
    }
    if (reader.quoting() && !wide_quote_ && peek() == '\n') wide_quote_ = {quote, cursor_.offset};
    if (!reader.take(peek())) break;
    skip_byte();
  }

  if (reader.escaping()) {
    fail(DiagnosticKind::DanglingBackslash, reached(start),
         "the file ends in a backslash, which continues a line that is not there");
    return std::nullopt;
  }
  if (reader.quoting()) {
    fail_open(
        DiagnosticKind::OpenQuote, reached(start), quote,
        fmt::format("the quote at line {}, column {} is never closed", quote.line, quote.column));
    return std::nullopt;
  }
  return Token{std::move(reader).text(), start};
}

std::optional<Token> Lexer::peek_event_word() {
  const auto before = cursor_;
  auto token = read(TokenKind::EventWord);
  cursor_ = before;
  return token;
}

std::optional<std::string> Lexer::read_block(Position opening) {
  const auto first = cursor_.offset;
  std::optional<std::string_view> indent;
  std::optional<int> resembling;
  std::optional<int> swallowed;
  while (!at_end()) {
    const auto end = cursor_.offset;
    const auto number = cursor_.line;
    const auto line = read_line();
    if (is_end_line(line)) {
      warn_of_swallowed_block(opening, resembling ? resembling : swallowed);
      return without_indent(text_.substr(first, end - first), indent.value_or("").size());
    }
    indent = indent ? common_prefix(*indent, line) : leading_white_space(line);
    if (!resembling && resembles_end_line(line)) resembling = number;
    if (!swallowed && opens_block(line)) swallowed = number;
  }
  auto message = fmt::format("the script at line {} has no \"end script\"", opening.line);
  if (resembling) message += fmt::format("; line {} is not exactly that", *resembling);
  fail_open(DiagnosticKind::OpenBlock, position(), opening, std::move(message));
  // What stands in a script is no stanza, so without an idea where it ends all of it is damaged.
  resume_line_.reset();
  if (resembling) resume_line_ = *resembling + 1;
  return std::nullopt;
}

/// What a script swallows up to an "end script" further on is no error.
void Lexer::warn_of_swallowed_block(Position opening, std::optional<int> line) {
  if (!line) return;
  warn(DiagnosticKind::SwallowedStanza, {*line, 1},
       fmt::format(
           "this line is part of the script at line {}: is the \"end script\" of that missing "
           "before it?",
           opening.line));
}

bool Lexer::fail(DiagnosticKind kind, Position place, std::string message) {
  if (failure_) return false;
  if (wide_quote_ && place.line > wide_quote_->opening.line) {
    message +=
        fmt::format("; the quote at line {}, column {} goes on to another line, is it meant to?",
                    wide_quote_->opening.line, wide_quote_->opening.column);
  }
  failure_ = Diagnostic{kind, place.line, place.column, std::move(message), {}};
  return false;
}

bool Lexer::fail_open(DiagnosticKind kind, Position place, Position opening, std::string message) {
  if (failure_) return false;
  failure_ = Diagnostic{kind, place.line, place.column, std::move(message), opening};
  resume_line_ = opening.line + 1;
  return false;
}

void Lexer::warn(DiagnosticKind kind, Position place, std::string message) {
  if (warnings_.size() == kMaxDiagnostics) return;
  warnings_.push_back({kind, place.line, place.column, std::move(message), {}});
}

void Lexer::introduce_failure(std::string_view words) {
  if (failure_) failure_->message.insert(0, words);
}

void Lexer::explain_failure(std::string_view words) {
  if (failure_) failure_->message += words;
}

Diagnostic Lexer::recover(std::optional<int> line) {
  if (!line) line = resume_line_;
  if (line) {
    go_to_line(*line);
  } else {
    while (!at_end()) {
      const auto damaged = read_line();
      if (!damaged.ends_with('\\') || damaged.find('#') != std::string_view::npos) break;
    }
  }
  resume_line_.reset();
  return *std::exchange(failure_, std::nullopt);
}

void Lexer::skip_unopened_block() {
  if (read_ahead_ > kMaxReadAhead) return;
  const auto before = cursor_;
  while (!at_end()) {
    const auto line = read_line();
    if (is_end_line(line)) return;
    if (opens_block(line)) break;
  }
  read_ahead_ += cursor_.offset - before.offset;
  cursor_ = before;
}

std::string_view Lexer::peek_line() const {
  return text_.substr(cursor_.offset, text_.find('\n', cursor_.offset) - cursor_.offset);
}

/// To the start of this line, in time for the distance. What is never closed is the last of its
/// kind in a text, so no text can make this happen often over a long distance.
void Lexer::go_to_line(int line) {
  auto start = cursor_.line_start;
  auto number = cursor_.line;
  for (; number > line; --number) {
    start = start < 2 ? 0 : text_.rfind('\n', start - 2) + 1;  // npos + 1 is 0
  }
  cursor_ = {start, start, number};
  while (cursor_.line < line && !at_end()) (void)read_line();
}

/// The rest of the line, without its line feed; the cursor goes to the start of the next one.
std::string_view Lexer::read_line() {
  const auto line = peek_line();
  cursor_.offset += line.size();
  if (!at_end()) skip_byte();
  return line;
}

}  // namespace upkeep::conf
