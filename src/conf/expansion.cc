// A recursive descent over the text; both its depth and what it produces are bounded.
#include "conf/expansion.h"

#include <unordered_map>

#include <fmt/format.h>

#include "conf/lexer.h"

namespace upkeep::conf {
namespace {

constexpr int kMaxDepth = 100;
constexpr std::size_t kMaxBytes = 1U << 20;

bool starts_name(char byte) {
  return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte == '_';
}

bool continues_name(char byte) {
  return starts_name(byte) || (byte >= '0' && byte <= '9');
}

/// The variables by name. Made at the first reference only, as most texts have none, and then
/// spares a search of the whole list for each.
class Variables {
 public:
  explicit Variables(const Environment& list) : list_(list) {}

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) {
    if (by_name_.empty()) {
      for (const auto& entry : list_) by_name_.emplace(variable_name(entry), variable_value(entry));
    }
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  const Environment& list_;
  std::unordered_map<std::string_view, std::string_view> by_name_;
};

class Expander {
 public:
  Expander(std::string_view text, const Environment& variables)
      : rest_(text), variables_(variables) {}

  /// Expands up to the first byte of `stop` that no reference uses up, or to the end.
  [[nodiscard]] Result<std::string> expand_until(std::string_view stop) {
    std::string out;
    while (!rest_.empty() && stop.find(rest_.front()) == std::string_view::npos) {
      if (rest_.front() == '$') {
        const auto value = reference();
        if (!value) return value;
        out += *value;
        continue;
      }
      const auto plain = rest_.substr(0, rest_.find_first_of(fmt::format("${}", stop)));
      if (!spend(plain.size())) return too_long();
      out += plain;
      rest_.remove_prefix(plain.size());
    }
    return out;
  }

 private:
  enum class Test { Set, NotEmpty };

  /// The value of what begins with the dollar at the front.
  [[nodiscard]] Result<std::string> reference() {
    rest_.remove_prefix(1);
    if (rest_.starts_with("{}")) {
      rest_.remove_prefix(2);
      return literal_dollar();
    }
    if (rest_.starts_with('{')) return deeper();
    if (rest_.empty() || !starts_name(rest_.front())) return literal_dollar();
    std::size_t length = 1;
    while (length < rest_.size() && continues_name(rest_[length])) ++length;
    const auto name = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return value_of(name);
  }

  [[nodiscard]] Result<std::string> deeper() {
    if (depth_ == kMaxDepth) {
      return failure(fmt::format("More than {} references inside each other", kMaxDepth));
    }
    ++depth_;
    auto value = braces();
    --depth_;
    return value;
  }

  /// `{NAME}` or `{NAME` with an operator and TEXT.
  [[nodiscard]] Result<std::string> braces() {
    rest_.remove_prefix(1);
    auto name = expand_until("}:-+");
    if (!name) return name;
    if (rest_.starts_with('}')) {
      rest_.remove_prefix(1);
      return value_of(*name);
    }
    auto test = Test::Set;
    if (rest_.starts_with(':')) {
      rest_.remove_prefix(1);
      test = Test::NotEmpty;
      if (!rest_.starts_with('-') && !rest_.starts_with('+')) return bad_operator();
    }
    if (rest_.empty()) return open_brace();
    const bool alternative = rest_.front() == '+';
    rest_.remove_prefix(1);
    auto text = expand_until("}");
    if (!text) return text;
    if (rest_.empty()) return open_brace();
    rest_.remove_prefix(1);

    const auto value = variables_.find(*name);
    const bool holds = value && (test == Test::Set || !value->empty());
    if (alternative) return holds ? *text : std::string();
    return holds ? inserted(*value) : *text;
  }

  [[nodiscard]] Result<std::string> value_of(std::string_view name) {
    const auto value = variables_.find(name);
    if (!value) return failure(fmt::format("Unknown parameter: {}", printable(name)));
    return inserted(*value);
  }

  [[nodiscard]] Result<std::string> inserted(std::string_view value) {
    if (!spend(value.size())) return too_long();
    return std::string(value);
  }

  [[nodiscard]] Result<std::string> literal_dollar() { return inserted("$"); }

  /// Text that is thrown away counts too, so this also bounds the work.
  [[nodiscard]] bool spend(std::size_t bytes) {
    if (bytes > kMaxBytes - spent_) return false;
    spent_ += bytes;
    return true;
  }

  [[nodiscard]] Result<std::string> bad_operator() const {
    const auto found = rest_.empty() ? std::string("the end") : quoted_word(rest_.substr(0, 1));
    return failure(fmt::format("Bad operator: \":\" must be followed by - or +, found {}", found));
  }

  static Result<std::string> open_brace() { return failure("Missing closing brace"); }

  static Result<std::string> too_long() {
    return failure(fmt::format("The result is longer than {} bytes", kMaxBytes));
  }

  std::string_view rest_;
  Variables variables_;
  int depth_ = 0;
  std::size_t spent_ = 0;
};

}  // namespace

Result<std::string> expand(std::string_view text, const Environment& variables) {
  return Expander(text, variables).expand_until("");
}

}  // namespace upkeep::conf
