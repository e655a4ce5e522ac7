// One log file: opened at its first output, rotated by size, and patient with a full disk or a
// missing directory (spec/runtime.md 5.2, 5.3).
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "log/backlog.h"

namespace upkeep::log {

/// Takes one line for the administrator, without line end.
using Warn = std::function<void(const std::string&)>;

struct Rotation {
  std::uint64_t max_size = std::uint64_t{100} * 1024 * 1024;  ///< bytes; 0 means never
  unsigned keep = 7;  ///< how many old files stay: NAME.1 (the newest) to NAME.keep; at least 1
};

/// Appends output to a file. Never fails towards its caller: what cannot be written is kept within
/// bounds, or thrown away while the disk is full, and the administrator hears of it once.
///
/// The file is created with mode 0640 whatever the umask, and is never a symbolic link, a FIFO or
/// a device. A file that was deleted appears again at the next output; one that was renamed goes
/// on being written until another stream joins.
class LogFile {
 public:
  LogFile(std::string path, Rotation rotation, MemoryBudget& budget, const Warn& warn);
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile() = default;

  /// Appends `output` after everything that was kept.
  void write(std::string_view output);

  /// Tries again to write what was kept.
  void retry();

  /// Whether output is kept that waits for the file to become writable.
  [[nodiscard]] bool pending() const { return !backlog_.empty(); }

  /// Another stream begins to write here. If the name no longer leads to the open file, as after
  /// a rename by a log rotation, the next output goes to a file of that name.
  void join() { check_name_ = true; }

  /// The last attempt; says what is lost with it.
  void finish();

 private:
  /// Why a step did not succeed. Each kind is reported once in an episode.
  struct Failure {
    enum class Kind { NoSpace, Other };
    Kind kind;
    std::string text;
  };

  static Failure describe(std::string_view action, int error);
  [[nodiscard]] std::optional<Failure> flush_backlog();
  [[nodiscard]] std::optional<Failure> append(std::string_view& bytes);
  [[nodiscard]] std::optional<Failure> make_ready();
  [[nodiscard]] std::optional<Failure> open_file();
  [[nodiscard]] bool is_named_by_path() const;
  [[nodiscard]] bool rotation_is_due() const;
  void rotate();
  void failed(const Failure& failure);
  void recovered();
  void warn(std::string_view text) const;

  const std::string path_;
  const Rotation rotation_;
  const Warn& warn_;

  UniqueFd fd_;
  bool check_name_ = false;
  bool at_line_start_ = true;
  std::uint64_t size_ = 0;        ///< of the open file, before the next write
  std::uint64_t rotate_from_;     ///< the size from which rotation is due
  bool rotation_failed_ = false;  ///< and has been reported

  Backlog backlog_;
  std::uint64_t lost_ = 0;          ///< bytes lost and not yet reported
  std::array<bool, 2> reported_{};  ///< by Failure::Kind, in this episode
  std::array<std::optional<std::chrono::steady_clock::time_point>, 2> last_report_{};
};

}  // namespace upkeep::log
