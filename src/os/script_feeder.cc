#include "os/script_feeder.h"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <sys/epoll.h>

namespace upkeep::os {

Result<void> ScriptFeeder::feed(core::SpawnId id, UniqueFd pipe, std::string script) {
  Delivery fresh{this, id, std::move(script), 0, std::move(pipe), nullptr};
  if (!write_some(fresh)) return {};  // short scripts fit at once

  auto& delivery = deliveries_.emplace(id, std::move(fresh)).first->second;
  sd_event_source* source = nullptr;
  const int result =
      sd_event_add_io(loop_, &source, delivery.pipe.value(), EPOLLOUT, on_writable, &delivery);
  if (result < 0) {
    stop(id);
    return failure(fmt::format("unable to wait for room in a pipe: {}", std::strerror(-result)));
  }
  delivery.source.reset(source);
  return {};
}

int ScriptFeeder::on_writable(sd_event_source*, int, uint32_t, void* delivery) noexcept {
  auto& self = *static_cast<Delivery*>(delivery);
  if (!write_some(self)) self.feeder->stop(self.id);
  return 0;
}

bool ScriptFeeder::write_some(Delivery& delivery) {
  const auto* rest = delivery.script.data() + delivery.written;
  const auto size = delivery.script.size() - delivery.written;
  const auto count = ::write(delivery.pipe.value(), rest, size);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  delivery.written += static_cast<std::size_t>(count);
  return delivery.written < delivery.script.size();
}

}  // namespace upkeep::os
