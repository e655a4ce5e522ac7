// A D-Bus path that names an object is exactly the path that this object has, and any name has one.
#include "control/object_path.h"

#include "fuzz.h"

using namespace upkeep;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::as_text(data, size);
  if (const auto named = control::parse_object_path(text)) {
    const auto path = named->instance ? control::instance_path(named->job, *named->instance)
                                      : control::job_path(named->job);
    fuzz::check(path == text);
  }
  fuzz::check(control::unescape_element(control::escape_element(text)) == text);
  return 0;
}
