// What is wrong with a job file, where, and what to do about it (spec/job-language.md 7).
#pragma once

#include <string>
#include <string_view>

namespace upkeep::conf {

/// The kinds of spec/job-language.md 7.3 that a parser can meet.
enum class DiagnosticKind {
  MissingToken,
  ExtraToken,
  DanglingBackslash,
  OpenQuote,
  OpenBlock,
  UnknownStanza,
  BadInterval,
  BadExitStatus,
  BadSignal,
  BadUmask,
  BadNice,
  BadOom,
  BadLimit,
  MissingEvent,
  MissingOperator,
  PositionalAfterNamed,
  ParenMismatch,
  NulByte,       ///< ours: files with NUL are refused (2.9)
  FileTooLarge,  ///< ours: see kMaxJobFileBytes
  TooDeep,       ///< ours: parentheses nested beyond kMaxExpressionDepth
};
[[nodiscard]] std::string_view to_string(DiagnosticKind kind);

/// `line` follows the rules of spec/job-language.md 7.2; `column` counts bytes from 1 and points
/// at the word that is meant, which may stand on an earlier line when `line` is where reading
/// stopped; then it is the column where reading stopped.
struct Diagnostic {
  DiagnosticKind kind{};
  int line = 1;
  int column = 1;
  std::string message;  ///< what was found, what was expected; without place
};

/// `PATH:LINE:COLUMN: MESSAGE`.
[[nodiscard]] std::string format_diagnostic(std::string_view path, const Diagnostic& diagnostic);

}  // namespace upkeep::conf
