#include "sim/words.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"

namespace upkeep::sim {
namespace {

constexpr bool is_blank(char byte) {
  return byte == ' ' || byte == '\t';
}

std::optional<int> hex_digit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  return std::nullopt;
}

/// The byte that the escape at the head of `rest` means; takes it off, backslash and all.
std::optional<char> take_escape(std::string_view& rest) {
  const auto letter = rest.size() > 1 ? rest[1] : '\0';
  if (letter == 'x') {
    if (rest.size() < 4) return std::nullopt;
    const auto high = hex_digit(rest[2]);
    const auto low = hex_digit(rest[3]);
    if (!high || !low) return std::nullopt;
    rest.remove_prefix(4);
    return static_cast<char>(*high * 16 + *low);
  }
  rest.remove_prefix(std::min<std::size_t>(2, rest.size()));
  if (letter == 'n') return '\n';
  if (letter == '"' || letter == '\\') return letter;
  return std::nullopt;
}

/// Takes one word off the head of `rest`, which does not begin with a blank.
Result<Word> take_word(std::string_view& rest) {
  Word word;
  bool open = false;
  while (!rest.empty() && (open || !is_blank(rest[0]))) {
    if (rest[0] == '"') {
      open = !open;
      word.quoted = true;
      rest.remove_prefix(1);
    } else if (rest[0] == '\\') {
      const auto byte = take_escape(rest);
      if (!open || !byte) return failure(R"(a backslash that is not part of \" \\ \n \xNN in "")");
      word.text += *byte;
    } else {
      word.text += rest[0];
      rest.remove_prefix(1);
    }
  }
  if (open) return failure("a quote that is not closed");
  return word;
}

struct Unit {
  std::string_view name;
  Duration length;
};
/// Largest first.
constexpr std::array kUnits{Unit{"s", 1s}, Unit{"ms", 1ms}, Unit{"us", 1us}, Unit{"ns", 1ns}};

}  // namespace

Result<std::vector<Word>> split_words(std::string_view line) {
  std::vector<Word> words;
  for (;;) {
    while (!line.empty() && is_blank(line[0])) line.remove_prefix(1);
    if (line.empty() || line[0] == '#') return words;
    const auto before = line;
    auto word = take_word(line);
    if (!word) return std::unexpected(std::move(word.error()));
    // The last byte of the word as it is written: within quotes it would be the quote.
    const char last = before[before.size() - line.size() - 1];
    const bool split = last == ',' || last == ':';
    if (split) word->text.pop_back();
    if (!split || !word->text.empty() || word->quoted) words.push_back(*std::move(word));
    if (split) words.push_back({std::string(1, last), false});
  }
}

std::string quote(std::string_view text, const std::vector<std::string_view>& keywords) {
  std::string quoted;
  bool plain = !text.empty() && text[0] != '#' && !text.ends_with(',') && !text.ends_with(':') &&
               std::ranges::find(keywords, text) == keywords.end();
  while (!text.empty()) {
    const auto length = printable_length(text);
    if (length == 0) {
      quoted += text[0] == '\n' ? "\\n" : fmt::format("\\x{:02x}", text[0] & 0xFF);
      plain = false;
      text.remove_prefix(1);
      continue;
    }
    if (text[0] == '"' || text[0] == '\\') quoted += '\\';
    if (text[0] == '"' || text[0] == '\\' || text[0] == ' ') plain = false;
    quoted += text.substr(0, length);
    text.remove_prefix(length);
  }
  return plain ? quoted : fmt::format("\"{}\"", quoted);
}

std::string quote_all(const std::vector<std::string>& parts,
                      const std::vector<std::string_view>& keywords) {
  std::string line;
  for (const auto& part : parts) line += fmt::format(" {}", quote(part, keywords));
  return line;
}

std::string title(std::string_view job, std::string_view instance) {
  return instance.empty() ? quote(job) : fmt::format("{} ({})", quote(job), printable(instance));
}

std::optional<Duration> parse_time(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_decimal(text.substr(0, digits));
  const auto unit = std::ranges::find(kUnits, text.substr(digits), &Unit::name);
  if (!number || unit == kUnits.end()) return std::nullopt;
  if (*number > static_cast<std::uint64_t>(kLongestTime / unit->length)) return std::nullopt;
  return static_cast<std::int64_t>(*number) * unit->length;
}

std::string print_time(Duration time) {
  const auto unit =
      std::ranges::find_if(kUnits, [&](const Unit& one) { return time % one.length == 0ns; });
  return fmt::format("{}{}", time / unit->length, unit->name);
}

}  // namespace upkeep::sim
