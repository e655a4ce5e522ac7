#include "tools/condition.h"

#include <array>

#include <fmt/format.h>

#include "base/strings.h"

namespace upkeep::tools {
namespace {

bool is_job_event(std::string_view event) {
  constexpr std::array<std::string_view, 4> kJobEvents{"starting", "started", "stopping",
                                                       "stopped"};
  for (const auto name : kJobEvents) {
    if (event == name) return true;
  }
  return false;
}

}  // namespace

EventOperand read_operand(const std::vector<std::string>& words) {
  EventOperand operand;
  if (words.empty()) return operand;
  operand.event = words[0];
  const bool has_job = is_job_event(operand.event);
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (has_job && !operand.job) {
      if (word.starts_with("JOB=")) {
        operand.job = word.substr(4);
        continue;
      }
      if (i == 1 && word.find('=') == std::string_view::npos) {
        operand.job = word;
        continue;
      }
    }
    operand.arguments.emplace_back(word);
  }
  return operand;
}

Result<ConditionTree> ConditionTree::create(const client::Condition& condition) {
  ConditionTree tree;
  std::vector<std::size_t> open;  // nodes without a parent so far
  for (const auto& words : condition) {
    Node node;
    const bool alone = words.size() == 1;
    if (alone && words[0] == "/AND") node.kind = Node::Kind::And;
    if (alone && words[0] == "/OR") node.kind = Node::Kind::Or;
    if (node.kind == Node::Kind::Event) {
      if (words.empty()) return failure("condition with a nameless event");
      node.words = words;
    } else {
      if (open.size() < 2) return failure("condition with an operator that lacks operands");
      node.right = open.back();
      open.pop_back();
      node.left = open.back();
      open.pop_back();
    }
    open.push_back(tree.nodes_.size());
    tree.nodes_.push_back(std::move(node));
  }
  if (open.size() > 1) return failure("condition with events that no operator joins");
  return tree;
}

std::string ConditionTree::text() const {
  if (nodes_.empty()) return {};
  // Depth first with a stack of what is still to be written: nodes, and text between them.
  struct Piece {
    std::optional<std::size_t> node;
    std::string_view text;
  };
  std::string out;
  std::vector<Piece> pieces{{nodes_.size() - 1, {}}};
  while (!pieces.empty()) {
    const auto piece = pieces.back();
    pieces.pop_back();
    if (!piece.node) {
      out += piece.text;
      continue;
    }
    const auto& node = nodes_[*piece.node];
    if (node.kind == Node::Kind::Event) {
      out += join(node.words, " ");
      continue;
    }
    out += '(';
    pieces.push_back({{}, ")"});
    pieces.push_back({node.right, {}});
    pieces.push_back({{}, node.kind == Node::Kind::And ? " and " : " or "});
    pieces.push_back({node.left, {}});
  }
  return out;
}

std::vector<EventOperand> ConditionTree::operands() const {
  std::vector<EventOperand> found;
  for (const auto& node : nodes_) {
    if (node.kind == Node::Kind::Event) found.push_back(read_operand(node.words));
  }
  return found;
}

std::vector<core::WaitLeaf> ConditionTree::leaves() const {
  std::vector<core::WaitLeaf> found;
  for (const auto& node : nodes_) {
    if (node.kind != Node::Kind::Event) continue;
    found.push_back({node.words.front(), {node.words.begin() + 1, node.words.end()}});
  }
  return found;
}

std::vector<EventOperand> ConditionTree::impossible(
    const std::function<bool(const EventOperand&)>& possible, Or rule) const {
  if (nodes_.empty()) return {};
  std::vector<bool> values;
  for (const auto& node : nodes_) {
    if (node.kind == Node::Kind::Event) {
      values.push_back(possible(read_operand(node.words)));
    } else if (node.kind == Node::Kind::Or && rule == Or::Either) {
      values.push_back(values[node.left] || values[node.right]);
    } else {
      values.push_back(values[node.left] && values[node.right]);
    }
  }

  std::vector<EventOperand> culprits;
  std::vector<std::size_t> walk{nodes_.size() - 1};
  bool reporting = false;
  while (!walk.empty()) {
    const auto index = walk.back();
    walk.pop_back();
    const auto& node = nodes_[index];
    const bool whole_condition = index == nodes_.size() - 1;
    if (!reporting && !values[index] && (node.kind != Node::Kind::Event || whole_condition)) {
      reporting = true;
      walk.clear();
    }
    if (node.kind != Node::Kind::Event) {
      walk.push_back(node.left);
      walk.push_back(node.right);
    } else if (reporting && !values[index]) {
      culprits.push_back(read_operand(node.words));
    }
  }
  return culprits;
}

}  // namespace upkeep::tools
