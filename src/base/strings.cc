#include "base/strings.h"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <unordered_map>

#include <fmt/format.h>

namespace upkeep {

std::string_view variable_name(std::string_view assignment) {
  return assignment.substr(0, assignment.find('='));
}

std::string_view variable_value(std::string_view assignment) {
  const auto equals = assignment.find('=');
  return equals == std::string_view::npos ? std::string_view{} : assignment.substr(equals + 1);
}

std::optional<std::string_view> find_variable(const Environment& environment,
                                              std::string_view name) {
  for (const auto& entry : environment) {
    if (variable_name(entry) == name) return variable_value(entry);
  }
  return std::nullopt;
}

void set_variable(Environment& environment, std::string assignment) {
  const auto name = variable_name(assignment);
  for (auto& entry : environment) {
    if (variable_name(entry) == name) {
      entry = std::move(assignment);
      return;
    }
  }
  environment.push_back(std::move(assignment));
}

void set_variables(Environment& environment, const Environment& assignments) {
  if (assignments.empty()) return;
  std::unordered_map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < environment.size(); ++i) {
    places.emplace(variable_name(environment[i]), i);
  }
  for (const auto& assignment : assignments) {
    const auto [place, added] = places.emplace(variable_name(assignment), environment.size());
    if (added) {
      environment.push_back(assignment);
    } else {
      environment[place->second] = assignment;
    }
  }
}

void unset_variable(Environment& environment, std::string_view name) {
  std::erase_if(environment, [&](const auto& entry) { return variable_name(entry) == name; });
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  if (lead >= 0xE0 && lead <= 0xEF) length = 3;
  if (lead >= 0xF0 && lead <= 0xF4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) return 0;
  }
  const auto second = static_cast<unsigned char>(text[1]);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool beyond = (lead == 0xED && second > 0x9F) || (lead == 0xF4 && second > 0x8F);
  return overlong || beyond ? 0 : length;
}

std::size_t printable_length(std::string_view text) {
  const auto length = utf8_length(text);
  if (length == 1) return text[0] >= 0x20 && text[0] < 0x7F ? 1 : 0;
  const bool control = text.starts_with('\xC2') && length == 2 &&
                       static_cast<unsigned char>(text[1]) < 0xA0;  // drive some terminals
  return control ? 0 : length;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    auto length = printable_length(text);
    if (length == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
      length = 1;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string system_error_text(int error) {
  return std::generic_category().message(error);
}

std::optional<unsigned long long> parse_decimal(std::string_view text) {
  unsigned long long value = 0;
  const auto* begin = text.begin();
  const auto [stop, error] = std::from_chars(begin, text.end(), value);
  if (error != std::errc{} || stop != text.end() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace upkeep
