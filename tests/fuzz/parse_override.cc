// An override gives what the two files in one would give, and never changes its base.
#include "fuzz.h"

#include "conf/parser.h"

using namespace upkeep;
using fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [base_text, override_text] = fuzz::divide(fuzz::as_text(data, size));
  const auto base = conf::parse_job(base_text);
  if (!base) return 0;
  const auto again = conf::parse_job(base_text);
  const auto job = conf::parse_override(base->definition, override_text);
  check(again->definition == base->definition);

  const auto joined = conf::parse_job(std::string(base_text) + "\n" + std::string(override_text));
  check(joined.has_value() == job.has_value());
  if (job) check(job->definition == joined->definition);
  return 0;
}
