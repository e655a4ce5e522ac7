// Names of the kinds of diagnostics, and how one is shown.
#include "conf/diagnostic.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "base/strings.h"

namespace upkeep::conf {

std::string_view to_string(DiagnosticKind kind) {
  switch (kind) {
    case DiagnosticKind::MissingToken: return "MissingToken";
    case DiagnosticKind::ExtraToken: return "ExtraToken";
    case DiagnosticKind::DanglingBackslash: return "DanglingBackslash";
    case DiagnosticKind::OpenQuote: return "OpenQuote";
    case DiagnosticKind::OpenBlock: return "OpenBlock";
    case DiagnosticKind::UnknownStanza: return "UnknownStanza";
    case DiagnosticKind::BadInterval: return "BadInterval";
    case DiagnosticKind::BadExitStatus: return "BadExitStatus";
    case DiagnosticKind::BadSignal: return "BadSignal";
    case DiagnosticKind::BadUmask: return "BadUmask";
    case DiagnosticKind::BadNice: return "BadNice";
    case DiagnosticKind::BadOom: return "BadOom";
    case DiagnosticKind::BadLimit: return "BadLimit";
    case DiagnosticKind::BadDescriptor: return "BadDescriptor";
    case DiagnosticKind::MissingEvent: return "MissingEvent";
    case DiagnosticKind::MissingOperator: return "MissingOperator";
    case DiagnosticKind::PositionalAfterNamed: return "PositionalAfterNamed";
    case DiagnosticKind::ParenMismatch: return "ParenMismatch";
    case DiagnosticKind::NulByte: return "NulByte";
    case DiagnosticKind::FileTooLarge: return "FileTooLarge";
    case DiagnosticKind::TooDeep: return "TooDeep";
    case DiagnosticKind::DuplicateStanza: return "DuplicateStanza";
    case DiagnosticKind::ExpectWithScript: return "ExpectWithScript";
    case DiagnosticKind::LimitWithoutRespawn: return "LimitWithoutRespawn";
    case DiagnosticKind::TimeoutWithoutExpect: return "TimeoutWithoutExpect";
    case DiagnosticKind::WatchdogWithoutNotify: return "WatchdogWithoutNotify";
    case DiagnosticKind::MixedOperators: return "MixedOperators";
    case DiagnosticKind::StopWithoutStart: return "StopWithoutStart";
    case DiagnosticKind::BrokenContinuation: return "BrokenContinuation";
    case DiagnosticKind::SwallowedStanza: return "SwallowedStanza";
    case DiagnosticKind::UnexpandedVariable: return "UnexpandedVariable";
    case DiagnosticKind::UnknownUser: return "UnknownUser";
    case DiagnosticKind::UnknownGroup: return "UnknownGroup";
  }
  return "";
}

bool is_about_whole_job(DiagnosticKind kind) {
  switch (kind) {
    case DiagnosticKind::ExpectWithScript:
    case DiagnosticKind::LimitWithoutRespawn:
    case DiagnosticKind::TimeoutWithoutExpect:
    case DiagnosticKind::WatchdogWithoutNotify:
    case DiagnosticKind::StopWithoutStart: return true;
    default: return false;
  }
}

bool is_warning(DiagnosticKind kind) {
  return kind >= DiagnosticKind::DuplicateStanza;
}

std::string format_diagnostic(std::string_view path, const Diagnostic& diagnostic) {
  return fmt::format("{}:{}:{}: {}{}", printable(path), diagnostic.line, diagnostic.column,
                     is_warning(diagnostic.kind) ? "warning: " : "", diagnostic.message);
}

namespace {

/// Columns of a line that are shown around the caret.
constexpr std::size_t kShownBefore = 60;
constexpr std::size_t kShownAfter = 40;

std::string_view line_of(std::string_view text, int number) {
  // By blocks first: a hostile text has a thousand errors behind a million lines.
  constexpr std::size_t kBlock = 4096;
  while (text.size() > kBlock) {
    const auto lines = std::ranges::count(text.substr(0, kBlock), '\n');
    if (lines >= number - 1) break;
    number -= static_cast<int>(lines);
    text.remove_prefix(kBlock);
  }
  for (; number > 1; --number) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

bool continues_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// One column for each character, so that a caret finds its place: blanks become spaces, and what
/// cannot be shown a question mark.
std::string in_columns(std::string_view part) {
  std::string out;
  for (std::size_t i = 0; i < part.size();) {
    const auto rest = part.substr(i);
    if (const auto length = printable_length(rest); length > 0) {
      out += rest.substr(0, length);
      i += length;
      continue;
    }
    out += rest[0] == '\t' || rest[0] == '\r' ? ' ' : '?';
    i += std::max<std::size_t>(utf8_length(rest), 1);
  }
  return out;
}

std::size_t columns(std::string_view shown) {
  return static_cast<std::size_t>(
      std::ranges::count_if(shown, [](char byte) { return !continues_character(byte); }));
}

/// `   12 | exec say it's` and a caret below.
std::string excerpt(std::string_view text, Position place, std::string_view caret) {
  const auto line = line_of(text, place.line);
  const auto at = std::min(static_cast<std::size_t>(place.column) - 1, line.size());
  auto from = at - std::min(at, kShownBefore);
  while (from > 0 && continues_character(line[from])) --from;
  auto to = std::min(at + kShownAfter, line.size());
  while (to < line.size() && continues_character(line[to])) ++to;

  const auto before = (from > 0 ? "..." : "") + in_columns(line.substr(from, at - from));
  const auto after = in_columns(line.substr(at, to - at)) + (to < line.size() ? "..." : "");
  return fmt::format("{:5} | {}{}\n      | {:{}}{}\n", place.line, before, after, "",
                     columns(before), caret);
}

}  // namespace

std::string show_diagnostic(std::string_view path, std::string_view text,
                            const Diagnostic& diagnostic, Colour colour) {
  const bool warning = is_warning(diagnostic.kind);
  std::string label = warning ? "warning:" : "error:";
  std::string caret = "^";
  if (colour == Colour::Yes) {
    label = fmt::format("\x1b[1;{}m{}\x1b[0m", warning ? 35 : 31, label);
    caret = "\x1b[1;32m^\x1b[0m";
  }
  const Position place{diagnostic.line, diagnostic.column};
  return fmt::format("{}:{}:{}: {} {}\n{}", printable(path), place.line, place.column, label,
                     diagnostic.message, excerpt(text, diagnostic.opening.value_or(place), caret));
}

}  // namespace upkeep::conf
