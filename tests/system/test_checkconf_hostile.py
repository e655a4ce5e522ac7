"""What no input may do to init-checkconf, and what it does where it lacks something."""
import pytest

from checkconf import MEMORY


def test_huge_file_is_refused_unread(bounded):
    with open(bounded.path("a.conf"), "wb") as file:
        file.truncate(100 << 20)
    assert bounded.run("a.conf") == (
        1, "", "ERROR: File a.conf: file too large (more than 4194304 bytes)\n")
    assert bounded.one("a.conf", code=1)["errors"] == [
        {"line": 1, "column": 1, "kind": "FileTooLarge",
         "message": "file too large (more than 4194304 bytes)"}]


@pytest.mark.parametrize("text, kinds", [
    (b"start on " + b"(" * 1_000_000, {"TooDeep", "ParenMismatch"}),
    (b"start on " + b"(" * 1_000_000 + b"a" + b")" * 1_000_000 + b"\n", {"TooDeep"}),
    (b"start on a" + b" or a" * 500_000 + b"\n", {"TooDeep"}),
    (b"env A=1\n" * 1_000_000, {"FileTooLarge"}),
    (b"exec a\n\0\n", {"NulByte"}),
    (b"\0" * 1_000_000, {"NulByte"}),
    (b"\xff\xfe\x80\n" * 500_000, {"UnknownStanza"}),
    (b"nice x\n" * 500_000, {"BadNice"}),
    (b'author "' + b"\n" * 4_000_000, {"OpenQuote"}),
    (b"script\n" + b"x\n" * 2_000_000, {"OpenBlock"}),
], ids=["open", "parentheses", "operators", "env", "nul", "nuls", "bytes", "errors", "quote",
        "block"])
def test_hostile_files_are_errors(bounded, text, kinds):
    bounded.write("a.conf", text)
    found = bounded.one("a.conf", code=1)
    assert {one["kind"] for one in found["errors"]} <= kinds
    assert 1 <= len(found["errors"]) <= 1000
    answer = bounded.run("a.conf")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("ERROR: File a.conf: ")
    assert len(answer.err) < 1 << 20


@pytest.mark.parametrize("text", [
    b"env A\n" * 690_000,
    b"exec a\n" * 590_000,
    b"exec " + b"x" * 4_000_000,
    b"start on a " + b"b " * 1_000_000,
    b"normal exit" + b" 1" * 1_000_000,
    b"cgroup a b\n" * 380_000,
    b"env \xff=\xfe\n" * 500_000,
], ids=["env", "exec", "command", "arguments", "statuses", "cgroups", "bytes"])
def test_hostile_files_that_are_valid(bounded, text):
    bounded.write("a.conf", text)
    assert bounded.one("a.conf")["ok"] is True
    assert bounded.run("a.conf")[:2] == (0, "File a.conf: syntax ok\n")


def test_many_errors_at_the_end_of_a_long_file(bounded):
    bounded.write("a.conf", b"env A\n" * 100_000 + b"nice x\n" * 2000)
    answer = bounded.run("a.conf")
    assert answer.code == 1
    assert answer.err.count(": error: ") == 1000
    assert answer.err.count(" | nice x\n") == 1000


def test_the_line_that_is_meant_is_shown_wherever_it_begins(check):
    names = [check.write(f"{length}.conf", "#" * length + "\nnice x\n\n" + "#" * 5000)
             for length in (*range(4085, 4100), *range(8185, 8200))]
    assert check.run(*names).err.count("    2 | nice x\n      |      ^\n") == len(names)


def test_warnings_are_bounded(check):
    check.write("a.conf", "setuid nosuchuser\nsetgid nosuchgroup\n" + "exec a\n" * 1100)
    found = check.one("a.conf")["warnings"]
    assert len(found) == 1000
    assert [one["kind"] for one in found[:3]] == ["UnknownUser", "UnknownGroup", "DuplicateStanza"]
    assert check.run("a.conf").err.count(": warning: ") == 1000


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["words", "json"])
def test_lack_of_memory_is_said(check, form):
    check.write("a.conf", "exec a\n")
    check.write("b.conf", "env A=B\n" * 460_000)
    said = 0
    for size in range(4 << 20, MEMORY, 4 << 20):
        check.limit_memory(size)
        answer = check.run(*form, "a.conf", "b.conf")
        if "loading shared libraries" in answer.err or (answer.code < 0 and answer.out == ""
                                                        and size <= 8 << 20):
            continue  # it has not begun
        if answer.code == 0:
            break
        assert (answer.code, answer.err) == (1, "ERROR: out of memory\n")
        assert answer.out.count("a.conf") <= 1 and "b.conf" not in answer.out
        said += answer.out.count("a.conf")
    else:
        pytest.fail("it is never enough")
    assert said > 0, "what was known before is said"
