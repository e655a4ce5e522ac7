// The language promises the habits of the C conversions, so these are the C conversions.
#include "conf/numbers.h"

#include <cerrno>
#include <cstdlib>
#include <limits>

#include "base/signals.h"

namespace upkeep::conf {
namespace {

template <typename Number, typename Convert>
std::optional<Number> convert_whole(const std::string& text, Convert convert) {
  char* end = nullptr;
  errno = 0;
  const auto value = convert(text.c_str(), &end);
  const bool whole = end != text.c_str() && end == text.c_str() + text.size();
  if (!whole || errno != 0) return std::nullopt;
  return value;
}

std::optional<int> parse_natural_int(const std::string& text) {
  const auto number = parse_unsigned(text);
  if (!number || *number > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(*number);
}

}  // namespace

std::optional<std::int64_t> parse_signed(const std::string& text, int base) {
  return convert_whole<std::int64_t>(
      text, [base](const char* from, char** end) { return std::strtoll(from, end, base); });
}

std::optional<std::uint64_t> parse_unsigned(const std::string& text) {
  return convert_whole<std::uint64_t>(
      text, [](const char* from, char** end) { return std::strtoull(from, end, 10); });
}

std::optional<int> parse_signal(const std::string& text) {
  if (const auto signal = signal_number(text)) return signal;
  return parse_natural_int(text);
}

std::optional<int> parse_exit_status(const std::string& text) {
  if (const auto signal = signal_number(text)) return *signal * 256;
  return parse_natural_int(text);
}

}  // namespace upkeep::conf
