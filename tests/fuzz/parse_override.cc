// An override gives what the two files in one would give, and never changes its base.
#include "fuzz.h"

#include "conf/parser.h"

using namespace upkeep;
using fuzz::check;

namespace {

/// The parts of a definition that are easily compared.
bool same(const conf::JobDefinition& a, const conf::JobDefinition& b) {
  return a.description == b.description && a.instance == b.instance && a.emits == b.emits &&
         a.processes == b.processes && a.env == b.env && a.export_env == b.export_env &&
         a.normal_exit == b.normal_exit && a.limits == b.limits && a.cgroups == b.cgroups &&
         a.task == b.task && a.respawn == b.respawn && a.respawn_limit == b.respawn_limit &&
         a.kill_signal == b.kill_signal && !a.start_on == !b.start_on && !a.stop_on == !b.stop_on;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto [base_text, override_text] = fuzz::divide(fuzz::as_text(data, size));
  const auto base = conf::parse_job(base_text);
  if (!base) return 0;
  const auto again = conf::parse_job(base_text);
  const auto job = conf::parse_override(*base, override_text);
  check(same(*again, *base));

  const auto joined = conf::parse_job(std::string(base_text) + "\n" + std::string(override_text));
  check(joined.has_value() == job.has_value());
  if (job) check(same(*job, *joined));
  return 0;
}
