#include "control/object_path.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "dbus/names.h"

namespace upkeep::control {
namespace {

/// Not std::isalnum, which asks the locale.
bool stands_for_itself(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9');
}

std::optional<int> hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return std::nullopt;
}

}  // namespace

std::string escape_element(std::string_view name) {
  if (name.empty()) return "_";
  std::string element;
  for (const char byte : name) {
    if (stands_for_itself(byte)) {
      element += byte;
    } else {
      element += fmt::format("_{:02x}", static_cast<unsigned char>(byte));
    }
  }
  return element;
}

std::optional<std::string> unescape_element(std::string_view element) {
  if (element.empty()) return std::nullopt;
  if (element == "_") return std::string{};
  std::string name;
  while (!element.empty()) {
    if (stands_for_itself(element[0])) {
      name += element[0];
      element.remove_prefix(1);
      continue;
    }
    if (element[0] != '_' || element.size() < 3) return std::nullopt;
    const auto high = hex_digit(element[1]);
    const auto low = hex_digit(element[2]);
    if (!high || !low) return std::nullopt;
    const auto byte = static_cast<char>(*high * 16 + *low);
    if (stands_for_itself(byte)) return std::nullopt;
    name += byte;
    element.remove_prefix(3);
  }
  return name;
}

std::string job_path(std::string_view job) {
  return fmt::format("{}/{}", dbus::kJobsPath, escape_element(job));
}

std::string instance_path(std::string_view job, std::string_view instance) {
  return fmt::format("{}/{}", job_path(job), escape_element(instance));
}

std::optional<ObjectName> parse_object_path(std::string_view path) {
  const std::string_view jobs = dbus::kJobsPath;
  if (!path.starts_with(jobs) || path.size() == jobs.size() || path[jobs.size()] != '/') {
    return std::nullopt;
  }
  const auto elements = split(path.substr(jobs.size() + 1), '/');
  if (elements.size() > 2) return std::nullopt;
  auto job = unescape_element(elements[0]);
  if (!job) return std::nullopt;
  if (elements.size() == 1) return ObjectName{std::move(*job), std::nullopt};
  auto instance = unescape_element(elements[1]);
  if (!instance) return std::nullopt;
  return ObjectName{std::move(*job), std::move(instance)};
}

}  // namespace upkeep::control
