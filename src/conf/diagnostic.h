// What is wrong with a job file, where, and what to do about it (spec/job-language.md 7).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace upkeep::conf {

/// Errors first: the kinds of spec/job-language.md 7.3 that a parser can meet, and our own. Then
/// the warnings: what the original takes without a word and what is surely not meant.
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
  BadDescriptor,  ///< ours: `expect fd`
  MissingEvent,
  MissingOperator,
  PositionalAfterNamed,
  ParenMismatch,
  NulByte,       ///< ours: files with NUL are refused (2.9)
  FileTooLarge,  ///< ours: see kMaxJobFileBytes
  TooDeep,       ///< ours: parentheses nested beyond kMaxExpressionDepth

  DuplicateStanza,        ///< a command or condition that a later one replaces
  ExpectWithScript,       ///< `expect fork` or `daemon` counts the shell's forks
  LimitWithoutRespawn,    ///< `respawn limit` does not switch `respawn` on
  TimeoutWithoutExpect,   ///< `expect timeout` with nothing to wait for
  WatchdogWithoutNotify,  ///< `expect watchdog` with no way to give signs of life
  MixedOperators,         ///< `and` and `or` side by side bind equally
  StopWithoutStart,       ///< stopped by an event, started by none
  BrokenContinuation,     ///< a backslash before CR LF continues nothing
  SwallowedStanza,        ///< a script or a quote goes over what looks like one
  UnexpandedVariable,     ///< `$` in a value of `env` stays as it is
  UnknownUser,            ///< `setuid`: not on this machine
  UnknownGroup,           ///< `setgid`: not on this machine
};
[[nodiscard]] std::string_view to_string(DiagnosticKind kind);
[[nodiscard]] bool is_warning(DiagnosticKind kind);

/// Whether it is about what several stanzas make together, so that an override may cure it.
[[nodiscard]] bool is_about_whole_job(DiagnosticKind kind);

/// A place in a text; both count from 1, columns in bytes.
struct Position {
  int line = 1;
  int column = 1;
  friend auto operator<=>(const Position&, const Position&) = default;
};

/// `line` follows the rules of spec/job-language.md 7.2; `column` counts bytes from 1 and points
/// at the word that is meant, which may stand on an earlier line when `line` is where reading
/// stopped; then it is the column where reading stopped.
struct Diagnostic {
  DiagnosticKind kind{};
  int line = 1;
  int column = 1;
  std::string message;              ///< what was found, what was expected; without place
  std::optional<Position> opening;  ///< of what was never closed: the better place to look at
};

/// `PATH:LINE:COLUMN: MESSAGE`, for a log; before the message of a warning stands `warning: `.
[[nodiscard]] std::string format_diagnostic(std::string_view path, const Diagnostic& diagnostic);

/// Whether terminal escapes may be used.
enum class Colour { No, Yes };

/// For a person: `PATH:LINE:COLUMN: error: MESSAGE` and the line of `text` with a caret below the
/// place. Several lines, each with its line feed; at most some hundred bytes beside path and
/// message, and nothing that a terminal obeys, whatever the text.
[[nodiscard]] std::string show_diagnostic(std::string_view path, std::string_view text,
                                          const Diagnostic& diagnostic, Colour colour);

}  // namespace upkeep::conf
