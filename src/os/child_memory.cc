// When a child is gone. The kernel clears the word `occupied` in mm_release(), which a process
// passes on its way out of the memory: in exec before it takes the new one, in exit before it
// closes its files. It does not come back to user mode in between, so whoever sees the word cleared
// knows that the child will never touch the stack again. Kernels leave the word alone when the
// process dumps core, old ones also when it dies of another signal: then it is gone once it has
// been reaped, and kill() cannot find it any more.
#include "os/child_memory.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include <sys/mman.h>

namespace upkeep::os {
namespace {

/// What the set-up takes is far below; the kernel may put a signal frame with all vector registers
/// on top.
constexpr std::size_t kStackSize = std::size_t{64} * 1024;
constexpr std::size_t kGuardSize = std::size_t{64} * 1024;  // the largest page there is
/// The word has a cache line to itself, at the bottom.
constexpr std::size_t kWordSize = 64;
/// As many as a burst of starts needs at a time; a stack takes two pages when used.
constexpr std::size_t kMostIdle = 16;

class Pool {
 public:
  ChildStack take() {
    sweep();
    if (idle_.empty()) return ChildStack::create();
    auto stack = std::move(idle_.back());
    idle_.pop_back();
    return stack;
  }

  void give_back(std::unique_ptr<ChildMemory> memory) {
    if (memory->is_occupied()) {
      abandoned_.push_back(std::move(memory));
    } else if (idle_.size() < kMostIdle) {
      idle_.push_back(std::move(memory->stack));
    }
  }

  [[nodiscard]] ChildMemoryCounts count() {
    sweep();
    return {idle_.size(), abandoned_.size()};
  }

 private:
  void sweep() {
    if (abandoned_.empty()) return;
    for (auto& memory : std::exchange(abandoned_, {})) give_back(std::move(memory));
  }

  std::vector<ChildStack> idle_;
  std::vector<std::unique_ptr<ChildMemory>> abandoned_;
};

/// Never destroyed: at the end of the manager children may still be at work.
Pool& pool() {
  static auto& the_pool = *new Pool;
  return the_pool;
}

}  // namespace

ChildStack ChildStack::create() {
  void* const mapping = ::mmap(nullptr, kGuardSize + kStackSize, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return {};
  ChildStack stack(static_cast<char*>(mapping));
  if (::mprotect(stack.occupied(), kStackSize, PROT_READ | PROT_WRITE) < 0) return {};
  return stack;
}

ChildStack::ChildStack(ChildStack&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)) {}

ChildStack& ChildStack::operator=(ChildStack&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  return *this;
}

ChildStack::~ChildStack() {
  if (mapping_ == nullptr) return;
  const int error = errno;
  ::munmap(mapping_, kGuardSize + kStackSize);
  errno = error;
}

std::uint32_t* ChildStack::occupied() const {
  return reinterpret_cast<std::uint32_t*>(mapping_ + kGuardSize);
}

void* ChildStack::begin() const {
  return mapping_ + kGuardSize + kWordSize;
}

std::size_t ChildStack::size() const {
  return kStackSize - kWordSize;
}

bool ChildMemory::is_occupied() const {
  if (pid == 0) return false;
  const std::atomic_ref word(*stack.occupied());
  if (word.load(std::memory_order_acquire) == 0) return false;
  const int error = errno;
  const bool is_gone = ::kill(pid, 0) < 0 && errno == ESRCH;
  errno = error;
  return !is_gone;
}

void ReturnChildMemory::operator()(ChildMemory* memory) const noexcept {
  pool().give_back(std::unique_ptr<ChildMemory>(memory));
}

ChildMemoryHandle obtain_child_memory(std::unique_ptr<SetupBlock> block) {
  auto stack = pool().take();
  if (!stack) return nullptr;
  *stack.occupied() = 1;
  return ChildMemoryHandle(new ChildMemory{std::move(block), std::move(stack), 0});
}

ChildMemoryCounts count_child_memory() {
  return pool().count();
}

}  // namespace upkeep::os
