#include "control/object_path.h"

#include <algorithm>

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

bool has_high_byte(std::string_view name) {
  return std::ranges::any_of(name, [](char byte) { return (byte & 0x80) != 0; });
}

/// With high bytes as Upstart writes them.
std::string escape_as_upstart(std::string name) {
  for (char& byte : name) {
    if ((byte & 0x80) != 0) byte = '\xff';
  }
  return escape_element(name);
}

/// With capitals, as no other element is written.
std::string escape_apart(std::string_view name) {
  std::string element;
  for (const char byte : name) element += fmt::format("_{:02X}", static_cast<unsigned char>(byte));
  return element;
}

/// The elements of a path below /jobs.
struct Elements {
  std::string_view job;
  std::optional<std::string_view> instance;
};

std::optional<Elements> split_path(std::string_view path) {
  const std::string_view jobs = dbus::kJobsPath;
  if (!path.starts_with(jobs) || path.size() == jobs.size() || path[jobs.size()] != '/') {
    return std::nullopt;
  }
  const auto elements = split(path.substr(jobs.size() + 1), '/');
  if (elements.size() > 2) return std::nullopt;
  if (elements.size() == 1) return Elements{elements[0], std::nullopt};
  return Elements{elements[0], elements[1]};
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

void InstancePaths::add(const std::string& job, const std::string& instance) {
  if (!has_high_byte(instance)) return;
  auto& [elements, names] = jobs_[job];
  // The last is for a name of bytes 0xff, whose path another one has got from Upstart's rule.
  for (auto& element :
       {escape_as_upstart(instance), escape_element(instance), escape_apart(instance)}) {
    if (!names.emplace(element, instance).second) continue;
    elements.emplace(instance, element);
    return;
  }
}

void InstancePaths::remove(const std::string& job, const std::string& instance) {
  const auto found = jobs_.find(job);
  if (found == jobs_.end()) return;
  auto& [elements, names] = found->second;
  const auto element = elements.find(instance);
  if (element == elements.end()) return;
  names.erase(element->second);
  elements.erase(element);
  if (elements.empty()) jobs_.erase(found);
}

std::string InstancePaths::path(const std::string& job, const std::string& instance) const {
  if (const auto found = jobs_.find(job); found != jobs_.end()) {
    const auto element = found->second.elements.find(instance);
    if (element != found->second.elements.end()) {
      return fmt::format("{}/{}", job_path(job), element->second);
    }
  }
  return instance_path(job, instance);
}

std::optional<ObjectName> InstancePaths::parse(std::string_view path) const {
  const auto elements = split_path(path);
  if (!elements) return std::nullopt;
  auto job = unescape_element(elements->job);
  if (!job) return std::nullopt;
  if (!elements->instance) return ObjectName{std::move(*job), std::nullopt};
  if (const auto found = jobs_.find(*job); found != jobs_.end()) {
    const auto name = found->second.names.find(*elements->instance);
    if (name != found->second.names.end()) return ObjectName{std::move(*job), name->second};
  }
  auto instance = unescape_element(*elements->instance);
  if (!instance) return std::nullopt;
  return ObjectName{std::move(*job), std::move(instance)};
}

}  // namespace upkeep::control
