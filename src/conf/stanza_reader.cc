// Keywords and arguments of one stanza, and the words for what is wrong with them.
#include "conf/stanza_reader.h"

#include <algorithm>

#include <fmt/format.h>

#include "conf/suggest.h"

namespace upkeep::conf {
namespace {

/// `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
std::string alternatives(std::span<const std::string_view> words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += fmt::format("\"{}\"", words[i]);
  }
  return out;
}

/// What may have been meant by `found`.
std::string advice(std::string_view found, std::span<const std::string_view> words) {
  const auto is_glued = [found](std::string_view word) {
    return found.starts_with(word) && found.substr(word.size()).starts_with('(');
  };
  if (std::ranges::any_of(words, is_glued)) return "; put a blank before \"(\"";
  return suggestion(found, words);
}

}  // namespace

std::optional<Token> StanzaReader::argument(std::string_view what) {
  if (!has_argument()) {
    fail_missing(what);
    return std::nullopt;
  }
  auto token = lexer_.read(TokenKind::Argument);
  if (!token) return std::nullopt;
  if (token->text.empty()) {
    lexer_.fail(DiagnosticKind::MissingToken, lexer_.reached(token->start),
                fmt::format("expected {} after \"{}\", found empty quotes", what, name_));
    return std::nullopt;
  }
  lexer_.skip_blanks();
  return token;
}

std::optional<Token> StanzaReader::command() {
  if (has_argument()) return lexer_.read(TokenKind::Command);
  fail_missing("a command");
  return std::nullopt;
}

bool StanzaReader::end(std::string_view takes) {
  if (has_argument()) {
    const auto word = lexer_.peek_word();
    lexer_.fail(DiagnosticKind::ExtraToken, lexer_.position(),
                fmt::format("unexpected {}: \"{}\" takes {}", quoted_word(word), name_, takes));
    // As word processors write them.
    const bool curly = word.find("\xE2\x80\x9C") != std::string_view::npos ||
                       word.find("\xE2\x80\x9D") != std::string_view::npos;
    if (curly) lexer_.explain_failure("; only \" and ' are quotes");
    return false;
  }
  lexer_.finish_line();
  return true;
}

bool StanzaReader::refuse(DiagnosticKind kind, const Token& token, std::string_view wants) {
  return lexer_.fail(
      kind, token.start,
      fmt::format("expected {} after \"{}\", found {}", wants, name_, quoted_word(token.text)));
}

std::optional<std::size_t> StanzaReader::keyword_of(std::span<const std::string_view> words) {
  if (!has_argument()) {
    fail_missing(alternatives(words));
    return std::nullopt;
  }
  const auto token = lexer_.read(TokenKind::Word);
  if (!token) return std::nullopt;
  lexer_.skip_blanks();
  const auto index = pick(*token, words);
  if (index) extend_name(token->text);
  return index;
}

std::optional<std::size_t> StanzaReader::choice(std::span<const std::string_view> words) {
  const auto token = argument(alternatives(words));
  return token ? pick(*token, words) : std::nullopt;
}

std::optional<std::size_t> StanzaReader::pick(const Token& token,
                                              std::span<const std::string_view> words) {
  const auto found = std::ranges::find(words, token.text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  lexer_.fail(DiagnosticKind::UnknownStanza, token.start,
              fmt::format("expected {} after \"{}\", found {}{}", alternatives(words), name_,
                          quoted_word(token.text), advice(token.text, words)));
  return std::nullopt;
}

bool StanzaReader::fail_missing(std::string_view what) {
  return lexer_.fail(DiagnosticKind::MissingToken, lexer_.position(),
                     fmt::format("expected {} after \"{}\", but the line ends here", what, name_));
}

}  // namespace upkeep::conf
