// What a stanza asks of its line: keywords, arguments, the end. Words the errors.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "conf/lexer.h"

namespace upkeep::conf {

/// For StanzaReader::end().
inline constexpr std::string_view kNothing = "no argument";

/// A keyword and what it stands for.
template <typename T>
struct Choice {
  std::string_view name;
  T value;
};

/// One stanza being read. Every function that returns nothing or false has recorded why.
class StanzaReader {
 public:
  StanzaReader(Lexer& lexer, Token name)
      : lexer_(lexer), start_(name.start), name_(std::move(name.text)) {}

  [[nodiscard]] Lexer& lexer() { return lexer_; }

  /// The keywords read so far, as messages name the stanza: "kill timeout".
  [[nodiscard]] const std::string& name() const { return name_; }

  [[nodiscard]] std::string take_name() { return std::move(name_); }

  /// A further keyword is part of the name.
  void extend_name(std::string_view word) { name_.append(" ").append(word); }

  /// Where the stanza begins.
  [[nodiscard]] Position start() const { return start_; }

  [[nodiscard]] bool has_argument() const { return !lexer_.at_line_end(); }

  /// The next argument, which is required and not empty. `what` completes "expected ...".
  [[nodiscard]] std::optional<Token> argument(std::string_view what);

  /// The whole line, which is required.
  [[nodiscard]] std::optional<Token> command();

  /// A second keyword, which may not be quoted.
  [[nodiscard]] bool keyword(std::string_view word) {
    return keyword_of(std::span(&word, 1)).has_value();
  }
  template <typename T, std::size_t Size>
  [[nodiscard]] std::optional<T> keyword(const Choice<T> (&choices)[Size]) {
    const auto names = names_of(choices);
    const auto index = keyword_of(names);
    return index ? std::optional(choices[*index].value) : std::nullopt;
  }

  /// An argument that must be one of these words.
  template <typename T, std::size_t Size>
  [[nodiscard]] std::optional<T> choice(const Choice<T> (&choices)[Size]) {
    const auto names = names_of(choices);
    const auto index = choice(names);
    return index ? std::optional(choices[*index].value) : std::nullopt;
  }

  [[nodiscard]] std::optional<std::size_t> choice(std::span<const std::string_view> words);

  /// The stanza is complete: drops the rest of the line, which may hold a comment only. `takes`
  /// completes "NAME takes ..." for the message.
  [[nodiscard]] bool end(std::string_view takes);

  /// The lines up to `end script`.
  [[nodiscard]] std::optional<std::string> block() { return lexer_.read_block(start_); }

  /// Refuses the value `token`. `wants` completes "expected ...". Always false.
  bool refuse(DiagnosticKind kind, const Token& token, std::string_view wants);

 private:
  template <typename T, std::size_t Size>
  static std::array<std::string_view, Size> names_of(const Choice<T> (&choices)[Size]) {
    std::array<std::string_view, Size> names;
    for (std::size_t i = 0; i < Size; ++i) names[i] = choices[i].name;
    return names;
  }

  std::optional<std::size_t> keyword_of(std::span<const std::string_view> words);
  std::optional<std::size_t> pick(const Token& token, std::span<const std::string_view> words);
  bool fail_missing(std::string_view what);

  Lexer& lexer_;
  Position start_;
  std::string name_;
};

}  // namespace upkeep::conf
