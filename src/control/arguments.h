// Reading what a client sent and writing what it gets.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <systemd/sd-bus.h>

#include "base/strings.h"
#include "conf/event_expression.h"
#include "core/types.h"

namespace upkeep::control {

/// No program can be given more than this, so no job and no event needs it.
inline constexpr std::size_t kMaxEnvironmentBytes = 4U << 20;

/// Half of what one variable of a process can hold: UPSTART_EVENTS has the names of events.
inline constexpr std::size_t kMaxEventNameBytes = 64U << 10;

/// Reads an `as` of variables, whose form the core checks. Below 0: refused, and `error` says why.
[[nodiscard]] int read_environment(sd_bus_message* call, Environment& environment,
                                   sd_bus_error* error);

/// The same for any `as`; `title` begins the message about one that is too large.
[[nodiscard]] int read_texts(sd_bus_message* call, std::string_view title,
                             std::vector<std::string>& texts, sd_bus_error* error);

/// Reads an `s`.
[[nodiscard]] int read_text(sd_bus_message* call, std::string& text);

/// Read a `b`.
[[nodiscard]] int read_flag(sd_bus_message* call, bool& flag);
[[nodiscard]] int read_wait(sd_bus_message* call, core::Wait& wait);

/// The following append to a message under construction; below 0: it cannot be built.
[[nodiscard]] int append_text(sd_bus_message* message, std::string_view text);
[[nodiscard]] int append_texts(sd_bus_message* message, const std::vector<std::string>& texts);

/// As `aas`, in reverse Polish order (spec/control.md 1.5). No condition is an empty array.
[[nodiscard]] int append_condition(sd_bus_message* message, const conf::EventExpression* condition);

/// Answers with what `append` puts into the reply; below 0: it cannot be built.
[[nodiscard]] int reply_with(sd_bus_message* call,
                             const std::function<int(sd_bus_message*)>& append);

/// Answers with an `ao`.
[[nodiscard]] int reply_object_paths(sd_bus_message* call, const std::vector<std::string>& paths);

}  // namespace upkeep::control
