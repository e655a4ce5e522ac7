// Standard output and standard error, written in large pieces and in the right order.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <unistd.h>

namespace upkeep::check {

/// What one of the two is given appears after all that the other was given before, so that they
/// can be read together where both go to one place.
class Output {
 public:
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// To standard output.
  void print(std::string_view text) { append(out_, text, err_); }
  /// To standard error.
  void complain(std::string_view text) { append(err_, text, out_); }

  /// Writes what is left; the destructor does not.
  void finish();

  /// The errno of the first failure to write to standard output, or 0. EPIPE means that nobody
  /// reads any more. After a failure all further output is dropped.
  [[nodiscard]] int error() const { return out_.error; }

  /// A write to either of the two has failed.
  [[nodiscard]] bool has_failed() const { return out_.error != 0 || err_.error != 0; }

 private:
  struct Stream {
    int fd;
    std::string pending;
    int error = 0;
  };

  static void append(Stream& stream, std::string_view text, Stream& other);
  static void flush(Stream& stream);

  Stream out_{STDOUT_FILENO, {}};
  Stream err_{STDERR_FILENO, {}};
};

}  // namespace upkeep::check
