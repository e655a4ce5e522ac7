// Numbers that name things, as types of their own: a SpawnId is never taken for a RequestId.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace upkeep {

template <typename Tag>
struct StrongId {
  std::uint64_t value = 0;  ///< 0 names nothing.

  constexpr explicit operator bool() const { return value != 0; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
};

}  // namespace upkeep

template <typename Tag>
struct std::hash<upkeep::StrongId<Tag>> {
  std::size_t operator()(upkeep::StrongId<Tag> id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value);
  }
};
