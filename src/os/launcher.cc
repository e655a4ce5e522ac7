#include "os/launcher.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "os/child_setup.h"
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

/// The form exec() wants. The strings must outlive the result and are not written to.
std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> list;
  list.reserve(strings.size() + 1);
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

/// Signals stay blocked until the child has put back the defaults: no handler of the manager ever
/// runs in a child.
pid_t fork_into(const ChildSetup& setup) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) run_child(setup);
  const int error = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return pid;
}

conf::Console effective_console(const conf::JobDefinition& job, const PlatformOptions& options,
                                bool logged) {
  const auto console = job.console.value_or(options.default_console);
  const bool lost = console == conf::Console::Log && (!logged || !options.log_enabled);
  return lost ? conf::Console::None : console;
}

}  // namespace

bool is_temporary(int error) {
  return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE ||
         error == ENOSPC;
}

std::optional<std::string> start_directory(const core::SpawnRequest& request,
                                           const PlatformOptions& options) {
  const auto& job = *request.definition;
  if (job.chdir) return job.chdir;
  // After chroot the old directory would be a way out.
  if (options.start_in_root || job.chroot) return "/";
  return std::nullopt;
}

std::expected<Launched, LaunchFailure> launch(const core::SpawnRequest& request,
                                              const PlatformOptions& options, bool logged) {
  const auto& job = *request.definition;
  const auto& command = job.process(request.type);
  if (!command) return failed("no such process in the job", ENOENT);
  auto line = command_line(*command);

  Launched launched;
  auto report = make_pipe("unable to create a pipe for the set-up", NonBlocking::Reading);
  if (!report) return std::unexpected(report.error());
  launched.report = std::move(report->reading);

  Pipe script;
  if (line.script) {
    auto pipe = make_pipe("unable to create a pipe for the script", NonBlocking::Writing);
    if (!pipe) return std::unexpected(pipe.error());
    script = std::move(*pipe);
  }

  const auto console = effective_console(job, options, logged);
  Output output;
  if (console == conf::Console::Log) {
    auto opened = open_output();
    if (!opened) return std::unexpected(opened.error());
    output = std::move(*opened);
  }

  const auto arguments = pointers(line.arguments);
  const auto environment = pointers(request.environment);
  const auto files = numbers(request.files);
  const auto directory = start_directory(request, options);
  const bool is_main = request.type == core::ProcessType::Main;
  ChildSetup setup;
  setup.arguments = arguments.data();
  setup.environment = environment.data();
  setup.definition = &job;
  setup.console = console;
  setup.report = report->writing.value();
  setup.script = script.reading.value();
  setup.output = output.child.value();
  setup.terminal = output.child ? -1 : output.manager.value();
  setup.files = files;
  setup.umask = job.umask ? job.umask : options.default_umask;
  setup.descriptor_limit = options.descriptor_limit;
  setup.directory = directory ? directory->c_str() : nullptr;
  setup.attributes = !conf::serves_the_manager(request.type);
  setup.trace = request.trace && is_main;
  setup.debug_stop = job.debug && options.honour_debug;

  launched.pid = fork_into(setup);
  if (launched.pid < 0) return failed("unable to create a process");

  launched.output = std::move(output.manager);
  launched.script_pipe = std::move(script.writing);
  launched.script = std::move(line.script).value_or("");
  launched.program = std::move(line.arguments.front());
  launched.notice = std::move(output.notice);
  return launched;
}

}  // namespace upkeep::os
