#include "control/arguments.h"

#include <fmt/format.h>

#include "control/errors.h"
#include "control/wire_text.h"
#include "dbus/handles.h"

namespace upkeep::control {

int read_environment(sd_bus_message* call, Environment& environment, sd_bus_error* error) {
  return read_texts(call, "Env", environment, error);
}

int read_texts(sd_bus_message* call, std::string_view title, std::vector<std::string>& texts,
               sd_bus_error* error) {
  int result = sd_bus_message_enter_container(call, SD_BUS_TYPE_ARRAY, "s");
  if (result < 0) return result;
  std::size_t bytes = 0;
  const char* entry = nullptr;
  while ((result = sd_bus_message_read_basic(call, SD_BUS_TYPE_STRING, &entry)) > 0) {
    const std::string_view text = entry;
    bytes += text.size() + 1;
    if (bytes > kMaxEnvironmentBytes) {
      return refuse(error, SD_BUS_ERROR_INVALID_ARGS,
                    fmt::format("{} may not be larger than {} bytes", title, kMaxEnvironmentBytes));
    }
    texts.emplace_back(text);
  }
  return result < 0 ? result : sd_bus_message_exit_container(call);
}

int read_text(sd_bus_message* call, std::string& text) {
  const char* read = nullptr;
  const int result = sd_bus_message_read_basic(call, SD_BUS_TYPE_STRING, &read);
  if (result > 0) text = read;
  return result;
}

int read_flag(sd_bus_message* call, bool& flag) {
  int read = 0;
  const int result = sd_bus_message_read_basic(call, SD_BUS_TYPE_BOOLEAN, &read);
  flag = read != 0;
  return result;
}

int read_wait(sd_bus_message* call, core::Wait& wait) {
  bool flag = false;
  const int result = read_flag(call, flag);
  wait = flag ? core::Wait::Yes : core::Wait::No;
  return result;
}

int append_text(sd_bus_message* message, std::string_view text) {
  return sd_bus_message_append_basic(message, SD_BUS_TYPE_STRING, wire_text(text).c_str());
}

int append_texts(sd_bus_message* message, const std::vector<std::string>& texts) {
  int result = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "s");
  for (const auto& text : texts) {
    if (result < 0) return result;
    result = append_text(message, text);
  }
  return result < 0 ? result : sd_bus_message_close_container(message);
}

namespace {

/// Depth is bounded by the parser.
int append_nodes(sd_bus_message* message, const conf::EventExpression& node) {
  using Kind = conf::EventExpression::Kind;
  if (node.kind == Kind::Event) {
    std::vector<std::string> words{node.event};
    words.insert(words.end(), node.arguments.begin(), node.arguments.end());
    return append_texts(message, words);
  }
  if (const int result = append_nodes(message, *node.left); result < 0) return result;
  if (const int result = append_nodes(message, *node.right); result < 0) return result;
  return append_texts(message, {node.kind == Kind::And ? "/AND" : "/OR"});
}

}  // namespace

int append_condition(sd_bus_message* message, const conf::EventExpression* condition) {
  int result = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "as");
  if (result >= 0 && condition) result = append_nodes(message, *condition);
  return result < 0 ? result : sd_bus_message_close_container(message);
}

int reply_with(sd_bus_message* call, const std::function<int(sd_bus_message*)>& append) {
  sd_bus_message* made = nullptr;
  int result = sd_bus_message_new_method_return(call, &made);
  const dbus::Message reply{made};
  if (result >= 0) result = append(made);
  return result < 0 ? result : sd_bus_send(nullptr, made, nullptr);
}

int reply_object_paths(sd_bus_message* call, const std::vector<std::string>& paths) {
  return reply_with(call, [&](sd_bus_message* reply) {
    int result = sd_bus_message_open_container(reply, SD_BUS_TYPE_ARRAY, "o");
    for (const auto& path : paths) {
      if (result < 0) return result;
      result = sd_bus_message_append_basic(reply, SD_BUS_TYPE_OBJECT_PATH, path.c_str());
    }
    return result < 0 ? result : sd_bus_message_close_container(reply);
  });
}

}  // namespace upkeep::control
