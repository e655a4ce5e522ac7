#include "os/setup_block.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <sys/resource.h>

namespace upkeep::os {
namespace {

/// Where programs are looked for without a PATH, as execvp() has it.
constexpr std::string_view kDefaultPath = "/bin:/usr/bin";
constexpr const char* kShell = "/bin/sh";
/// More than any pid has.
constexpr std::size_t kPidDigits = 20;

/// The form exec() wants. The strings must outlive the result, and are written to only where
/// somebody knows better.
std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> list;
  list.reserve(strings.size() + 1 + kUserVariables);
  for (const auto& text : strings) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

/// The numbers of the descriptors that came with the events of this start.
std::vector<int> numbers(const std::vector<std::shared_ptr<const core::EventFile>>& files) {
  std::vector<int> list;
  list.reserve(files.size());
  for (const auto& file : files) list.push_back(file->number());
  std::ranges::sort(list);
  return list;
}

std::uint64_t kernel_value(std::uint64_t number) {
  return number == conf::ResourceLimit::kUnlimited ? std::uint64_t{RLIM_INFINITY} : number;
}

}  // namespace

SetupBlock::SetupBlock(const core::SpawnRequest& request, const PlatformOptions& options,
                       std::vector<std::string> arguments, conf::Console console)
    : definition_(request.definition),
      arguments_(std::move(arguments)),
      environment_(request.environment),
      files_(numbers(request.files)) {
  const bool is_main = request.type == core::ProcessType::Main;
  setup_.console = console;
  setup_.files = files_.data();
  setup_.file_count = files_.size();
  setup_.trace = request.trace && is_main;
  setup_.debug_stop = definition_->debug && options.honour_debug;
  if (options.descriptor_limit) {
    descriptor_limit_ = {options.descriptor_limit->rlim_cur, options.descriptor_limit->rlim_max};
    setup_.descriptor_limit = &descriptor_limit_;
  }
  set_program();
  if (!conf::serves_the_manager(request.type)) set_attributes(request, options);
  if (const auto mask = definition_->umask ? definition_->umask : options.default_umask;
      mask && !conf::serves_the_manager(request.type)) {
    setup_.sets_umask = true;
    setup_.umask = *mask;
  }
}

void SetupBlock::set_program() {
  argument_pointers_ = pointers(arguments_);
  setup_.arguments = argument_pointers_.data();
  setup_.program = argument_pointers_.front();
  // The place of the program's own name is for its path.
  shell_pointers_ = argument_pointers_;
  shell_pointers_.insert(shell_pointers_.begin(), const_cast<char*>(kShell));
  setup_.shell_arguments = shell_pointers_.data();

  const auto& program = arguments_.front();
  if (program.empty() || program.find('/') != std::string::npos) return;
  search_path_ = find_variable(environment_, "PATH").value_or(kDefaultPath);
  setup_.search_path = search_path_.c_str();
  setup_.candidate = candidate_.data();
  setup_.candidate_size = candidate_.size();
}

void SetupBlock::set_attributes(const core::SpawnRequest& request, const PlatformOptions& options) {
  const auto& job = *definition_;
  for (const auto& limit : job.limits) {
    limits_.push_back({conf::resources().at(limit.resource).number,
                       {kernel_value(limit.soft), kernel_value(limit.hard)}});
  }
  setup_.limits = limits_.data();
  setup_.limit_count = limits_.size();
  setup_.sets_nice = job.nice.has_value();
  setup_.nice = job.nice.value_or(0);
  if (const int score = job.oom_score_adj.value_or(0); score != 0) {
    oom_score_ = fmt::to_string(score);
    setup_.oom_score = oom_score_.c_str();
    setup_.oom_score_size = oom_score_.size();
  }
  if (!request.session.empty()) {
    session_root_ = request.session;
    setup_.session_root = session_root_.c_str();
  }
  if (job.chroot) setup_.root = job.chroot->c_str();
  directory_ = start_directory(request, options);
  if (directory_) setup_.directory = directory_->c_str();
  if (job.setuid) setup_.user = job.setuid->c_str();
  if (job.setgid) setup_.group = job.setgid->c_str();
}

void SetupBlock::set_joins(std::vector<int> joins) {
  joins_ = std::move(joins);
  setup_.joins = joins_.data();
  setup_.join_count = joins_.size();
}

void SetupBlock::set_profile(std::string_view profile) {
  apparmor_exec_ = fmt::format("exec {}", profile);
  setup_.apparmor_exec = apparmor_exec_.c_str();
  setup_.apparmor_exec_size = apparmor_exec_.size();
}

void SetupBlock::set_notify_address(const std::string& address) {
  set_variable(environment_, fmt::format("NOTIFY_SOCKET={}", address));
  if (!definition_->watchdog_seconds) return;
  const auto seconds = static_cast<std::uint64_t>(*definition_->watchdog_seconds);
  set_variable(environment_, fmt::format("WATCHDOG_USEC={}", seconds * 1'000'000));
  // The pid is for the child to write, who alone knows it in time.
  std::string variable = "WATCHDOG_PID=";
  const auto begin = variable.size();
  set_variable(environment_, variable + std::string(kPidDigits, '\0'));
  for (auto& entry : environment_) {
    if (entry.starts_with(variable)) setup_.watchdog_pid = entry.data() + begin;
  }
}

void SetupBlock::finish() {
  environment_pointers_ = pointers(environment_);
  setup_.environment = environment_pointers_.data();
  setup_.user_variables = setup_.environment + environment_.size();
  environment_pointers_.resize(environment_.size() + 1 + kUserVariables);
}

std::optional<std::string> start_directory(const core::SpawnRequest& request,
                                           const PlatformOptions& options) {
  const auto& job = *request.definition;
  if (job.chdir) return job.chdir;
  // After chroot the old directory would be a way out.
  if (options.start_in_root || job.chroot || !request.session.empty()) return "/";
  return std::nullopt;
}

}  // namespace upkeep::os
