#include "base/options.h"

#include <gtest/gtest.h>

namespace upkeep {
namespace {

using Words = std::vector<std::string>;

/// Records what the reader applies, as `letter-or-name=value` in order.
class OptionsTest : public testing::Test {
 protected:
  Option flag(char letter, std::string_view name) {
    return {letter, name, {}, "A flag.", record(letter, name)};
  }
  Option valued(char letter, std::string_view name) {
    return {letter, name, "VALUE", "Takes a value.", record(letter, name)};
  }

  Result<Words> read(const Words& words, ArgumentOrder order = ArgumentOrder::Mixed,
                     UnknownOptions unknown = UnknownOptions::Refuse,
                     LongNames long_names = LongNames::TwoDashes) {
    const std::vector<Option> table{flag('q', "quiet"), flag('n', "no-wait"), valued('i', "ignore"),
                                    valued(0, "dest"), flag('x', {})};
    return read_options(words, table, order, unknown, long_names);
  }

  std::string error(const Words& words) {
    const auto result = read(words);
    return result ? "no error" : result.error().message;
  }

  Words applied_;

 private:
  std::function<void(std::string_view)> record(char letter, std::string_view name) {
    const std::string title = name.empty() ? std::string{letter} : std::string{name};
    return [this, title](std::string_view value) {
      applied_.push_back(title + "=" + std::string{value});
    };
  }
};

TEST_F(OptionsTest, MixWithArguments) {
  EXPECT_EQ(read({"a", "--quiet", "b", "-n", "c"}).value(), (Words{"a", "b", "c"}));
  EXPECT_EQ(applied_, (Words{"quiet=", "no-wait="}));
}

TEST_F(OptionsTest, EveryWayToWriteAValue) {
  EXPECT_EQ(read({"--ignore=1", "--ignore", "2", "-i3", "-i", "4", "--ignore="}).value(), Words{});
  EXPECT_EQ(applied_, (Words{"ignore=1", "ignore=2", "ignore=3", "ignore=4", "ignore="}));
}

TEST_F(OptionsTest, ValueMayLookLikeAnOption) {
  EXPECT_EQ(read({"--dest", "--quiet", "-i", "--"}).value(), Words{});
  EXPECT_EQ(applied_, (Words{"dest=--quiet", "ignore=--"}));
}

TEST_F(OptionsTest, LettersCluster) {
  EXPECT_EQ(read({"-qniq"}).value(), Words{});
  EXPECT_EQ(applied_, (Words{"quiet=", "no-wait=", "ignore=q"}));
}

TEST_F(OptionsTest, DoubleDashEnds) {
  EXPECT_EQ(read({"-q", "--", "-n", "--", "a"}).value(), (Words{"-n", "--", "a"}));
  EXPECT_EQ(applied_, Words{"quiet="});
}

TEST_F(OptionsTest, SingleDashIsAnArgument) {
  EXPECT_EQ(read({"-", ""}).value(), (Words{"-", ""}));
}

TEST_F(OptionsTest, OptionsFirstLeavesTheRestAlone) {
  const auto order = ArgumentOrder::OptionsFirst;
  EXPECT_EQ(read({"-q", "start", "-n", "--", "x"}, order).value(),
            (Words{"start", "-n", "--", "x"}));
  EXPECT_EQ(read({"--", "start", "-n"}, order).value(), (Words{"start", "-n"}));
  EXPECT_EQ(applied_, Words{"quiet="});
}

TEST_F(OptionsTest, ErrorsNameTheOption) {
  EXPECT_EQ(error({"--nosuch=1"}), "invalid option: --nosuch");
  EXPECT_EQ(error({"--qui"}), "invalid option: --qui");
  EXPECT_EQ(error({"-qz"}), "invalid option: -z");
  EXPECT_EQ(error({"--x"}), "invalid option: --x");
  EXPECT_EQ(error({"--dest"}), "missing argument: --dest");
  EXPECT_EQ(error({"-qi"}), "missing argument: -i");
  EXPECT_EQ(error({"--quiet=yes"}), "unexpected argument: --quiet=yes");
  EXPECT_EQ(error({"--=x"}), "invalid option: --");
}

TEST_F(OptionsTest, UnknownOnesMayBeSkipped) {
  EXPECT_EQ(read({"--root=/dev/sda", "-sq", "quiet", "--dest=a"}, ArgumentOrder::Mixed,
                 UnknownOptions::Skip)
                .value(),
            Words{"quiet"});
  EXPECT_EQ(applied_, (Words{"quiet=", "dest=a"}));
}

TEST_F(OptionsTest, LongNamesMayHaveOneDash) {
  const auto read_short = [this](const Words& words) {
    return read(words, ArgumentOrder::Mixed, UnknownOptions::Refuse, LongNames::OneDashToo);
  };
  EXPECT_EQ(read_short({"-quiet", "-dest", "-ignore", "-ignore=1", "--ignore=2", "a"}).value(),
            Words{"a"});
  EXPECT_EQ(applied_, (Words{"quiet=", "dest=-ignore", "ignore=1", "ignore=2"}));
  applied_.clear();
  EXPECT_EQ(read_short({"-qn", "-i3", "-iquiet", "--", "-quiet"}).value(), Words{"-quiet"});
  EXPECT_EQ(applied_, (Words{"quiet=", "no-wait=", "ignore=3", "ignore=quiet"}));
  EXPECT_EQ(read_short({"-quiet=1"}).error().message, "unexpected argument: -quiet=1");
  EXPECT_EQ(read_short({"-dest"}).error().message, "missing argument: -dest");
  EXPECT_EQ(read_short({"-zuiet"}).error().message, "invalid option: -z");
  EXPECT_EQ(read({"-quiet"}).error().message, "invalid option: -u");
}

TEST_F(OptionsTest, HelpIsAlignedAndLeavesOutTheHidden) {
  const std::vector<Option> table{
      {'q', "quiet", {}, "Only errors.", {}},
      {0, "dest", "NAME", "The bus name.", {}},
      {0, "debug", {}, {}, {}},
  };
  EXPECT_EQ(describe_options(table),
            "  -q, --quiet      Only errors.\n"
            "      --dest=NAME  The bus name.\n");
}

}  // namespace
}  // namespace upkeep
