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

#include "sim/program.h"
#include "sim/scenario_file.h"
#include "sim/sights.h"

#include "core/service_manager.h"

namespace upkeep::sim {

class Simulation : private core::Platform, private core::Observer {
 public:
  explicit Simulation(core::ManagerOptions options = {});

  /// Without, there is no trace(), and nothing in states(), events(), spawns() and messages(): for
  /// runs of which only violations() are wanted.
  void set_traced(bool traced) { traced_ = traced; }
  /// Pids are used again as soon as they are free.
  void set_reuses_pids(bool reuses) { reuses_pids_ = reuses; }
  /// Ends of processes arrive in lots.
  void set_lots(std::optional<Lots> lots) { lots_ = lots; }
  /// Once the manager has told that jobs trigger each other without end, so many more turns and
  /// changes of state are let happen; then the world is broken off, and that is no violation.
  void allow_cycles(std::uint64_t patience) { patience_ = patience; }

  // What the world does to the manager. `label` is what the trace calls a request; without one it
  // has a number.
  void define(const std::string& name, const std::string& text, const std::string& session = "");
  void undefine(const std::string& name);
  core::RequestId emit(const std::string& name, Environment environment = {},
                       core::Wait wait = core::Wait::Yes, const std::string& label = {});
  core::RequestId start(const std::string& job, Environment environment = {},
                        core::Wait wait = core::Wait::Yes, const std::string& label = {});
  core::RequestId stop(const std::string& job, Environment environment = {},
                       core::Wait wait = core::Wait::Yes, const std::string& label = {});
  core::RequestId restart(const std::string& job, Environment environment = {},
                          core::Wait wait = core::Wait::Yes, const std::string& label = {});
  core::RequestId job_request(core::Verb verb, const std::string& job, Environment environment,
                              core::Wait wait, const std::string& label = {});
  core::RequestId instance_request(core::Verb verb, const std::string& job,
                                   const std::string& instance, core::Wait wait,
                                   const std::string& label = {});
  core::RequestId reload(const std::string& job, const std::string& instance = "",
                         const std::string& label = {});
  /// Any other request: `make` gets its id.
  core::RequestId request(const std::function<core::Input(core::RequestId)>& make,
                          const std::string& label = {});
  /// The client that made this request does not wait any more.
  void abandon(core::RequestId id);
  void end_session(core::EndSession::Type type);
  /// A process of an instance dies by this signal, or is stopped by it, from outside. Nothing
  /// happens if there is none.
  void kill(const std::string& job, core::ProcessType type, int signal,
            const std::string& instance = "");
  void suspend(const std::string& job, core::ProcessType type, int signal,
               const std::string& instance = "");
  /// The same for the main process.
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

  /// Steps from deadline to deadline; every result that is due by then is delivered. What goes
  /// beyond set_max_turns() is broken off as a violation: jobs that trigger each other for ever, at
  /// one moment, would otherwise never let time go on.
  void run_for(Duration duration);
  /// For measurements: each check looks at every job.
  void leave_out_invariants() { checks_invariants_ = false; }
  void set_max_turns(std::uint64_t turns) { turns_left_ = turns; }
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
  /// All that happened, for a person: tests/sim/README.md explains the lines.
  [[nodiscard]] const std::vector<std::string>& trace() const { return trace_; }
  /// The trace without the time.
  void note(std::string_view line);
  [[nodiscard]] const std::vector<core::SpawnRequest>& spawns() const { return spawns_; }
  [[nodiscard]] int spawn_count(const std::string& job, core::ProcessType type) const;
  [[nodiscard]] const std::vector<std::string>& messages() const { return messages_; }
  [[nodiscard]] bool has_ended() const { return session_ended_; }
  [[nodiscard]] std::size_t live_processes() const { return processes_.size(); }
  /// Requests that have not been replied to.
  [[nodiscard]] std::size_t unanswered() const { return open_requests_.size(); }
  [[nodiscard]] const std::set<core::RequestId>& open_requests() const { return open_requests_; }
  /// What the trace calls a request.
  [[nodiscard]] std::string label(core::RequestId id) const;
  [[nodiscard]] TimePoint now() const { return now_; }

  /// Broken invariants; empty is what every test wants.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  /// What was come across, so often.
  [[nodiscard]] const Sights& sights() const { return sights_; }
  void saw(Sight sight) { ++sights_[static_cast<std::size_t>(sight)]; }
  /// Whether time has been stopped, since it went on and on.
  [[nodiscard]] bool broken_off() const { return broken_off_; }
  /// Adds to violations() what only a test can see.
  void report(std::string violation);

 private:
  /// Names the instance that a process is for.
  static std::string owner_of(const core::SpawnRequest& request);

  struct Process {
    core::SpawnRequest request;
    Program program;
    pid_t pid = 0;
    bool executing = false;
    int forks_left = 0;
    std::optional<int> executes_in = {};  ///< so many forks
    bool ending = false;
    std::optional<int> killed_early = {};    ///< by this signal, before it executed
    bool stopped = false;                    ///< by SIGSTOP, until resumed
    std::optional<int> pending_signal = {};  ///< what it will die by then
    std::optional<TimePoint> term_at;
    bool is_found = false;     ///< main is what `expect` means: no need to tell that it rests
    bool must_resume = false;  ///< it stands still, or has ended and left a survivor
    pid_t survivor = 0;        ///< of one that has ended, until resume()
    bool has_handed_over = false;
  };
  /// What an instance has left in the background.
  struct Tree {
    int left_behind = 0;
    bool stubborn = false;  ///< they ignore TERM
    bool ending = false;
  };
  struct Arrival {
    core::Input input;
    core::SpawnId process;  ///< drop the arrival if this process has ended meanwhile; 0: none
    bool ends_process = false;
    core::TreeId tree = {};  ///< what is left behind of it dies
  };

  void handle(core::Input input);
  void schedule(Duration delay, Arrival arrival);
  void break_off();
  pid_t next_pid();
  void observe(std::string_view message);
  void observe_change(const std::string& job, Sight in_start, Sight in_stop);
  void deliver(Arrival arrival);
  void executed(core::SpawnId id, Process& process);
  void next_step(core::SpawnId id, Process& process);
  /// The process in this role, or nothing.
  Process* find_process(const std::string& job, core::ProcessType type,
                        const std::string& instance);
  void end(core::SpawnId id, Duration delay, core::ProcessChange change);
  void end_by_itself(core::SpawnId id, const Process& process);
  void remove_process(core::SpawnId id);
  void check_tree(core::TreeId id);
  core::RequestId new_request(const std::string& label);
  void note_input(const core::Input& input);
  [[nodiscard]] std::string process_name(core::SpawnId id) const;
  [[nodiscard]] std::string describe_spawn(const core::SpawnRequest& request) const;

  void spawn(core::SpawnRequest request) override;
  void signal(core::SpawnId id, int signal, core::SignalTarget target) override;
  void resume(core::SpawnId id, core::Resume how) override;
  void end_tree(core::TreeId tree, int signal) override;
  void forget_tree(core::TreeId tree) override;
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
  [[nodiscard]] bool wants(core::Priority priority) const override {
    return traced_ || priority >= core::Priority::Message;
  }
  void message(core::Priority priority, std::string_view text) override;
  void session_ended() override;

  void record(const core::JobInstance& instance, std::string what);
  void check_order(const core::JobInstance& instance, core::State from);
  void check_nothing_left(const core::JobInstance& instance);

  static constexpr TimePoint kBeginning{1000s};

  TimePoint now_{};
  std::map<std::pair<TimePoint, std::uint64_t>, Arrival> arrivals_;
  std::uint64_t last_arrival_ = 0;
  std::map<core::SpawnId, Process> processes_;
  std::set<core::SpawnId> failing_;  ///< spawns whose failure is still to be told
  std::map<core::TreeId, Tree> trees_;
  /// Those of one instance, by owner_of().
  std::map<std::string, std::map<core::SpawnId, core::ProcessType>> siblings_;
  pid_t last_pid_ = 100;
  std::uint64_t last_request_ = 0;
  std::set<core::RequestId> open_requests_;
  std::map<core::RequestId, std::string> labels_;
  std::map<core::RequestId, core::Reply> replies_;
  std::vector<std::string> events_, trace_, messages_, violations_;
  std::vector<core::SpawnRequest> spawns_;
  std::map<std::string, std::vector<std::string>> states_;
  std::map<std::string, core::State> last_milestone_;
  /// The line of states that may grow while it is the last of the trace.
  struct GrowingLine {
    std::string instance;
    std::size_t line = 0;
    TimePoint at;
    friend bool operator==(const GrowingLine&, const GrowingLine&) = default;
  };
  GrowingLine growing_;
  Environment base_environment_;  ///< of every process, and no news
  bool traced_ = true;
  bool reuses_pids_ = false;
  std::optional<Lots> lots_;
  std::optional<std::uint64_t> patience_;
  bool cycle_told_ = false;
  bool temporary_ = false;  ///< the last spawn failure was
  std::optional<TimePoint> last_end_;
  Sights sights_{};
  std::uint64_t turns_left_ = 100'000'000;
  bool broken_off_ = false;  ///< time stands still from then on
  bool session_ended_ = false;
  bool handling_ = false;
  bool checks_invariants_ = true;
  core::ServiceManager manager_;
};

}  // namespace upkeep::sim
