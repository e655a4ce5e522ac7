// Expansion ends, within its bound, and leaves text without a dollar alone.
#include "fuzz.h"

#include "conf/expansion.h"

using namespace upkeep;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [text, list] = fuzz::divide(fuzz::as_text(data, size));
  Environment variables;
  for (const auto entry : split(list, '\n')) variables.emplace_back(entry);

  const auto result = conf::expand(text, variables);
  if (result) check(result->size() <= 1U << 20);
  if (!result) check(!result.error().message.empty());
  if (text.find('$') == std::string_view::npos) check(!result || *result == text);
  return 0;
}
