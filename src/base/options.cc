#include "base/options.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace upkeep {
namespace {

/// One pass over a command line.
class Reader {
 public:
  Reader(std::span<const std::string> words, std::span<const Option> options,
         UnknownOptions unknown, LongNames long_names)
      : words_(words), options_(options), unknown_(unknown), long_names_(long_names) {}

  Result<std::vector<std::string>> read(ArgumentOrder order) {
    std::vector<std::string> arguments;
    while (next_ < words_.size()) {
      const std::string& word = words_[next_++];
      if (word == "--") {
        take_rest(arguments);
        break;
      }
      if (word.size() < 2 || word[0] != '-') {
        arguments.push_back(word);
        if (order == ArgumentOrder::OptionsFirst) take_rest(arguments);
        continue;
      }
      const auto done = is_long(word) ? read_long(word) : read_cluster(word);
      if (!done) return std::unexpected(done.error());
    }
    return arguments;
  }

 private:
  void take_rest(std::vector<std::string>& arguments) {
    const auto rest = words_.subspan(next_);
    arguments.insert(arguments.end(), rest.begin(), rest.end());
    next_ = words_.size();
  }

  bool is_long(std::string_view word) const {
    if (word[1] == '-') return true;
    return long_names_ == LongNames::OneDashToo && find_long(word.substr(0, word.find('=')));
  }

  Result<void> read_long(std::string_view word) {
    const auto equals = word.find('=');
    const auto spelled = word.substr(0, equals);
    const auto* option = find_long(spelled);
    if (!option) return refuse(spelled);
    if (equals == std::string_view::npos) return apply(*option, spelled, std::nullopt);
    if (option->parameter.empty()) return failure(fmt::format("unexpected argument: {}", word));
    return apply(*option, spelled, word.substr(equals + 1));
  }

  /// `-abc`: the first letter that takes a value has the rest of the word as its value.
  Result<void> read_cluster(std::string_view word) {
    for (std::size_t at = 1; at < word.size(); ++at) {
      const std::string spelled{'-', word[at]};
      const auto* option = find([&](const Option& row) { return row.letter == word[at]; });
      if (!option) {
        if (auto refused = refuse(spelled); !refused) return refused;
        continue;
      }
      if (option->parameter.empty()) {
        option->apply({});
        continue;
      }
      const auto rest = word.substr(at + 1);
      return apply(*option, spelled, rest.empty() ? std::nullopt : std::optional(rest));
    }
    return {};
  }

  Result<void> apply(const Option& option, std::string_view spelled,
                     std::optional<std::string_view> value) {
    if (!option.parameter.empty() && !value) {
      if (next_ == words_.size()) return failure(fmt::format("missing argument: {}", spelled));
      value = words_[next_++];
    }
    option.apply(value.value_or(std::string_view{}));
    return {};
  }

  Result<void> refuse(std::string_view spelled) const {
    if (unknown_ == UnknownOptions::Skip) return {};
    return failure(fmt::format("invalid option: {}", spelled));
  }

  /// The option of a long name with its dashes.
  const Option* find_long(std::string_view spelled) const {
    const auto name = spelled.substr(spelled.starts_with("--") ? 2 : 1);
    return find([&](const Option& row) { return !row.name.empty() && row.name == name; });
  }

  template <typename Predicate>
  const Option* find(Predicate matches) const {
    const auto found = std::ranges::find_if(options_, matches);
    return found == options_.end() ? nullptr : &*found;
  }

  std::span<const std::string> words_;
  std::span<const Option> options_;
  UnknownOptions unknown_;
  LongNames long_names_;
  std::size_t next_ = 0;
};

std::string spelling(const Option& option) {
  std::string text = option.letter ? fmt::format("-{}", option.letter) : "  ";
  if (!option.name.empty()) text += fmt::format("{}--{}", option.letter ? ", " : "  ", option.name);
  if (option.parameter.empty()) return text;
  return text + fmt::format("{}{}", option.name.empty() ? ' ' : '=', option.parameter);
}

}  // namespace

Result<std::vector<std::string>> read_options(std::span<const std::string> words,
                                              std::span<const Option> options, ArgumentOrder order,
                                              UnknownOptions unknown, LongNames long_names) {
  return Reader(words, options, unknown, long_names).read(order);
}

std::string describe_options(std::span<const Option> options) {
  std::size_t width = 0;
  for (const auto& option : options) {
    if (!option.help.empty()) width = std::max(width, spelling(option).size());
  }
  std::string text;
  for (const auto& option : options) {
    if (option.help.empty()) continue;
    text += fmt::format("  {:<{}}  {}\n", spelling(option), width, option.help);
  }
  return text;
}

}  // namespace upkeep
