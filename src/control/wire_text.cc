#include "control/wire_text.h"

#include <cstddef>

namespace upkeep::control {
namespace {

bool continues(std::string_view text, std::size_t at, unsigned char from = 0x80,
               unsigned char to = 0xBF) {
  if (at >= text.size()) return false;
  const auto byte = static_cast<unsigned char>(text[at]);
  return byte >= from && byte <= to;
}

/// Length of the well-formed sequence that starts `text` (Unicode table 3-7), or 0.
std::size_t sequence_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead >= 0x01 && lead <= 0x7F) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(text, 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned char from = lead == 0xE0 ? 0xA0 : 0x80;
    const unsigned char to = lead == 0xED ? 0x9F : 0xBF;
    return continues(text, 1, from, to) && continues(text, 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned char from = lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char to = lead == 0xF4 ? 0x8F : 0xBF;
    return continues(text, 1, from, to) && continues(text, 2) && continues(text, 3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string wire_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto length = sequence_length(text);
    out += length == 0 ? std::string_view{"\xEF\xBF\xBD"} : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace upkeep::control
