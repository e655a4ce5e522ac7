// The rules are by name alone; nothing here looks at the disk.
#include "os/job_file_names.h"

#include <algorithm>
#include <array>

namespace upkeep::os {
namespace {

using namespace std::string_view_literals;

constexpr std::array kIgnoredNames{"RCS"sv,       "CVS"sv,    "CVS.adm"sv, "SCCS"sv,
                                   "BitKeeper"sv, "{arch}"sv, "_darcs"sv};
constexpr std::array kIgnoredEndings{"~"sv,    ".bak"sv, ".BAK"sv,     ".swp"sv,     ".swo"sv,
                                     ".swn"sv, ",v"sv,   ".rpmsave"sv, ".rpmorig"sv, ".rpmnew"sv};

/// From the last dot on; empty without a dot.
std::string_view suffix(std::string_view name) {
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view{} : name.substr(dot);
}

/// `NAME;0123abcd`, as some installers name what they are about to replace.
bool ends_in_transaction_id(std::string_view name) {
  constexpr std::size_t kDigits = 8;
  if (name.size() <= kDigits || name[name.size() - kDigits - 1] != ';') return false;
  return name.substr(name.size() - kDigits).find_first_not_of("0123456789abcdefABCDEF") ==
         std::string_view::npos;
}

}  // namespace

JobDirectory child_directory(const JobDirectory& parent, std::string_view name) {
  auto relative = parent.relative;
  if (!relative.empty()) relative += '/';
  return {parent.source, relative.append(name)};
}

std::optional<JobFileId> job_file(const JobDirectory& parent, std::string_view name) {
  const auto ending = suffix(name);
  if (ending.size() == name.size()) return std::nullopt;  // the suffix alone is no name
  if (ending != ".conf" && ending != ".override") return std::nullopt;
  name.remove_suffix(ending.size());
  return JobFileId{parent.source, child_directory(parent, name).relative,
                   ending == ".conf" ? JobFileKind::Conf : JobFileKind::Override};
}

bool is_ignored_directory(std::string_view name) {
  if (name.starts_with('.') || std::ranges::find(kIgnoredNames, name) != kIgnoredNames.end()) {
    return true;
  }
  const auto ends_name = [name](std::string_view ending) { return name.ends_with(ending); };
  if (std::ranges::any_of(kIgnoredEndings, ends_name)) return true;
  if (name.size() >= 2 && name.starts_with('#') && name.ends_with('#')) return true;
  return suffix(name).starts_with(".dpkg-") || ends_in_transaction_id(name);
}

}  // namespace upkeep::os
