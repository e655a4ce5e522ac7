#include "control/event_files.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>

#include "base/strings.h"
#include "base/unique_fd.h"

namespace upkeep::control {
namespace {

/// Past 0 to 2, and past 9, from which a shell reads its script.
constexpr int kFirstDescriptor = 10;

class ReceivedFile final : public core::EventFile {
 public:
  ReceivedFile(UniqueFd descriptor, std::shared_ptr<std::size_t> count)
      : descriptor_(std::move(descriptor)), count_(std::move(count)) {
    ++*count_;
  }
  ~ReceivedFile() override { --*count_; }
  ReceivedFile(const ReceivedFile&) = delete;
  ReceivedFile& operator=(const ReceivedFile&) = delete;

  [[nodiscard]] int number() const override { return descriptor_.value(); }

 private:
  UniqueFd descriptor_;
  std::shared_ptr<std::size_t> count_;
};

}  // namespace

Result<std::shared_ptr<const core::EventFile>> EventFiles::keep(int descriptor) {
  if (size() >= kMax) {
    return failure(fmt::format("No more than {} files of events can be kept at a time", kMax));
  }
  UniqueFd copy{::fcntl(descriptor, F_DUPFD_CLOEXEC, kFirstDescriptor)};
  if (!copy) {
    return failure(fmt::format("Unable to keep the file: {}", system_error_text(errno)));
  }
  return std::make_shared<const ReceivedFile>(std::move(copy), count_);
}

}  // namespace upkeep::control
