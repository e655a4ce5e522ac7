// libFuzzer entry: whatever parses is encoded to the very same packet again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "log/protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  const auto message = upkeep::log::parse_message(packet);
  if (message && upkeep::log::encode_message(*message) != packet) std::abort();
  return 0;
}
