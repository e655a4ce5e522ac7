// What a child lives on that shares the manager's memory until it executes its program: a stack,
// and all that it reads. Kept until the kernel says that the child has left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <sys/types.h>

#include "os/setup_block.h"

namespace upkeep::os {

/// A stack with a page below it that must not be touched, and a word that the kernel clears when
/// the process on it leaves the memory, by exec or in any way of dying (CLONE_CHILD_CLEARTID).
class ChildStack {
 public:
  /// Empty if there is no memory, with errno set.
  [[nodiscard]] static ChildStack create();
  ChildStack() = default;
  ChildStack(ChildStack&& other) noexcept;
  ChildStack& operator=(ChildStack&& other) noexcept;
  ChildStack(const ChildStack&) = delete;
  ChildStack& operator=(const ChildStack&) = delete;
  ~ChildStack();

  [[nodiscard]] explicit operator bool() const { return mapping_ != nullptr; }
  /// The lowest byte that may be used, and how many there are; both multiples of 16.
  [[nodiscard]] void* begin() const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] std::uint32_t* occupied() const;

 private:
  explicit ChildStack(char* mapping) : mapping_(mapping) {}
  char* mapping_ = nullptr;
};

struct ChildMemory {
  std::unique_ptr<SetupBlock> block;
  ChildStack stack;
  pid_t pid = 0;  ///< who lives on it; 0: nobody has come to do so

  /// Whether the child may still read or write here.
  [[nodiscard]] bool is_occupied() const;
};

/// Gives the memory back as soon as that is safe, which may be long after.
struct ReturnChildMemory {
  void operator()(ChildMemory* memory) const noexcept;
};

/// May go at any time: a child that is still there is waited for without an owner.
using ChildMemoryHandle = std::unique_ptr<ChildMemory, ReturnChildMemory>;

/// Takes a stack that is free, or a new one; null if there is no memory, with errno set.
[[nodiscard]] ChildMemoryHandle obtain_child_memory(std::unique_ptr<SetupBlock> block);

/// For tests.
struct ChildMemoryCounts {
  std::size_t idle = 0;       ///< stacks kept for the next
  std::size_t abandoned = 0;  ///< without an owner, but still occupied when last looked at
};
[[nodiscard]] ChildMemoryCounts count_child_memory();

}  // namespace upkeep::os
