// Names of the kinds of diagnostics, and how one is shown.
#include "conf/diagnostic.h"

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
    case DiagnosticKind::MissingEvent: return "MissingEvent";
    case DiagnosticKind::MissingOperator: return "MissingOperator";
    case DiagnosticKind::PositionalAfterNamed: return "PositionalAfterNamed";
    case DiagnosticKind::ParenMismatch: return "ParenMismatch";
    case DiagnosticKind::NulByte: return "NulByte";
    case DiagnosticKind::FileTooLarge: return "FileTooLarge";
    case DiagnosticKind::TooDeep: return "TooDeep";
  }
  return "";
}

std::string format_diagnostic(std::string_view path, const Diagnostic& diagnostic) {
  return fmt::format("{}:{}:{}: {}", printable(path), diagnostic.line, diagnostic.column,
                     diagnostic.message);
}

}  // namespace upkeep::conf
