#include "os/launch_fixture.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace upkeep::os {
namespace {

constexpr int kPatience = 10'000;  // milliseconds

/// One system call refused by the kernel for this process and its children, for good.
void refuse(const Refusal& refusal) {
  const auto statement = [](int code, std::uint32_t value) {
    return sock_filter{static_cast<__u16>(code), 0, 0, value};
  };
  const auto jump_unless = [](std::uint32_t value, __u8 further) {
    return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, further, value};
  };
  constexpr int kLoad = BPF_LD | BPF_W | BPF_ABS;
  const auto allow = statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  const auto error = static_cast<std::uint32_t>(refusal.error);
  const auto deny = statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error);

  std::vector<sock_filter> filter{statement(kLoad, offsetof(seccomp_data, nr)),
                                  jump_unless(static_cast<std::uint32_t>(refusal.number), 0)};
  if (refusal.argument >= 0) {
    const auto offset = offsetof(seccomp_data, args) +
                        sizeof(std::uint64_t) * static_cast<std::size_t>(refusal.argument);
    filter.push_back(statement(kLoad, static_cast<std::uint32_t>(offset)));
    filter.push_back(statement(BPF_ALU | BPF_AND | BPF_K, refusal.mask));
    filter.push_back(jump_unless(refusal.value, 1));
  }
  filter.push_back(deny);
  filter.push_back(allow);
  filter[1].jf = static_cast<__u8>(filter.size() - 3);  // to the last
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
    std::abort();
  }
}

bool becomes_ready(int descriptor, short what) {
  pollfd wait{descriptor, what, 0};
  return ::poll(&wait, 1, kPatience) > 0;
}

void feed(Launched& launched) {
  std::string_view rest = launched.script;
  while (launched.script_pipe && !rest.empty() &&
         becomes_ready(launched.script_pipe.value(), POLLOUT)) {
    const auto count = ::write(launched.script_pipe.value(), rest.data(), rest.size());
    if (count < 0 && errno != EAGAIN) break;
    if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
  }
  launched.script_pipe.reset();
}

}  // namespace

LaunchTest::LaunchTest() : self_(::getpid()) {
  void* const page =
      ::mmap(nullptr, sizeof(Returns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) std::abort();
  returns_ = new (page) Returns{};
  auto pattern = (std::filesystem::temp_directory_path() / "upkeep-launch-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  directory_ = pattern;
  if (is_root()) std::filesystem::permissions(directory_, std::filesystem::perms{0755});
}

LaunchTest::~LaunchTest() {
  EXPECT_EQ(returns_->ours, returns_->launches);
  EXPECT_EQ(returns_->others, 0) << "a child has come back into the code of the manager";
  ::munmap(returns_, sizeof(Returns));
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

conf::JobDefinition LaunchTest::exec(std::string command) {
  conf::JobDefinition job;
  job.name = "job";
  job.process(core::ProcessType::Main) = {conf::Command::Form::Exec, std::move(command)};
  return job;
}

conf::JobDefinition LaunchTest::script(std::string text) {
  auto job = exec("");
  job.process(core::ProcessType::Main) = {conf::Command::Form::Script, std::move(text)};
  return job;
}

core::SpawnRequest LaunchTest::request(conf::JobDefinition job) const {
  return {.id = {1},
          .definition = std::make_shared<const conf::JobDefinition>(std::move(job)),
          .type = core::ProcessType::Main,
          .instance = "",
          .environment = environment_};
}

std::expected<Launched, LaunchFailure> LaunchTest::start(const core::SpawnRequest& request) {
  ++returns_->launches;
  auto launched = launch(request, options_, surroundings_);
  ++(::getpid() == self_ ? returns_->ours : returns_->others);
  return launched;
}

SetupOutcome LaunchTest::end_of_setup(Launched& launched, const core::SpawnRequest& request) {
  SetupOutcome outcome;
  for (;;) {
    if (!becomes_ready(launched.report.value(), POLLIN)) {
      outcome.failure = "the set-up does not end";
      ::kill(launched.pid, SIGKILL);
      return outcome;
    }
    SetupReport report;
    if (::read(launched.report.value(), &report, sizeof report) !=
        static_cast<ssize_t>(sizeof report)) {
      return outcome;
    }
    auto text = describe(report, *request.definition, launched.names).description;
    if (is_warning(report.step)) {
      outcome.warnings.push_back(std::move(text));
    } else {
      outcome.failure = std::move(text);
    }
  }
}

SetupOutcome LaunchTest::run(const core::SpawnRequest& request) {
  auto launched = start(request);
  if (!launched) return {.warnings = {}, .failure = launched.error().description, .output = {}};
  auto outcome = end_of_setup(*launched, request);
  if (outcome.failure.empty()) {
    feed(*launched);
    if (launched->output) outcome.output = read_all(launched->output.value());
  }
  outcome.wait_status = wait_for(launched->pid);
  return outcome;
}

std::string LaunchTest::output_of(conf::JobDefinition job) {
  const auto outcome = run(std::move(job));
  EXPECT_EQ(outcome.failure, "");
  EXPECT_EQ(outcome.warnings, std::vector<std::string>{});
  EXPECT_EQ(outcome.wait_status, 0);
  return outcome.output;
}

std::string LaunchTest::in_sandbox(const std::vector<Refusal>& refusals,
                                   const std::function<std::string()>& work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) std::abort();
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  const pid_t helper = ::fork();
  if (helper == 0) {
    self_ = ::getpid();
    for (const auto& refusal : refusals) refuse(refusal);
    const auto text = work();
    const auto written = ::write(writing.value(), text.data(), text.size());
    ::_exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  writing.reset();
  auto text = read_all(reading.value());
  EXPECT_EQ(wait_for(helper), 0) << text;
  return text;
}

bool LaunchTest::is_root() {
  return ::geteuid() == 0;
}

int LaunchTest::open_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

/// Until the last writer has closed it; a terminal says so by an error.
std::string LaunchTest::read_all(int descriptor) {
  std::string text;
  char buffer[4096];
  while (becomes_ready(descriptor, POLLIN)) {
    const auto size = ::read(descriptor, buffer, sizeof buffer);
    if (size <= 0) break;
    text.append(buffer, static_cast<std::size_t>(size));
  }
  std::erase(text, '\r');
  return text;
}

int LaunchTest::wait_for(pid_t pid) {
  int status = -1;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace upkeep::os
