// A value that the language has a default for.
#pragma once

#include <utility>

namespace upkeep::conf {

/// Reads as its value everywhere; knows besides whether a file has set it, which tools show.
template <typename T>
class Setting {
 public:
  constexpr Setting() = default;

  /// `value` is the default of the language.
  constexpr explicit Setting(T value) : value_(std::move(value)) {}

  constexpr Setting& operator=(T value) {
    value_ = std::move(value);
    is_set_ = true;
    return *this;
  }

  constexpr operator const T&() const { return value_; }  // NOLINT: reads as its value
  [[nodiscard]] constexpr const T& value() const { return value_; }
  [[nodiscard]] constexpr const T* operator->() const { return &value_; }

  /// A file has set it, be it to the default.
  [[nodiscard]] constexpr bool is_set() const { return is_set_; }

  friend constexpr bool operator==(const Setting&, const Setting&) = default;

 private:
  T value_{};
  bool is_set_ = false;
};

}  // namespace upkeep::conf
