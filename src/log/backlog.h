// Output that could not be written yet, kept in memory within two bounds: of its file, of all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace upkeep::log {

/// The memory that the backlogs of all files may take together.
struct MemoryBudget {
  std::size_t limit = std::size_t{16} * 1024 * 1024;
  std::size_t used = 0;
};

class Backlog {
 public:
  static constexpr std::size_t kLimit = std::size_t{256} * 1024;

  explicit Backlog(MemoryBudget& budget) : budget_(budget) {}
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;
  ~Backlog() { remove(bytes_.size()); }

  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

  /// Appends `output`; where a bound is passed the oldest bytes go. Returns how many were lost.
  std::size_t add(std::string_view output);

  /// Forgets the first `count` bytes: they have been written.
  void remove(std::size_t count);

 private:
  MemoryBudget& budget_;
  std::string bytes_;
};

}  // namespace upkeep::log
