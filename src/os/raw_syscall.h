// System calls without the C library: nothing here writes errno, takes a lock or touches memory of
// a thread. That is what a child may do that shares the memory of the manager, see child_setup.cc.
#pragma once

#include <cerrno>

#include <sys/syscall.h>
#include <unistd.h>

namespace upkeep::os::raw {

// Always inlined: a copy outside the caller might be one that a sanitizer has instrumented.
template <class T>
[[gnu::always_inline]] inline long word(T* pointer) noexcept {
  return reinterpret_cast<long>(pointer);
}
template <class T>
[[gnu::always_inline]] inline long word(T number) noexcept {
  return static_cast<long>(number);
}

#if defined(__x86_64__)

/// Whether start_on_stack() works on this architecture.
inline constexpr bool kCanStartOnStack = true;

[[gnu::always_inline]] inline long six(long number, long a, long b, long c, long d, long e,
                                       long f) noexcept {
  long result = number;
  register long fourth __asm__("r10") = d;
  register long fifth __asm__("r8") = e;
  register long sixth __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                   : "rcx", "r11", "memory");
  return result;
}

/// Makes system call `number`, which is to be clone or clone3 with a stack for the child. The child
/// runs `run(argument)` there, which must not return; only the parent comes back.
[[gnu::always_inline]] inline long start_on_stack(long number, long a, long b, long c, long d,
                                                  long e, void (*run)(void*) noexcept,
                                                  void* argument) noexcept {
  long result = number;
  register long fourth __asm__("r10") = d;
  register long fifth __asm__("r8") = e;
  register auto function __asm__("r12") = run;
  register auto its_argument __asm__("r13") = argument;
  __asm__ volatile(
      "syscall\n\t"
      "testq %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xorl %%ebp, %%ebp\n\t"  // the outermost frame
      "movq %%r13, %%rdi\n\t"
      "callq *%%r12\n\t"
      "ud2\n"
      "1:"
      : "+a"(result)
      : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(function), "r"(its_argument)
      : "rcx", "r11", "cc", "memory");
  return result;
}

#elif defined(__aarch64__)

inline constexpr bool kCanStartOnStack = true;

[[gnu::always_inline]] inline long six(long number, long a, long b, long c, long d, long e,
                                       long f) noexcept {
  register long what __asm__("x8") = number;
  register long result __asm__("x0") = a;
  register long second __asm__("x1") = b;
  register long third __asm__("x2") = c;
  register long fourth __asm__("x3") = d;
  register long fifth __asm__("x4") = e;
  register long sixth __asm__("x5") = f;
  __asm__ volatile("svc #0"
                   : "+r"(result)
                   : "r"(what), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                   : "memory");
  return result;
}

[[gnu::always_inline]] inline long start_on_stack(long number, long a, long b, long c, long d,
                                                  long e, void (*run)(void*) noexcept,
                                                  void* argument) noexcept {
  register long what __asm__("x8") = number;
  register long result __asm__("x0") = a;
  register long second __asm__("x1") = b;
  register long third __asm__("x2") = c;
  register long fourth __asm__("x3") = d;
  register long fifth __asm__("x4") = e;
  register auto function __asm__("x20") = run;
  register auto its_argument __asm__("x21") = argument;
  __asm__ volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x30, xzr\n\t"
      "mov x0, x21\n\t"
      "blr x20\n\t"
      "brk #1\n"
      "1:"
      : "+r"(result)
      : "r"(what), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(function),
        "r"(its_argument)
      : "cc", "memory");
  return result;
}

#else

// Elsewhere no child shares our memory, and the C library will do.
inline constexpr bool kCanStartOnStack = false;

inline long six(long number, long a, long b, long c, long d, long e, long f) noexcept {
  const long result = ::syscall(number, a, b, c, d, e, f);
  return result < 0 ? -errno : result;
}

inline long start_on_stack(long, long, long, long, long, long, void (*)(void*) noexcept,
                           void*) noexcept {
  return -ENOSYS;
}

#endif

/// The system call with up to six arguments, numbers or pointers: its result, or -errno. (No array
/// of them, which compilers like to clear with memset().)
template <class A = long, class B = long, class C = long, class D = long, class E = long,
          class F = long>
[[gnu::always_inline]] inline long call(long number, A a = 0, B b = 0, C c = 0, D d = 0, E e = 0,
                                        F f = 0) noexcept {
  return six(number, word(a), word(b), word(c), word(d), word(e), word(f));
}

}  // namespace upkeep::os::raw
