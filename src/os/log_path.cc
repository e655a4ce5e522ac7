#include "os/log_path.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace upkeep::os {
namespace {

constexpr std::string_view kSuffix = ".log";
constexpr std::size_t kLongestFileName = 255;  // NAME_MAX of Linux file systems

/// FNV-1a: the same for ever, which std::hash does not promise.
std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char byte : text) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  }
  return hash;
}

std::string shortened(std::string_view name) {
  const auto tail = fmt::format("-{:016x}", stable_hash(name));
  auto length = kLongestFileName - kSuffix.size() - tail.size();
  // Do not cut a UTF-8 character in two.
  while (length > 0 && (static_cast<unsigned char>(name[length]) & 0xC0) == 0x80) --length;
  return fmt::format("{}{}", name.substr(0, length), tail);
}

}  // namespace

std::string log_path(std::string_view directory, std::string_view job, std::string_view instance) {
  auto name = instance.empty() ? std::string(job) : fmt::format("{}-{}", job, instance);
  // Hashed before '/' is replaced, so that a/b and a_b differ at least when they are long.
  if (name.size() > kLongestFileName - kSuffix.size()) name = shortened(name);
  std::replace(name.begin(), name.end(), '/', '_');
  return fmt::format("{}/{}{}", directory, name, kSuffix);
}

}  // namespace upkeep::os
