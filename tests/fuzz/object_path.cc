// A D-Bus path that names an object is exactly the path that this object has, and any name has one.
#include "control/object_path.h"

#include <set>

#include "fuzz.h"

#include "base/strings.h"

using namespace upkeep;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::as_text(data, size);
  if (const auto named = control::InstancePaths{}.parse(text)) {
    const auto path = named->instance ? control::instance_path(named->job, *named->instance)
                                      : control::job_path(named->job);
    fuzz::check(path == text);
  }
  fuzz::check(control::unescape_element(control::escape_element(text)) == text);

  // However many instances there are, each is reached by the path it has.
  control::InstancePaths paths;
  std::set<std::string> names;
  for (const auto name : split(text, '\n')) {
    if (names.emplace(name).second) paths.add("job", std::string{name});
  }
  for (const auto& name : names) {
    fuzz::check(paths.parse(paths.path("job", name)) == control::ObjectName{"job", name});
  }
  return 0;
}
