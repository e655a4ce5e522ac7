// Which children share the manager's memory until their exec, and which get a copy: those that
//
//   - look up users or groups (setuid, setgid): the name service is code of the C library and of
//     others, and may hang; and a change of identity makes the memory undumpable, so the manager's;
//   - have an OOM score: the kernel gives it to all processes that share the memory;
//   - are to stop for a debugger: it would set its breakpoints in the manager;
//   - have a `cgroup` stanza: in a cgroup at its memory limit the child would be chosen for its
//     size, which is the manager's, and all who share it be killed. (Not so after vfork().)
//   - switch the AppArmor profile: a security module may look at whose memory it is. Rare enough
//     not to depend on it.
//
// Not among them, since what they change is the child's own: session and controlling terminal,
// limits, nice level, umask, root and directory, tracing.
#include "os/launcher.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/strings.h"
#include "conf/expansion.h"
#include "os/child_process.h"
#include "os/command_line.h"

namespace upkeep::os {
namespace {

std::unexpected<LaunchFailure> failed(const char* what, int error = errno) {
  return std::unexpected(LaunchFailure{error, fmt::format("{}: {}", what, std::strerror(error))});
}

struct Pipe {
  UniqueFd reading;
  UniqueFd writing;
};

enum class NonBlocking { Reading, Writing };

/// Close-on-exec, with the manager's end non-blocking and the child's blocking.
std::expected<Pipe, LaunchFailure> make_pipe(const char* purpose, NonBlocking end) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return failed(purpose);
  Pipe pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  const int ours = end == NonBlocking::Reading ? ends[0] : ends[1];
  if (::fcntl(ours, F_SETFL, O_NONBLOCK) < 0) return failed(purpose);
  return pipe;
}

/// Where a logged process writes, as seen from both sides.
struct Output {
  UniqueFd manager;  ///< pty master, or reading end of a pipe
  UniqueFd child;    ///< writing end of a pipe; empty for a pty, whose slave the child opens
  std::string notice;
};

std::expected<Output, LaunchFailure> open_output() {
  UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (master && ::unlockpt(master.value()) == 0) return Output{std::move(master), {}, {}};

  const int error = errno;
  // With all terminals taken (ENOSPC) there may be none for long: not worth waiting for.
  if (is_temporary(error) && error != ENOSPC) {
    return failed("unable to create a terminal to log from", error);
  }
  // Nor are there any in a bare container. A pipe carries the output as well.
  auto pipe = make_pipe("unable to create a pipe to log from", NonBlocking::Reading);
  if (!pipe) return std::unexpected(pipe.error());
  return Output{std::move(pipe->reading), std::move(pipe->writing),
                fmt::format("no terminal to log from ({}), using a pipe", std::strerror(error))};
}

conf::Console effective_console(const conf::JobDefinition& job, const PlatformOptions& options,
                                bool logged) {
  const auto console = job.console.value_or(options.default_console);
  const bool lost = console == conf::Console::Log && (!logged || !options.log_enabled);
  return lost ? conf::Console::None : console;
}

/// Whether nothing that the child is going to do reaches the manager through the memory they share.
/// The list of reasons is at the head of this file.
bool may_share_memory(const ChildSetup& setup, const conf::JobDefinition& job,
                      const Surroundings& surroundings) {
  return setup.user == nullptr && setup.group == nullptr && setup.oom_score == nullptr &&
         setup.apparmor_exec == nullptr && !setup.debug_stop && job.cgroups.empty() &&
         surroundings.joins.empty();
}

/// All of `surroundings` that is not a descriptor of ours alone, and AppArmor.
std::expected<void, LaunchFailure> add_surroundings(SetupBlock& block,
                                                    const core::SpawnRequest& request,
                                                    const PlatformOptions& options,
                                                    const Surroundings& surroundings) {
  const bool is_main = request.type == core::ProcessType::Main;
  const auto& profile = request.definition->apparmor_switch;
  if (is_main && profile && options.apparmor_usable) {
    const auto expanded = conf::expand(*profile, request.environment);
    if (!expanded) {
      return std::unexpected(
          LaunchFailure{EINVAL, fmt::format("unable to name AppArmor profile \"{}\": {}",
                                            printable(*profile), expanded.error().message)});
    }
    block.set_profile(*expanded);
  }
  if (is_main && !surroundings.notify_address.empty()) {
    block.set_notify_address(surroundings.notify_address);
  }
  block.setup().mark = surroundings.mark;
  block.set_joins(surroundings.joins);
  block.finish();
  return {};
}

/// The pipe of `expect fd`. Its number must not be wanted for something else.
std::expected<Pipe, LaunchFailure> open_ready(const SetupBlock& block, int number,
                                              bool has_script) {
  const bool is_script = has_script && number == kScriptDescriptor;
  if (is_script || std::ranges::binary_search(block.files(), number)) {
    return std::unexpected(LaunchFailure{
        EBUSY, fmt::format("descriptor {} of \"expect fd\" is taken by {}", number,
                           is_script ? "the script" : "a file of an event (UPSTART_FDS)")});
  }
  return make_pipe("unable to create a pipe for \"expect fd\"", NonBlocking::Reading);
}

/// The path of a cgroup by a descriptor of its directory or its cgroup.procs, for messages.
std::string cgroup_name(int descriptor) {
  std::error_code error;
  const auto path =
      std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", descriptor), error);
  return path.filename() == "cgroup.procs" ? path.parent_path() : path;
}

SetupNames names_of(const core::SpawnRequest& request, const PlatformOptions& options,
                    const Surroundings& surroundings, std::string program) {
  SetupNames names{.program = std::move(program),
                   .directory = start_directory(request, options).value_or(""),
                   .session = request.session};
  if (surroundings.cgroup >= 0) names.cgroup = cgroup_name(surroundings.cgroup);
  for (const int join : surroundings.joins) names.cgroups.push_back(cgroup_name(join));
  return names;
}

}  // namespace

bool is_temporary(int error) {
  return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE ||
         error == ENOSPC;
}

std::expected<Launched, LaunchFailure> launch(const core::SpawnRequest& request,
                                              const PlatformOptions& options,
                                              const Surroundings& surroundings) {
  const auto& job = *request.definition;
  const auto& command = job.process(request.type);
  if (!command) return failed("no such process in the job", ENOENT);
  auto line = command_line(*command);
  const auto console = effective_console(job, options, surroundings.logged);
  const auto program = line.arguments.front();
  auto block = std::make_unique<SetupBlock>(request, options, std::move(line.arguments), console);
  auto& setup = block->setup();
  if (auto done = add_surroundings(*block, request, options, surroundings); !done) {
    return std::unexpected(done.error());
  }

  Launched launched;
  auto report = make_pipe("unable to create a pipe for the set-up", NonBlocking::Reading);
  if (!report) return std::unexpected(report.error());
  launched.report = std::move(report->reading);
  setup.report = report->writing.value();

  Pipe script;
  if (line.script) {
    auto pipe = make_pipe("unable to create a pipe for the script", NonBlocking::Writing);
    if (!pipe) return std::unexpected(pipe.error());
    script = std::move(*pipe);
    setup.script = script.reading.value();
  }

  Pipe ready;
  if (request.type == core::ProcessType::Main && job.expect == conf::Expect::Fd) {
    auto pipe = open_ready(*block, job.expect_fd, line.script.has_value());
    if (!pipe) return std::unexpected(pipe.error());
    ready = std::move(*pipe);
    setup.ready = ready.writing.value();
    setup.ready_number = job.expect_fd;
  }

  Output output;
  if (console == conf::Console::Log) {
    auto opened = open_output();
    if (!opened) return std::unexpected(opened.error());
    output = std::move(*opened);
    (output.child ? setup.output : setup.terminal) =
        output.child ? output.child.value() : output.manager.value();
  }

  const bool share = options.share_memory && may_share_memory(setup, job, surroundings);
  launched.traced = setup.trace;
  auto child = create_child(std::move(block), share, surroundings.cgroup);
  if (!child) return failed("unable to create a process", child.error());

  launched.pid = child->pid;
  launched.pidfd = std::move(child->pidfd);
  launched.memory = std::move(child->memory);
  launched.ready = std::move(ready.reading);
  launched.output = std::move(output.manager);
  launched.script_pipe = std::move(script.writing);
  launched.script = std::move(line.script).value_or("");
  launched.notice = std::move(output.notice);
  launched.names = names_of(request, options, surroundings, program);
  return launched;
}

}  // namespace upkeep::os
