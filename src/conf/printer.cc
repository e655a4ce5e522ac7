// The reverse of the stanza table. What reads quotes and backslashes is Lexer.
#include "conf/printer.h"

#include <string_view>

#include <fmt/format.h>

#include "base/signals.h"

namespace upkeep::conf {
namespace {

/// A value such that reading it removes just what is added here.
std::string quoted(std::string_view value) {
  std::string out;
  for (const char byte : value) {
    if (byte == '"') {
      out += "\"'\"'\"";  // in the other quotes, between two pieces
    } else if (byte == '\\') {
      out += "\\\\";
    } else {
      out += byte;
    }
  }
  const bool bare = value.find_first_of(" \t\r\"'#()") == std::string_view::npos;
  return bare ? out : fmt::format("\"{}\"", out);
}

/// A word of a condition, where the names of the operators need quotes too.
std::string quoted_event_word(std::string_view word) {
  if (word == "and" || word == "or") return fmt::format("\"{}\"", word);
  return quoted(word);
}

using Operator = EventExpression::Kind;

void append(std::string& out, const EventExpression& node);

void append_operand(std::string& out, const EventExpression& node, bool parentheses) {
  if (parentheses) out += '(';
  append(out, node);
  if (parentheses) out += ')';
}

void append(std::string& out, const EventExpression& node) {
  if (node.kind == Operator::Event) {
    out += quoted_event_word(node.event);
    for (const auto& argument : node.arguments) out.append(" ").append(quoted_event_word(argument));
    return;
  }
  const auto& left = *node.left;
  append_operand(out, left, left.kind != Operator::Event && left.kind != node.kind);
  out += node.kind == Operator::And ? " and " : " or ";
  append_operand(out, *node.right, node.right->kind != Operator::Event);
}

/// A definition, stanza by stanza.
class Printer {
 public:
  explicit Printer(const JobDefinition& job) : job_(job) {}

  [[nodiscard]] std::string print() && {
    print_texts();
    print_conditions();
    print_supervision();
    print_surroundings();
    for (const auto type : kAllProcessTypes) print_process(type);
    return std::move(out_);
  }

 private:
  void line(std::string_view text) { out_.append(text) += '\n'; }

  void value(std::string_view stanza, std::string_view text) {
    line(fmt::format("{} {}", stanza, quoted(text)));
  }

  void value(std::string_view stanza, const std::optional<std::string>& text) {
    if (text) value(stanza, std::string_view(*text));
  }

  template <typename T>
  void number(std::string_view stanza, const std::optional<T>& number) {
    if (number) line(fmt::format("{} {}", stanza, *number));
  }

  template <typename T>
  void number(std::string_view stanza, const Setting<T>& number) {
    if (number.is_set()) line(fmt::format("{} {}", stanza, number.value()));
  }

  void list(std::string_view stanza, const std::vector<std::string>& values) {
    if (values.empty()) return;
    out_ += stanza;
    for (const auto& text : values) out_.append(" ").append(quoted(text));
    out_ += '\n';
  }

  void flag(std::string_view stanza, bool is_set) {
    if (is_set) line(stanza);
  }

  void print_texts() {
    value("description", job_.description);
    value("author", job_.author);
    value("version", job_.version);
    value("usage", job_.usage);
    if (job_.instance.is_set()) value("instance", std::string_view(job_.instance.value()));
    list("emits", job_.emits);
    list("import", job_.imports);
    for (const auto& variable : job_.env) value("env", std::string_view(variable));
    list("export", job_.export_env);
  }

  void print_conditions() {
    if (job_.start_on) line("start on " + print_condition(*job_.start_on.get()));
    if (job_.stop_on) line("stop on " + print_condition(*job_.stop_on.get()));
  }

  void print_supervision() {
    flag("task", job_.task);
    flag("respawn", job_.respawn);
    if (const auto& limit = job_.respawn_limit; limit.is_set()) {
      line(fmt::format("respawn limit {} {}", limit->count, limit->interval_seconds));
    }
    if (!job_.normal_exit.empty()) {
      line(fmt::format("normal exit {}", fmt::join(job_.normal_exit, " ")));
    }
    print_expect();
    number("kill timeout", job_.kill_timeout_seconds);
    number("kill signal", job_.kill_signal);
    if (job_.kill_mode.is_set()) line(fmt::format("kill mode {}", to_string(job_.kill_mode)));
    number("reload signal", job_.reload_signal);
    flag("debug", job_.debug);
  }

  void print_expect() {
    if (job_.expect == Expect::Fd) {
      line(fmt::format("expect fd {}", job_.expect_fd));
    } else if (job_.expect.is_set()) {
      line(fmt::format("expect {}", to_string(job_.expect)));
    }
    number("expect timeout", job_.expect_timeout_seconds);
    number("expect watchdog", job_.watchdog_seconds);
  }

  void print_surroundings() {
    if (job_.console) line(fmt::format("console {}", to_string(*job_.console)));
    if (job_.umask) line(fmt::format("umask {:03o}", *job_.umask));
    number("nice", job_.nice);
    number("oom score", job_.oom_score_adj);
    for (const auto& limit : job_.limits) {
      line(fmt::format("limit {} {} {}", resources()[limit.resource].name, limit.soft, limit.hard));
    }
    value("chroot", job_.chroot);
    value("chdir", job_.chdir);
    value("setuid", job_.setuid);
    value("setgid", job_.setgid);
    value("apparmor switch", job_.apparmor_switch);
    for (const auto& cgroup : job_.cgroups) print_cgroup(cgroup);
    list("tmpfiles", job_.tmpfiles);
  }

  void print_cgroup(const CgroupSetting& cgroup) {
    std::vector<std::string> words{cgroup.controller};
    if (cgroup.name) words.push_back(*cgroup.name);
    if (cgroup.key) words.push_back(*cgroup.key);
    if (cgroup.value) words.push_back(*cgroup.value);
    list("cgroup", words);
  }

  void print_process(ProcessType type) {
    const auto& command = job_.process(type);
    if (!command || type == ProcessType::Tmpfiles) return;
    if (type == ProcessType::Security) {
      return value("apparmor load", std::string_view(command->text).substr(kApparmorLoader.size()));
    }
    if (type != ProcessType::Main) out_.append(to_string(type)) += ' ';
    if (command->form == Command::Form::Exec) return line("exec " + command->text);
    line("script");
    out_ += command->text;
    line("end script");
  }

  const JobDefinition& job_;
  std::string out_;
};

}  // namespace

std::string print_condition(const EventExpression& condition) {
  std::string out;
  append(out, condition);
  return out;
}

std::string print_job(const JobDefinition& job) {
  return Printer(job).print();
}

}  // namespace upkeep::conf
