// The command line, read the same way by every program (spec/control.md 2.1).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace upkeep {

/// One option of a program, as a row of its table. `apply` is called once for each time the option
/// is given, in order, so that an option may be repeated.
struct Option {
  char letter = 0;             ///< `-q`; 0: long form only
  std::string_view name;       ///< `--quiet`, without the dashes; empty: letter only
  std::string_view parameter;  ///< what the value is called in the help; empty: takes no value
  std::string_view help;       ///< one line; empty: not listed in the help
  std::function<void(std::string_view value)> apply;
};

/// What a program does with an option that is not in its table.
enum class UnknownOptions {
  Refuse,
  Skip,  ///< for a process 1, which gets the kernel's command line
};

/// Where options may stand.
enum class ArgumentOrder {
  Mixed,        ///< before, between and after the arguments
  OptionsFirst  ///< the first argument ends the options; the rest is returned as it is
};

/// How long names may be written.
enum class LongNames {
  TwoDashes,
  OneDashToo  ///< `-quiet` and `-quiet=V` as well, taken before a cluster of letters
};

/// Applies the options among `words` (the command line without the program's name) and returns the
/// arguments. Long options must be spelled in full; values are written `--name=V`, `--name V`,
/// `-nV` or `-n V`; letters may be clustered; `--` ends the options.
/// Fails with `invalid option: X`, `missing argument: X` or `unexpected argument: --x=y`.
[[nodiscard]] Result<std::vector<std::string>> read_options(
    std::span<const std::string> words, std::span<const Option> options,
    ArgumentOrder order = ArgumentOrder::Mixed, UnknownOptions unknown = UnknownOptions::Refuse,
    LongNames long_names = LongNames::TwoDashes);

/// The options as `--help` lists them: one indented line each, in the order of the table.
[[nodiscard]] std::string describe_options(std::span<const Option> options);

}  // namespace upkeep
