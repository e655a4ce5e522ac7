// Whatever parses as a message to or from upkeep-logger is encoded to the very same packet again.
#include "fuzz.h"

#include "log/protocol.h"

using namespace upkeep;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto packet = fuzz::as_text(data, size);
  const auto message = log::parse_message(packet);
  if (message) fuzz::check(log::encode_message(*message) == packet);
  return 0;
}
