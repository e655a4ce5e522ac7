// The graph of states as SVG. Places are chosen by hand and all numbers are whole, so that the file
// is the same wherever it is made. What the graph says, its edges, comes from next_state().
#include <algorithm>
#include <cstdlib>
#include <map>
#include <stdexcept>

#include "pages.h"
#include "states.h"
#include <fmt/format.h>

namespace upkeep::docs {
namespace {

constexpr int kWidth = 920;
constexpr int kHeight = 870;
constexpr int kHalfBox = 108;

struct Point {
  int x = 0, y = 0;
};

/// The way up is the left column, from the top down; the way down is the right one, from the
/// bottom up.
Point place(State state) {
  constexpr int kUp = 240;
  constexpr int kDown = 680;
  constexpr auto row = [](int half_rows) { return 70 + half_rows * 33; };
  switch (state) {  // no default: a new state does not compile without its place
    case State::Waiting: return {kUp, row(0)};
    case State::Starting: return {kUp, row(2)};
    case State::SecuritySpawning: return {kUp, row(4)};
    case State::Security: return {kUp, row(6)};
    case State::PreStarting: return {kUp, row(8)};
    case State::PreStart: return {kUp, row(10)};
    case State::Spawning: return {kUp, row(12)};
    case State::Spawned: return {kUp, row(14)};
    case State::PostStarting: return {kUp, row(16)};
    case State::PostStart: return {kUp, row(18)};
    case State::Running: return {kUp, row(20)};
    case State::PreStopping: return {kDown, row(20)};
    case State::PreStop: return {kDown, row(17)};
    case State::Stopping: return {kDown, row(13)};
    case State::Killed: return {kDown, row(9)};
    case State::PostStopping: return {kDown, row(5)};
    case State::PostStop: return {kDown, row(0)};
  }
  return {};
}

bool rests(State state) {
  return !text_of(state).rests.empty();
}

int half_height(State state) {
  return rests(state) ? 23 : 15;
}

/// Where edges of a goal meet a box, from its middle, so that goals stay apart.
int shift(Goal goal) {
  switch (goal) {
    case Goal::Start: return 5;
    case Goal::Stop: return -5;
    case Goal::Respawn: return 14;
  }
  return 0;
}

/// Between the columns all edges to one state with one goal run together in a vertical lane.
struct Lane {
  State to;
  Goal goal;
  int x;
  int arrival;  ///< where it meets the box, from its middle
};
constexpr std::array<Lane, 5> kLanes{{
    {State::Stopping, Goal::Stop, 396, -10},
    {State::Stopping, Goal::Start, 424, 2},
    {State::Stopping, Goal::Respawn, 452, 14},
    {State::Running, Goal::Start, 530, -15},
    {State::Starting, Goal::Start, 500, -15},
}};

/// A line of the width that goes with how often it is taken, with or without a head.
std::string line(Goal goal, bool usual, bool arrow, const std::string& way) {
  return fmt::format("<path class=\"{0}{1}\"{2} d=\"{3}\"/>\n", to_string(goal),
                     usual ? "" : " seldom",
                     arrow ? fmt::format(" marker-end=\"url(#{})\"", to_string(goal)) : "", way);
}

/// Whether no other goal leads the same way.
bool alone(const Edge& edge) {
  const auto edges = all_edges();
  return std::ranges::count_if(edges, [&](const Edge& one) {
           return one.from == edge.from && one.to == edge.to;
         }) == 1;
}

/// Between two boxes in one column or one row. Empty if they are in neither, or one is between.
std::string straight(const Edge& edge) {
  const auto from = place(edge.from);
  const auto to = place(edge.to);
  const bool clear = std::ranges::none_of(all_states(), [&](State state) {
    const auto other = place(state);
    return other.x == from.x && other.y > std::min(from.y, to.y) &&
           other.y < std::max(from.y, to.y);
  });
  if (from.x == to.x && clear) {
    const int down = to.y > from.y ? 1 : -1;
    const int aside = alone(edge) ? 0 : 3 * shift(edge.goal);
    return fmt::format("M{},{} V{}", from.x + aside, from.y + down * half_height(edge.from),
                       to.y - down * (half_height(edge.to) + 1));
  }
  if (from.y == to.y) {  // above the lanes at the top, below them at the bottom
    const int right = to.x > from.x ? 1 : -1;
    const int outwards = from.y < kHeight / 2 ? 1 : -1;
    return fmt::format("M{},{} H{}", from.x + right * kHalfBox,
                       from.y + outwards * 2 * shift(edge.goal), to.x - right * (kHalfBox + 1));
  }
  return "";
}

/// The edges of one lane. Each branch joins in the direction of the flow; what has joined is as
/// wide as the widest of it.
std::string lane_lines(const Lane& lane, const std::vector<Edge>& edges) {
  constexpr int kBend = 8;
  const auto to = place(lane.to);
  const int arrive = to.y + lane.arrival;
  const int right = to.x > lane.x ? 1 : -1;
  std::string out;
  bool any_usual = false;
  for (const int down : {1, -1}) {  // what comes from above, then what comes from below
    struct Branch {
      Edge edge;
      int y;
    };
    std::vector<Branch> branches;
    for (const auto& edge : edges) {
      const int y = place(edge.from).y + shift(edge.goal);
      if (arrive == y) throw std::logic_error("graph.cc: a lane of no height");
      if ((arrive - y) * down > 0) branches.push_back({edge, y});
    }
    std::ranges::sort(branches, {}, [&](const Branch& one) { return one.y * down; });
    const auto bend = [&](int y) { return std::min(kBend, std::abs(arrive - y) / 2); };

    bool usual = false;
    for (std::size_t i = 0; i < branches.size(); ++i) {
      const auto& [edge, y] = branches[i];
      const auto from = place(edge.from);
      const int out_of = lane.x > from.x ? 1 : -1;
      const int turn = bend(y);
      out += line(lane.goal, edge.usual, false,
                  fmt::format("M{},{} H{} Q{},{} {},{}", from.x + out_of * kHalfBox, y,
                              lane.x - out_of * turn, lane.x, y, lane.x, y + down * turn));
      usual = usual || edge.usual;
      auto trunk = fmt::format("M{},{} ", lane.x, y + down * turn);
      if (i + 1 < branches.size()) {
        const int next = branches[i + 1].y;
        trunk += fmt::format("V{}", next + down * bend(next));
      } else {
        trunk += fmt::format("V{} Q{},{} {},{} H{}", arrive - down * turn, lane.x, arrive,
                             lane.x + right * turn, arrive, lane.x + right * kBend);
      }
      out += line(lane.goal, usual, false, trunk);
    }
    any_usual = any_usual || usual;
  }
  return out + line(lane.goal, any_usual, true,
                    fmt::format("M{},{} H{}", lane.x + right * kBend, arrive,
                                to.x - right * (kHalfBox + 1)));
}

std::string edge_lines() {
  std::string out;
  std::map<const Lane*, std::vector<Edge>> by_lane;
  for (const auto& edge : all_edges()) {
    if (const auto way = straight(edge); !way.empty()) {
      out += line(edge.goal, edge.usual, true, way);
      continue;
    }
    const auto* const lane = std::ranges::find_if(
        kLanes, [&](const Lane& one) { return one.to == edge.to && one.goal == edge.goal; });
    if (lane == kLanes.end()) {
      throw std::logic_error(fmt::format("graph.cc needs a lane to {} for goal {}",
                                         to_string(edge.to), to_string(edge.goal)));
    }
    by_lane[lane].push_back(edge);
  }
  for (const auto& [lane, edges] : by_lane) out += lane_lines(*lane, edges);
  return out;
}

std::string text(std::string_view kind, Point at, std::string_view words) {
  return fmt::format("<text class=\"{}\" x=\"{}\" y=\"{}\">{}</text>\n", kind, at.x, at.y, words);
}

std::string box(std::string_view kind, Point middle, int half_width, int half) {
  return fmt::format(
      "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>\n", kind,
      middle.x - half_width, middle.y - half, 2 * half_width, 2 * half, kind == "rest" ? 6 : half);
}

std::string state_box(State state) {
  const auto at = place(state);
  const auto words = text_of(state);
  const int half = half_height(state);
  if (!rests(state)) {
    return box("pass", at, kHalfBox, half) +
           text("name passing", {at.x, at.y + 5}, to_string(state));
  }
  auto out = box("rest", at, kHalfBox, half) + text("name", {at.x, at.y - 3}, to_string(state)) +
             text("small", {at.x, at.y + 14}, words.rests);
  if (!words.emits.empty()) {
    const bool left = at.x < kWidth / 2;
    out += text(left ? "emits left" : "emits", {at.x + (left ? -1 : 1) * (kHalfBox + 10), at.y + 4},
                fmt::format("emits {}", words.emits));
  }
  return out;
}

std::string legend() {
  constexpr int kTop = 790;
  std::string out =
      fmt::format("<path class=\"rule\" d=\"M24,{0} H{1}\"/>\n", kTop - 12, kWidth - 24);
  constexpr std::array<std::pair<Goal, std::string_view>, 3> kWords{{
      {Goal::Start, "goal start"},
      {Goal::Stop, "goal stop"},
      {Goal::Respawn, "goal respawn: main died before the state had ended"},
  }};
  int y = kTop + 12;
  for (const auto& [goal, words] : kWords) {
    out += line(goal, true, true, fmt::format("M30,{} H86", y));
    out += text("note", {98, y + 4}, words);
    y += 24;
  }
  y = kTop + 12;
  out += line(Goal::Start, false, true, fmt::format("M480,{} H536", y));
  out += text("note", {548, y + 4}, "thin: only if main is not alive, or to restart");
  y += 24;
  out += box("rest", {508, y}, 28, 9) + text("note", {548, y + 4}, "the job can rest here");
  y += 24;
  out += box("pass", {508, y}, 28, 9) + text("note", {548, y + 4}, "passed through in one step");
  return out;
}

constexpr std::string_view kStyle = R"(<style>
text { font-family: "DejaVu Sans", Verdana, Helvetica, Arial, sans-serif; fill: #1b1f24; }
.name { font-size: 15px; font-weight: bold; text-anchor: middle; }
.passing { font-weight: normal; }
.small { font-size: 12px; text-anchor: middle; }
.head { font-size: 14px; text-anchor: middle; }
.note { font-size: 13px; }
.emits { font-size: 13px; font-style: italic; }
.left { text-anchor: end; }
.rest { fill: #eef3f8; stroke: #1b1f24; stroke-width: 1.5; }
.pass { fill: #ffffff; stroke: #57606a; stroke-dasharray: 3 3; }
.rule { stroke: #c8ced4; stroke-width: 1; }
path { fill: none; stroke-width: 2.5; }
.seldom { stroke-width: 1; }
.start { stroke: #0b5cad; }
.stop { stroke: #b93a00; stroke-dasharray: 8 3; }
.respawn { stroke: #7a1fa2; stroke-dasharray: 2 3; }
marker path { stroke: none; }
#start path { fill: #0b5cad; }
#stop path { fill: #b93a00; }
#respawn path { fill: #7a1fa2; }
</style>
)";

std::string arrow_head(Goal goal) {
  return fmt::format(
      "<marker id=\"{}\" markerUnits=\"userSpaceOnUse\" markerWidth=\"10\" markerHeight=\"10\" "
      "refX=\"9\" refY=\"5\" orient=\"auto\"><path d=\"M0,1 L9,5 L0,9 z\"/></marker>\n",
      to_string(goal));
}

}  // namespace

std::string state_graph() {
  auto out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\">\n"
      "<!-- Made by docs/generate from core::next_state(); see state-machine.md. -->\n"
      "<title>The states of a job instance</title>\n"
      "<desc>Which state follows which, for each goal. The table in state-machine.md says the "
      "same.</desc>\n",
      kWidth, kHeight);
  out += kStyle;
  out += "<defs>\n";
  for (const auto goal : kGoals) out += arrow_head(goal);
  out += "</defs>\n";
  out += fmt::format(
      "<rect width=\"{}\" height=\"{}\" rx=\"8\" fill=\"#ffffff\" stroke=\"#c8ced4\"/>\n", kWidth,
      kHeight);
  out += text("head", {place(State::Waiting).x, 28}, "the way into running \xe2\x86\x93");
  out += text("head", {place(State::PostStop).x, 28}, "the way out \xe2\x86\x91");
  out += edge_lines();
  for (const auto state : all_states()) out += state_box(state);
  return out + legend() + "</svg>\n";
}

}  // namespace upkeep::docs
