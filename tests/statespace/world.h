// One job in a world that does nothing by itself: it records what the manager asks for, and knows
// what could happen next. Whoever explores it chooses.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "statespace/shape.h"

#include "core/service_manager.h"

namespace upkeep::statespace {

/// One thing that can happen. Requests on the class wait for their outcome, those on the instance
/// do not.
struct Move {
  enum class Kind : std::uint8_t {
    StartJob,
    StopJob,
    RestartJob,
    StartInstance,
    StopInstance,
    RestartInstance,
    Reload,
    EmitUp,
    EmitDown,
    EmitBoth,
    EmitAlso,
    Redefine,
    DefineOther,
    Undefine,
    EndSession,
    SpawnSucceeds,
    SpawnFails,
    ExitsWith0,
    ExitsWith1,
    DiesBySignal,
    Vanishes,
    StopsItself,
    IsContinued,
    Forks,
    Executes,
    Settles,
    SaysReady,
    HandsOver,
    HandsOverAsHelper,
    TreeEmpties,
    GuardEnds,
    DeadlineComes,
    TimePasses,
  };
  Kind kind{};
  core::ProcessType process{};  ///< whose, for what processes do

  friend bool operator==(const Move&, const Move&) = default;
};
[[nodiscard]] std::string to_string(Move move);

/// How far the world can refuse a move.
enum class Force : std::uint8_t {
  Wish,      ///< somebody wants it: it need never happen, and may turn the job round
  Noise,     ///< need never happen, and asks nothing of the job
  Possible,  ///< need never happen, but brings the job on: main ends by itself
  Certain,   ///< happens sooner or later: hooks end, what is sent KILL dies, deadlines come
};

/// What an instance does on the way from one state to the next, and why: a row of the table of
/// spec/runtime.md 2.2.
struct Transition {
  core::State from{};
  core::Goal goal{};
  bool restarting = false;
  bool main_is_dead = false;  ///< not alive where it should be; left out where that is no news
  core::State to{};

  friend auto operator<=>(const Transition&, const Transition&) = default;
};

/// Something that all futures depend on, by name.
using Omission = std::string_view;

class World : private core::Platform, private core::Observer {
 public:
  explicit World(const Shape& shape);

  /// Everything that can happen now, always in the same order.
  [[nodiscard]] std::vector<Move> moves() const;
  [[nodiscard]] Force force(Move move) const;
  /// Lets one of them happen. Returns what the manager did in reply, as words.
  std::string apply(Move move);

  /// Everything the future depends on: two worlds of one shape with equal keys answer the same
  /// moves in the same way for ever. See the definition for why. `omit` leaves one part out, to
  /// show that it is needed.
  [[nodiscard]] std::string key(Omission omit = {}) const;
  /// Goal, state and processes, for people.
  [[nodiscard]] std::string describe() const;

  /// Null if it does not exist.
  [[nodiscard]] const core::JobInstance* instance() const;
  /// Whether an instance was destroyed by the last move.
  [[nodiscard]] bool instance_ended() const { return instance_ended_; }
  /// Whether the session is over, after which nothing counts any more.
  [[nodiscard]] bool over() const { return over_; }
  [[nodiscard]] std::size_t unanswered() const { return open_.size(); }
  /// What the moves so far have broken; empty is what everybody wants.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
  /// Transitions of the job that happened in the last move.
  [[nodiscard]] const std::vector<Transition>& transitions() const { return transitions_; }

 private:
  static constexpr std::chrono::seconds kRespawnWindow{2};  ///< as Shape::job_text() has it
  static constexpr int kMostForks = 3;                      ///< one more than anybody counts

  struct Process {
    core::ProcessType type{};
    bool confirmed = false;  ///< its SpawnResult has been delivered
    bool traced = false;
    bool stopped = false;      ///< by SIGSTOP, nobody has let it go on
    bool must_resume = false;  ///< reported a fork, an exec or its survivor, and waits
    bool handed_over = false;  ///< it has ended: whoever waits is its survivor
    bool may_settle = false;   ///< that it rests is still to be told
    bool settled = false;      ///< and has just been
    bool may_say_ready = false;
    bool killed = false;     ///< was sent KILL
    bool dying = false;      ///< was sent a signal while being set up, which was KILL for it
    bool signalled = false;  ///< was asked to end
    /// When it was first, or the one it has taken over from.
    std::optional<core::TimePoint> asked_at{};
  };

  void handle(core::Input input);
  void check();
  void check_processes();
  void check_requests();
  void check_deadlines();
  void check_restart();
  void report(std::string violation) { violations_.push_back(std::move(violation)); }
  void request(core::Verb verb, bool whole_job);
  void emit(const char* name);
  void end(core::ProcessType type, core::ProcessChange change);
  void hand_over(core::SpawnId id, core::Death end, bool was_helper);
  void send(Process& process, int signal, bool asks_to_end);
  void note(std::string_view what) { (output_ += what) += '\n'; }
  core::RequestId ask();
  [[nodiscard]] const Process* process(core::ProcessType type) const;
  [[nodiscard]] core::SpawnId id_of(core::ProcessType type) const;
  [[nodiscard]] bool window_is_open() const;
  [[nodiscard]] core::TimePoint deadline() const;
  void add_process_moves(std::vector<Move>& out, const Process& one) const;
  [[nodiscard]] static bool is_killed(const Process& one);
  [[nodiscard]] static bool is_job(const core::JobInstance& one);

  void spawn(core::SpawnRequest request) override;
  void signal(core::SpawnId id, int signal, core::SignalTarget target) override;
  void resume(core::SpawnId id, core::Resume how) override;
  void end_tree(core::TreeId tree, int signal) override;
  void forget_tree(core::TreeId tree) override;
  void collect_log(core::SpawnId id) override;
  void job_added(const core::JobClass& job) override;
  void job_removed(const core::JobClass& job) override;
  void instance_added(const core::JobInstance& one) override;
  void instance_removed(const core::JobInstance& one) override;
  void goal_changed(const core::JobInstance& one) override;
  void state_changed(const core::JobInstance& one, core::State from) override;
  void failed(const core::JobInstance& one, int status) override;
  void event_emitted(const core::Event& event) override;
  void replied(core::RequestId id, const core::Reply& reply) override;
  void session_ended() override;

  const Shape& shape_;
  std::shared_ptr<const conf::JobDefinition> definition_, other_definition_, guard_definition_;

  core::TimePoint now_;
  std::map<core::SpawnId, Process> processes_;
  pid_t last_pid_ = 100;
  std::uint64_t last_request_ = 0;
  /// What becomes of the tree of the job, from end_tree() until it is told to be empty.
  struct Ending {
    core::TreeId tree;
    core::TimePoint since{};
    bool killed = false;  ///< was sent KILL
  };
  std::optional<Ending> ending_;
  std::set<core::RequestId> open_;      ///< not yet answered
  std::set<core::RequestId> failing_;   ///< those among them that a failure has to answer now
  core::Goal goal_ = core::Goal::Stop;  ///< before its last change
  bool marker_cleared_ = false;         ///< goal respawn has just become start
  bool instance_ended_ = false;
  bool over_ = false;
  std::string output_;
  std::vector<Transition> transitions_;
  std::vector<std::string> violations_;
  core::ServiceManager manager_;
};

}  // namespace upkeep::statespace
