"""The manual pages against what they describe."""
import os
import re

import upkeep


def test_readme_names_a_page_that_is_built():
    with open(os.path.join(upkeep.ROOT, "README.md"), encoding="utf-8") as file:
        page, = re.findall(r"`man build/release/(\S+)`", file.read())
    built = upkeep.read_text(os.path.join(os.path.dirname(upkeep.BIN), page))
    assert ".Dt INIT 5" in built
    assert "@PROJECT" not in built and "@UPKEEP" not in built


def test_manual_names_every_kind():
    with open(os.path.join(upkeep.ROOT, "src", "conf", "diagnostic.h"), encoding="utf-8") as file:
        body = re.search(r"enum class DiagnosticKind \{(.*?)\};", file.read(), re.DOTALL)[1]
    kinds = re.findall(r"^  (\w+),", body, re.MULTILINE)
    assert len(kinds) > 25
    with open(os.path.join(upkeep.ROOT, "docs", "man", "init-checkconf.8"),
              encoding="utf-8") as file:
        manual = file.read()
    assert [kind for kind in [*kinds, "SystemError"] if f".It {kind}\n" not in manual] == []
