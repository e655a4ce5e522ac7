// For tests: a ControlServer over a real manager with a make-believe platform, and clients that
// talk to it over real sockets in the same thread. Nothing sleeps: run_until() turns the loop.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.h"
#include "conf/parser.h"
#include "control/control_server.h"
#include "core/service_manager.h"
#include "dbus/handles.h"
#include "dbus/names.h"

namespace upkeep::control {

/// Starts every process at once and ends it at the first signal, as later inputs.
class ObedientPlatform final : public core::Platform {
 public:
  void spawn(core::SpawnRequest request) override {
    inputs.emplace_back(core::SpawnResult{request.id, next_pid_++});
    spawned.push_back(std::move(request));
  }
  void signal(core::SpawnId id, int signal, core::SignalTarget) override {
    signals.push_back(signal);
    if (signal == SIGHUP) return;
    inputs.emplace_back(core::ProcessChange{id, core::Signalled{signal}});
  }
  void resume(core::SpawnId, core::Resume) override {}
  void end_tree(core::TreeId, int /*signal*/) override {}
  void forget_tree(core::TreeId) override {}
  void collect_log(core::SpawnId) override {}

  std::deque<core::Input> inputs;
  std::vector<int> signals;
  std::deque<core::SpawnRequest> spawned;

 private:
  pid_t next_pid_ = 1000;
};

class ServerHarness {
 public:
  explicit ServerHarness(ControlOptions options = {}, core::ManagerOptions manager_options = {}) {
    static int count = 0;
    address_name_ = fmt::format("/upkeep-test/{}/{}", ::getpid(), ++count);
    sd_event_new(&loop_);
    ControlHooks hooks{
        .handle = [this](core::Input input) { handle(std::move(input)); },
        .reload_configuration = [this] { ++reloads; },
        .log_priority = [this] { return priority; },
        .set_log_priority = [this](core::Priority chosen) { priority = chosen; },
        .log = [this](core::Priority, std::string_view text) { warnings.emplace_back(text); },
    };
    options.address = address();
    options.version = "init (upstart 1.13.2)";
    auto created = ControlServer::create(loop_, std::move(options), std::move(hooks));
    if (!created) {
      ADD_FAILURE() << created.error().message;
      std::abort();
    }
    server = std::move(*created);
    manager = std::make_unique<core::ServiceManager>(platform, *server, std::move(manager_options));
    server->attach(*manager);
  }

  ~ServerHarness() {
    server.reset();
    sd_event_unref(loop_);
  }

  void handle(core::Input input) {
    now_ += std::chrono::milliseconds{1};
    manager->handle(now_, std::move(input));
  }

  void define(const std::string& name, std::string_view text) {
    auto job = conf::parse_job(text);
    ASSERT_TRUE(job) << job.error().front().message;
    job->definition.name = name;
    handle(core::ConfChange{
        core::JobDefined{std::make_shared<const conf::JobDefinition>(std::move(job->definition))}});
  }

  [[nodiscard]] std::string address() const { return "unix:abstract=" + address_name_; }

  /// One turn of the loop, waiting up to `milliseconds` for something to happen.
  void turn(std::uint64_t milliseconds) {
    if (!platform.inputs.empty()) milliseconds = 0;
    sd_event_run(loop_, milliseconds * 1000);
    while (!platform.inputs.empty()) {
      auto input = std::move(platform.inputs.front());
      platform.inputs.pop_front();
      handle(std::move(input));
    }
  }

  /// Turns the loop until `condition` holds; false after ten seconds.
  bool run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      turn(1);
    }
    return true;
  }

  /// A stream socket connected to the server, non-blocking.
  UniqueFd connect() const {
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, address_name_.data(), address_name_.size());
    const auto size = offsetof(sockaddr_un, sun_path) + 1 + address_name_.size();
    if (::connect(fd.value(), reinterpret_cast<const sockaddr*>(&address),
                  static_cast<socklen_t>(size)) < 0) {
      ADD_FAILURE() << "connect: " << std::strerror(errno);
    }
    return fd;
  }

  ObedientPlatform platform;
  std::unique_ptr<ControlServer> server;
  std::unique_ptr<core::ServiceManager> manager;
  std::vector<std::string> warnings;
  int reloads = 0;
  core::Priority priority = core::Priority::Message;

 private:
  std::string address_name_;
  sd_event* loop_ = nullptr;
  core::TimePoint now_{std::chrono::seconds{1000}};
};

// Arguments of calls, as BusClient takes them.

inline auto text(std::string value) {
  return [value = std::move(value)](sd_bus_message* message) {
    return sd_bus_message_append(message, "s", value.c_str());
  };
}

inline auto text_list(std::vector<std::string> texts) {
  return [texts = std::move(texts)](sd_bus_message* message) {
    sd_bus_message_open_container(message, 'a', "s");
    for (const auto& one : texts) sd_bus_message_append(message, "s", one.c_str());
    return sd_bus_message_close_container(message);
  };
}

/// Arguments of Job.Start and its like.
inline auto environment_and_wait(std::vector<std::string> environment, bool wait) {
  return [environment = std::move(environment), wait](sd_bus_message* message) {
    text_list(environment)(message);
    return sd_bus_message_append(message, "b", wait);
  };
}

inline auto event(std::string name, std::vector<std::string> environment, bool wait) {
  return [=](sd_bus_message* message) {
    sd_bus_message_append(message, "s", name.c_str());
    return environment_and_wait(environment, wait)(message);
  };
}

inline auto flag(bool value) {
  return [value](sd_bus_message* message) { return sd_bus_message_append(message, "b", value); };
}

/// A client with sd-bus, driven by hand beside the server's loop.
class BusClient {
 public:
  explicit BusClient(ServerHarness& harness) : harness_(harness) {
    sd_bus* made = nullptr;
    sd_bus_new(&made);
    bus_.reset(made);
    const int fd = harness.connect().release();
    sd_bus_set_fd(made, fd, fd);
    sd_bus_add_filter(made, nullptr, on_message, this);
    sd_bus_start(made);
  }

  using Append = std::function<int(sd_bus_message*)>;

  /// Sends a call; its outcome appears in `outcomes` at the returned index.
  std::size_t send(const std::string& path, const char* interface, const char* member,
                   const Append& append = {}) {
    sd_bus_message* made = nullptr;
    EXPECT_GE(
        sd_bus_message_new_method_call(bus_.get(), &made, nullptr, path.c_str(), interface, member),
        0);
    const dbus::Message call{made};
    EXPECT_GE(append ? append(made) : 0, 0);
    outcomes.emplace_back();
    slots_.push_back({this, outcomes.size() - 1});
    EXPECT_GE(sd_bus_call_async(bus_.get(), nullptr, made, on_reply, &slots_.back(),
                                static_cast<std::uint64_t>(-1)),
              0);
    return outcomes.size() - 1;
  }

  /// Calls and waits: the text of the reply, `NAME: MESSAGE` of an error, or "no reply".
  std::string call(const std::string& path, const char* interface, const char* member,
                   const Append& append = {}) {
    const auto index = send(path, interface, member, append);
    return wait_for(index);
  }

  std::string wait_for(std::size_t index) {
    const bool answered = harness_.run_until([&] {
      process();
      return !outcomes[index].empty();
    });
    return answered ? outcomes[index] : "no reply";
  }

  std::string get(const std::string& path, const char* interface, const char* property) {
    return call(path, dbus::kPropertiesInterface, "Get", [&](sd_bus_message* message) {
      return sd_bus_message_append(message, "ss", interface, property);
    });
  }

  void process() {
    while (sd_bus_process(bus_.get(), nullptr) > 0) {
    }
  }
  void close() { bus_.reset(); }

  std::deque<std::string> outcomes;  ///< empty: not answered
  std::vector<std::string> signals;  ///< PATH MEMBER ARGUMENTS

 private:
  struct Slot {
    BusClient* client;
    std::size_t index;
  };

  static int on_reply(sd_bus_message* reply, void* userdata, sd_bus_error*) {
    auto& slot = *static_cast<Slot*>(userdata);
    auto& outcome = slot.client->outcomes[slot.index];
    EXPECT_EQ(outcome, "") << "a second reply";
    const auto* error = sd_bus_message_get_error(reply);
    outcome = error ? fmt::format("{}: {}", error->name, error->message) : "ok" + contents(reply);
    return 1;
  }

  static int on_message(sd_bus_message* message, void* userdata, sd_bus_error*) {
    std::uint8_t type = 0;
    sd_bus_message_get_type(message, &type);
    if (type != SD_BUS_MESSAGE_SIGNAL) return 0;
    static_cast<BusClient*>(userdata)->signals.push_back(
        fmt::format("{} {}{}", sd_bus_message_get_path(message), sd_bus_message_get_member(message),
                    contents(message)));
    return 0;
  }

  /// The arguments in a plain form: ` "text" 12 [ ... ]`.
  static std::string contents(sd_bus_message* message) {
    std::string text;
    char type = 0;
    const char* inner = nullptr;
    while (sd_bus_message_peek_type(message, &type, &inner) > 0) {
      switch (type) {
        case 's':
        case 'o': {
          const char* value = nullptr;
          sd_bus_message_read_basic(message, type, &value);
          text += fmt::format(" {}", value);
          break;
        }
        case 'i':
        case 'u': {
          std::uint32_t value = 0;
          sd_bus_message_read_basic(message, type, &value);
          text += fmt::format(" {}", static_cast<std::int32_t>(value));
          break;
        }
        default:
          sd_bus_message_enter_container(message, type, inner);
          text += (type == 'v' ? "" : " [") + contents(message) + (type == 'v' ? "" : " ]");
          sd_bus_message_exit_container(message);
      }
    }
    return text;
  }

  ServerHarness& harness_;
  dbus::Bus bus_;
  std::deque<Slot> slots_;
};

}  // namespace upkeep::control
