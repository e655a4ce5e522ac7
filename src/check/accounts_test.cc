#include "check/accounts.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "conf/lexer.h"

namespace upkeep::check {
namespace {

using conf::DiagnosticKind;
using enum conf::DiagnosticKind;

std::vector<DiagnosticKind> warnings_of(std::string_view text) {
  auto job = conf::parse_job(text).value();
  Accounts accounts;
  warn_of_unknown_accounts(accounts, job);
  std::vector<DiagnosticKind> kinds(job.warnings.size());
  std::ranges::transform(job.warnings, kinds.begin(), &conf::Diagnostic::kind);
  return kinds;
}

using Kinds = std::vector<DiagnosticKind>;

TEST(Accounts, UnknownNamesAreWarnedOf) {
  EXPECT_EQ(warnings_of("setuid root\nsetgid root\n"), Kinds{});
  EXPECT_EQ(warnings_of("setuid nosuchuser\n"), Kinds{UnknownUser});
  EXPECT_EQ(warnings_of("setgid nosuchgroup\n"), Kinds{UnknownGroup});
  EXPECT_EQ(warnings_of("exec a\nsetgid nosuchgroup\nexec b\nsetuid nosuchuser\n"),
            (Kinds{UnknownGroup, DuplicateStanza, UnknownUser}));
}

TEST(Accounts, InsideAChrootNoNameIsLookedUp) {
  EXPECT_EQ(warnings_of("chroot /srv\nsetuid nosuchuser\n"), Kinds{});
  EXPECT_EQ(warnings_of("setgid nosuchgroup\nchroot /srv\n"), Kinds{});
}

TEST(Accounts, WarningsAreBounded) {
  std::string text = "setuid nosuchuser\n";
  for (std::size_t i = 0; i <= conf::kMaxDiagnostics; ++i) text += "exec a\n";
  text += "setgid nosuchgroup\n";
  const auto kinds = warnings_of(text);
  EXPECT_EQ(kinds.size(), conf::kMaxDiagnostics);
  EXPECT_EQ(kinds.front(), UnknownUser);
  EXPECT_EQ(std::ranges::count(kinds, UnknownGroup), 0) << "it stands behind all others";
}

}  // namespace
}  // namespace upkeep::check
