// Result<T>: a value, or an Error that says in words what went wrong.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace upkeep {

/// What went wrong, ready to be shown to a person. No trailing full stop.
struct Error {
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;

/// Shorthand for the failing side of a Result.
inline std::unexpected<Error> failure(std::string message) {
  return std::unexpected(Error{std::move(message)});
}

}  // namespace upkeep
