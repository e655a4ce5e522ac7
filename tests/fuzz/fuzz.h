// What the fuzz targets share: their entry, and how they complain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

/// The entry that libFuzzer and the replay test call.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace upkeep::fuzz {

inline std::string_view as_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Ends the program where a promise is broken, in every kind of build.
inline void check(bool promise) {
  if (!promise) std::abort();
}

/// Divides an input at the first 0x01, a byte no seed has elsewhere; the second part may be empty.
inline std::pair<std::string_view, std::string_view> divide(std::string_view text) {
  const auto at = text.find('\x01');
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace upkeep::fuzz
