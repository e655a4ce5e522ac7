// Which file the output of a job goes to (spec/runtime.md 5.1).
#pragma once

#include <string>
#include <string_view>

namespace upkeep::os {

/// `DIR/JOB.log` or `DIR/JOB-INSTANCE.log`, each '/' of the names as '_'. A file name longer than
/// the 255 bytes that file systems take is cut and ends in a hash of the whole, so that two long
/// instances do not share a file (Q5).
[[nodiscard]] std::string log_path(std::string_view directory, std::string_view job,
                                   std::string_view instance);

}  // namespace upkeep::os
