// Any text is a job, which printed and parsed again is the same job, or has errors with places
// inside the text; and all that is said of it can be shown.
#include <algorithm>

#include "fuzz.h"

#include "conf/parser.h"
#include "conf/printer.h"

using namespace upkeep;
using fuzz::check;

namespace {

int depth(const conf::EventExpression* node) {
  if (node == nullptr) return 0;
  check(node->kind == conf::EventExpression::Kind::Event || (node->left && node->right));
  return 1 + std::max(depth(node->left.get()), depth(node->right.get()));
}

void check_place(const conf::Diagnostic& error, std::string_view text) {
  check(error.line >= 1 && error.line <= std::ranges::count(text, '\n') + 1);
  for (int line = 1; line < error.line; ++line) text.remove_prefix(text.find('\n') + 1);
  const auto length = std::min(text.find('\n'), text.size());
  check(error.column >= 1 && static_cast<std::size_t>(error.column) <= length + 1);
}

bool obeyed_by_terminal(char byte) {
  return byte >= 0 && byte < ' ' && byte != '\n';
}

void check_message(const conf::Diagnostic& error, std::string_view text) {
  check(!error.message.empty() && error.message.size() < 500);
  check(error.message.find('\n') == std::string::npos);
  const auto shown = conf::show_diagnostic("x.conf", text, error, conf::Colour::No);
  check(shown.size() < 1500 && std::ranges::count(shown, '\n') == 3);
  check(std::ranges::none_of(shown, obeyed_by_terminal));
}

void check_diagnostics(const std::vector<conf::Diagnostic>& all, std::string_view text) {
  check(all.size() <= conf::kMaxDiagnostics);
  for (const auto& one : all) {
    check_place(one, text);
    check_message(one, text);
  }
}

void check_job(const conf::JobDefinition& job) {
  check(depth(job.start_on.get()) <= conf::kMaxExpressionDepth + 1);
  check(depth(job.stop_on.get()) <= conf::kMaxExpressionDepth + 1);
  check(job.limits.size() <= conf::resources().size());
  check(job.kill_timeout_seconds >= 0 && job.kill_signal >= 0 && job.umask.value_or(0) <= 0777);
  for (const auto& process : job.processes) {
    if (!process) continue;
    const bool folded = process->text.find('\n') == std::string::npos;
    check(process->form == conf::Command::Form::Script || folded);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::as_text(data, size);
  const auto job = conf::parse_job(text);
  if (!job) {
    check(!job.error().empty() && !conf::is_warning(job.error().front().kind));
    check_diagnostics(job.error(), text);
    return 0;
  }
  check_job(job->definition);
  check_diagnostics(job->warnings, text);
  const auto again = conf::parse_job(conf::print_job(job->definition));
  check(again && again->definition == job->definition);
  return 0;
}
