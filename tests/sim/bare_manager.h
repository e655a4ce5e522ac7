// The manager with nothing around it: a platform that only takes notes, and an observer that hardly
// looks. For inputs that the simulated world never sends, and for measuring the core alone.
#pragma once

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "conf/parser.h"
#include "core/service_manager.h"

namespace upkeep::sim {

class BareManager final : private core::Platform, private core::Observer {
 public:
  using Definition = std::shared_ptr<const conf::JobDefinition>;

  /// `text` has to be a job file without errors.
  static Definition parse(const std::string& name, const std::string& text) {
    auto definition = conf::parse_job(text).value().definition;
    definition.name = name;
    return std::make_shared<const conf::JobDefinition>(std::move(definition));
  }

  void define(Definition definition) {
    handle(core::ConfChange{core::JobDefined{std::move(definition)}});
  }
  void define(const std::string& name, const std::string& text) { define(parse(name, text)); }

  void emit(const std::string& name) { handle(core::EmitEvent{.name = name, .environment = {}}); }
  void start(const std::string& job) { command(core::Verb::Start, job); }
  /// Lets it come to its main process, which is being set up. It must have no other before that.
  core::SpawnId start_main(const std::string& job) {
    start(job);
    return spawned.back().id;
  }
  /// The same, and its program is executing as `pid`.
  core::SpawnId run_main(const std::string& job, pid_t pid = 7) {
    const auto id = start_main(job);
    handle(core::SpawnResult{id, pid});
    return id;
  }
  /// Something happens to a process.
  template <typename What>
  void tell(core::SpawnId id, What what) {
    handle(core::ProcessChange{id, std::move(what)});
  }
  /// Time goes on; each deadline comes when it is due.
  void wait(core::MonotonicClock::duration duration) {
    const auto until = now + duration;
    while (const auto due = manager.next_deadline()) {
      if (*due > until) break;
      now = std::max(now, *due);
      handle(core::Tick{});
    }
    now = until;
  }
  void stop(const std::string& job) { command(core::Verb::Stop, job); }
  void restart(const std::string& job) { command(core::Verb::Restart, job); }

  /// One turn. What the manager asks of the platform is noted, and not answered.
  void handle(core::Input input) {
    ++turns;
    manager.handle(now, std::move(input));
  }

  /// Turns until the manager has nothing left to do. Every process starts, and dies of a signal.
  void settle() {
    while (true) {
      if (!spawned.empty()) {
        for (const auto& request : std::exchange(spawned, {})) {
          handle(core::SpawnResult{request.id, ++last_pid_});
        }
      } else if (!signalled.empty()) {
        for (const auto id : std::exchange(signalled, {})) {
          handle(core::ProcessChange{id, core::Signalled{SIGTERM}});
        }
      } else if (has_work_left()) {
        handle(core::Tick{});
      } else {
        return;
      }
    }
  }

  /// Whether the last turn ended before everything was done.
  [[nodiscard]] bool has_work_left() const { return manager.next_deadline() == core::TimePoint{}; }

  /// "start/running", or "stop/waiting" for a job without instance.
  [[nodiscard]] std::string status(const std::string& job) const {
    const auto* instance = manager.find_job(job)->find_instance("");
    if (instance == nullptr) return "stop/waiting";
    return fmt::format("{}/{}", to_string(instance->goal()), to_string(instance->state()));
  }

  // What has been noted. settle() takes away what it answers.
  std::vector<core::SpawnRequest> spawned;
  std::vector<core::SpawnId> signalled, resumed;
  std::vector<int> signals;          ///< to processes and to whole trees
  std::vector<core::TreeId> ending;  ///< trees that were to end, in the order of the calls
  std::size_t turns = 0, events_finished = 0, replies = 0, messages = 0;
  bool session_ended_seen = false;

  core::TimePoint now{std::chrono::seconds(1)};
  core::ServiceManager manager{*this, *this, {}};

 private:
  void command(core::Verb verb, const std::string& job) {
    handle(core::JobRequest{
        .id = core::RequestId{++last_request_}, .verb = verb, .job = job, .environment = {}});
  }

  void spawn(core::SpawnRequest request) override { spawned.push_back(std::move(request)); }
  void signal(core::SpawnId id, int signal, core::SignalTarget /*target*/) override {
    signalled.push_back(id);
    signals.push_back(signal);
  }
  void resume(core::SpawnId id, core::Resume /*how*/) override { resumed.push_back(id); }
  void end_tree(core::TreeId tree, int signal) override {
    ending.push_back(tree);
    signals.push_back(signal);
  }
  void forget_tree(core::TreeId /*tree*/) override {}
  void collect_log(core::SpawnId /*id*/) override {}

  void event_emitted(const core::Event& /*event*/) override { ++events_finished; }
  void replied(core::RequestId /*id*/, const core::Reply& /*reply*/) override { ++replies; }
  void message(core::Priority /*priority*/, std::string_view /*text*/) override { ++messages; }
  void session_ended() override { session_ended_seen = true; }

  pid_t last_pid_ = 100;
  std::uint64_t last_request_ = 0;
};

/// Defines so many jobs, each of which starts when the one before has started; the first starts on
/// `go`. Their names: link-000000, link-000001, ... `rest` is what else their files say.
inline void define_chain(BareManager& bare, std::size_t length, std::string_view rest = "") {
  for (std::size_t i = 0; i < length; ++i) {
    const auto event = i == 0 ? "go" : fmt::format("started link-{:06}", i - 1);
    bare.define(fmt::format("link-{:06}", i), fmt::format("start on {}\n{}", event, rest));
  }
}

}  // namespace upkeep::sim
