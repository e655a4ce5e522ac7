#include "base/json.h"

#include <iterator>

#include <fmt/format.h>

#include "base/strings.h"

namespace upkeep {
namespace {

/// A byte that stands in a JSON string as it is.
bool is_plain(char byte) {
  return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

void append_escaped(std::string& out, char byte) {
  switch (byte) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(byte));
  }
}

/// The escape for the Unicode line end that begins `text`, if one does. JSON lets these stand as
/// they are, but readers that cut a text into lines would cut a string there.
std::string_view line_end_escape(std::string_view text) {
  if (text.starts_with("\xC2\x85")) return "\\u0085";
  if (text.starts_with("\xE2\x80\xA8")) return "\\u2028";
  if (text.starts_with("\xE2\x80\xA9")) return "\\u2029";
  return {};
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr unsigned kSurrogates = 0xDC00;
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto from = i;
    while (i < text.size() && is_plain(text[i])) ++i;
    out.append(text, from, i - from);
    if (i == text.size()) break;
    const auto length = utf8_length(text.substr(i));
    if (length == 0) {
      const unsigned byte = static_cast<unsigned char>(text[i++]);
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", kSurrogates + byte);
    } else if (length == 1) {
      append_escaped(out, text[i++]);
    } else {
      const auto character = text.substr(i, length);
      const auto escape = line_end_escape(character);
      out += escape.empty() ? character : escape;
      i += length;
    }
  }
  out += '"';
}

void JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_ += ':';
  needs_comma_ = false;
}

void JsonWriter::value(std::string_view text) {
  separate();
  append_json_string(out_, text);
}

void JsonWriter::value(bool truth) {
  separate();
  out_ += truth ? "true" : "false";
}

void JsonWriter::value(std::int64_t number) {
  separate();
  out_ += fmt::format_int(number).c_str();
}

void JsonWriter::value(std::uint64_t number) {
  separate();
  out_ += fmt::format_int(number).c_str();
}

void JsonWriter::begin(char bracket) {
  separate();
  out_ += bracket;
  needs_comma_ = false;
}

void JsonWriter::end(char bracket) {
  out_ += bracket;
  needs_comma_ = true;
}

void JsonWriter::separate() {
  if (needs_comma_) out_ += ',';
  needs_comma_ = true;
}

}  // namespace upkeep
