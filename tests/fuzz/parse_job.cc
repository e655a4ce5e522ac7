// Any text is a job or has an error with a place inside the text.
#include <algorithm>

#include "fuzz.h"

#include "conf/parser.h"

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

void check_message(const conf::Diagnostic& error) {
  check(!error.message.empty() && error.message.size() < 500);
  check(std::ranges::none_of(error.message, [](char byte) { return byte >= 0 && byte < ' '; }));
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
  if (job) {
    check_job(*job);
  } else {
    check_place(job.error(), text);
    check_message(job.error());
  }
  return 0;
}
