// What spawn_bench and its program have agreed on.
#pragma once

namespace upkeep::bench {

/// Where spawn_probe writes a timespec.
inline constexpr int kProbeDescriptor = 100;

}  // namespace upkeep::bench
