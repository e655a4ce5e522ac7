// The manager in a world of its own: a clock that steps from deadline to deadline, a table of
// scripted processes, and a trace of all that happens. No root, no fork, no sleep.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/service_manager.h"

namespace upkeep::sim {

using core::TimePoint;
using Duration = core::MonotonicClock::duration;
using namespace std::chrono_literals;

/// What a simulated program does once it has been asked for.
struct Program {
  Duration set_up = 1ms;                          ///< until its SpawnResult
  std::optional<int> spawn_error = std::nullopt;  ///< errno of a set-up that fails
  bool temporary = false;                         ///< there was not even a child to set up
  std::optional<Duration> runs = std::nullopt;    ///< until it ends by itself; nothing: never
  int status = 0;                                 ///< its exit status then
  int dies_by = 0;                                ///< or the signal it dies by
  bool ignores_term = false;                      ///< only KILL ends it
  Duration takes_to_die = 1ms;                    ///< from a signal to its end
  bool stops_itself = false;                      ///< raises SIGSTOP when ready (`expect stop`)
  int forks = 0;                                  ///< followed forks before it is ready
  Duration ready_after = 1ms;  ///< from exec to its SIGSTOP, and from fork to fork
  std::optional<int> executes_after = std::nullopt;  ///< that many forks: another program
  bool vanishes = false;                             ///< a signal finds no such process (Q13)
};

class Simulation : private core::Platform, private core::Observer {
 public:
  explicit Simulation(core::ManagerOptions options = {});

  // What the world does to the manager.
  void define(const std::string& name, const std::string& text, const std::string& session = "");
  void undefine(const std::string& name);
  core::RequestId emit(const std::string& name, Environment environment = {},
                       core::Wait wait = core::Wait::Yes);
  core::RequestId start(const std::string& job, Environment environment = {},
                        core::Wait wait = core::Wait::Yes);
  core::RequestId stop(const std::string& job, Environment environment = {},
                       core::Wait wait = core::Wait::Yes);
  core::RequestId restart(const std::string& job, Environment environment = {},
                          core::Wait wait = core::Wait::Yes);
  core::RequestId instance_request(core::Verb verb, const std::string& job,
                                   const std::string& instance, core::Wait wait);
  core::RequestId reload(const std::string& job, const std::string& instance = "");
  /// Any other request: `make` gets its id.
  core::RequestId request(const std::function<core::Input(core::RequestId)>& make);
  /// The client that made this request does not wait any more.
  void abandon(core::RequestId id);
  void end_session(core::EndSession::Type type);
  /// The main process of an instance dies by this signal, or is stopped by it from outside.
  void kill_main(const std::string& job, int signal, const std::string& instance = "");
  void stop_main(const std::string& job, int signal, const std::string& instance = "");

  /// Chooses the program for each process; the default runs main for ever and ends the others.
  std::function<Program(const core::SpawnRequest&)> program = default_program;
  static Program default_program(const core::SpawnRequest& request);

  /// Hands the manager an input that the simulated world would not come up with.
  void inject(core::Input input) { handle(std::move(input)); }
  /// One turn of the manager, for work that its budget left over.
  void tick() { handle(core::Tick{}); }
  /// As run_for(), with at most one turn of leftover work between two arrivals: for a world in
  /// which that work never ends.
  void turn_for(Duration duration);

  /// Steps from deadline to deadline; every result that is due by then is delivered.
  void run_for(Duration duration);
  /// Until nothing is due any more, or the limit is reached; false in the latter case.
  bool run_until_quiet(Duration limit = 3600s);

  // What can be seen.
  [[nodiscard]] const core::ServiceManager& manager() const { return manager_; }
  /// "start/running", or "stop/waiting" for an instance that does not exist.
  [[nodiscard]] std::string status(const std::string& job, const std::string& instance = "") const;
  [[nodiscard]] std::optional<core::Reply> reply(core::RequestId id) const;
  /// "ok", "waiting" or the message of the error.
  [[nodiscard]] std::string outcome(core::RequestId id) const;
  /// Finished events, as "name KEY=VALUE ...".
  [[nodiscard]] const std::vector<std::string>& events() const { return events_; }
  /// The states an instance went through, with ">goal" and "!status" among them.
  [[nodiscard]] std::vector<std::string> states(const std::string& job,
                                                const std::string& instance = "") const;
  [[nodiscard]] const std::vector<std::string>& trace() const { return trace_; }
  [[nodiscard]] const std::vector<core::SpawnRequest>& spawns() const { return spawns_; }
  [[nodiscard]] int spawn_count(const std::string& job, core::ProcessType type) const;
  [[nodiscard]] const std::vector<std::string>& messages() const { return messages_; }
  [[nodiscard]] bool has_ended() const { return session_ended_; }
  [[nodiscard]] std::size_t live_processes() const { return processes_.size(); }
  /// Requests that have not been replied to.
  [[nodiscard]] std::size_t unanswered() const { return open_requests_.size(); }
  [[nodiscard]] TimePoint now() const { return now_; }

  /// Broken invariants; empty is what every test wants.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  /// Adds to violations() what only a test can see.
  void report(std::string violation);

 private:
  struct Process {
    core::SpawnRequest request;
    Program program;
    bool executing = false;
    int forks_left = 0;
    std::optional<int> executes_in = {};  ///< so many forks
    bool ending = false;
    bool stopped = false;                    ///< by SIGSTOP, until resumed
    std::optional<int> pending_signal = {};  ///< what it will die by then
    std::optional<TimePoint> term_at;
  };
  struct Arrival {
    core::Input input;
    core::SpawnId process;  ///< drop the arrival if this process has ended meanwhile; 0: none
    bool ends_process = false;
  };

  void handle(core::Input input);
  void note(std::string line);
  void schedule(Duration delay, Arrival arrival);
  void deliver(Arrival arrival);
  void executed(core::SpawnId id, Process& process);
  void next_step(core::SpawnId id, Process& process);
  [[nodiscard]] core::SpawnId main_of(const std::string& job, const std::string& instance) const;
  void end(core::SpawnId id, Duration delay, core::ProcessChange change);
  core::RequestId request_id() { return core::RequestId{++last_request_}; }
  core::RequestId job_request(core::Verb verb, const std::string& job, Environment environment,
                              core::Wait wait);

  void spawn(core::SpawnRequest request) override;
  void signal(core::SpawnId id, int signal, core::SignalTarget target) override;
  void resume(core::SpawnId id, core::Resume how) override;
  void collect_log(core::SpawnId id) override;

  void job_added(const core::JobClass& job) override;
  void job_removed(const core::JobClass& job) override;
  void instance_added(const core::JobInstance& instance) override;
  void instance_removed(const core::JobInstance& instance) override;
  void goal_changed(const core::JobInstance& instance) override;
  void state_changed(const core::JobInstance& instance, core::State from) override;
  void failed(const core::JobInstance& instance, int status) override;
  void event_emitted(const core::Event& event) override;
  void replied(core::RequestId id, const core::Reply& reply) override;
  [[nodiscard]] bool wants(core::Priority) const override { return true; }
  void message(core::Priority priority, std::string_view text) override;
  void session_ended() override;

  void record(const core::JobInstance& instance, std::string what);
  void check_order(const core::JobInstance& instance, core::State from);

  TimePoint now_{};
  std::map<std::pair<TimePoint, std::uint64_t>, Arrival> arrivals_;
  std::uint64_t last_arrival_ = 0;
  std::map<core::SpawnId, Process> processes_;
  pid_t last_pid_ = 100;
  std::uint64_t last_request_ = 0;
  std::set<core::RequestId> open_requests_;
  std::map<core::RequestId, core::Reply> replies_;
  std::vector<std::string> events_, trace_, messages_, violations_;
  std::vector<core::SpawnRequest> spawns_;
  std::map<std::string, std::vector<std::string>> states_;
  std::map<std::string, core::State> last_milestone_;
  bool session_ended_ = false;
  bool handling_ = false;
  core::ServiceManager manager_;
};

}  // namespace upkeep::sim
