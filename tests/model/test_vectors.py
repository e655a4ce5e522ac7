"""The model of the job language says what section 8 of the specification says.

Without this, a model that is wrong in the same way as the parser would not be noticed.
"""
import pytest

from expansion import ExpansionError, expand
from job_language import read_job


def main(**command):
    return {"processes": {"main": command}}


def event(name, *args):
    return {"event": name, "args": list(args)}


JOBS = [
    (b"", {}),
    (b"task#x\n", {"task": True}),
    (b"author a\\\nb\n", {"author": "a b"}),
    (b'author "a  \n  b"\n', {"author": "a b"}),
    (b'author "a \n"\n', {"author": "a "}),
    (rb"author 'a\'b'" b"\n", {"author": r"a\'b"}),
    (b"author a\\ b\n", {"author": "a b"}),
    (b"author a\\\\b\n", {"author": "a\\b"}),
    (b"env T=a\\ b\\tc\n", {"env": ["T=a b\\tc"]}),
    (b'env A="a b"c\n', {"env": ["A=a bc"]}),
    (b"exec srv one \\\n  two  # x\n", main(exec="srv one two")),
    (b'exec a "x \n y"  b\n', main(exec='a "x y"  b')),
    (b"exec a\\#b # c\n", main(exec="a\\#b")),
    (b"exec a \\#b\n", main(exec="a \\#b")),  # the repaired reader
    (b"script\n  a\n    b\nend script\n", main(script="a\n  b\n")),
    (b"script\n  a\n\n  b\nend script\n", main(script="  a\n\n  b\n")),
    (b"script\n\ta\n  \tb\nend script # x", main(script="\ta\n  \tb\n")),
    (b"script\nx\nend script;\n end\tscript#y\n", main(script="x\nend script;\n")),
    (b"start on p and q or r\n",
     {"start_on": {"or": [{"and": [event("p"), event("q")]}, event("r")]}}),
    (b"start on p or q and r\n",
     {"start_on": {"and": [{"or": [event("p"), event("q")]}, event("r")]}}),
    (b"start on r and (d or (n I=e* # x\n and u))\n",
     {"start_on": {"and": [event("r"), {"or": [
         event("d"), {"and": [event("n", "I=e*"), event("u")]}]}]}}),
    (b"start on (a\n b)\n", {"start_on": event("a", "b")}),
    (b'start on a "and" b\n', {"start_on": event("a", "and", "b")}),
    (b"start on a\nmanual\n", {}),
    (b"manual\nstart on a\n", {"start_on": event("a")}),
    (b"manual task\n", {"task": True}),
    (b"respawn limit unlimited\n", {"respawn_limit": {"count": 0, "interval": 0}}),
    (b"normal exit 0 TERM 3\nnormal exit SIGHUP\n", {"normal_exit": [0, 15 * 256, 3, 256]}),
    (b"kill signal SIGUSR1\nkill timeout 9\n", {"kill_signal": 10, "kill_timeout": 9}),
    (b"umask 0777\n", {"umask": "777"}),
    (b'nice " 5"\n', {"nice": 5}),
    (b"oom -17\n", {"oom_score": -1000}),
    (b"oom score -1000\n", {"oom_score": -1000}),
    (b"oom never\n", {"oom_score": -1000}),
    (b"limit core -1 unlimited\n",
     {"limits": {"core": {"soft": "unlimited", "hard": "unlimited"}}}),
    (b"start on a\r\nscript\r\nx\r\nend script\r\n",
     {"start_on": event("a"), **main(script="x\r\n")}),
]

ERRORS = [
    (b"author a\\\n b\n", "ExtraToken", 2),
    (b'author ""\n', "MissingToken", 1),
    (b"author it's\n", "OpenQuote", 2),
    (b"author a \\", "ExtraToken", 1),
    (b'"task"\n', "UnknownStanza", 1),
    (b"\\\ntask\n", "UnknownStanza", 2),
    (b"bogus \\\n x\n", "UnknownStanza", 2),
    (b"env A=b C=d\n", "ExtraToken", 1),
    (b"exec it's\n\ntask\n", "OpenQuote", 4),
    (b"script\nx\n", "OpenBlock", 3),
    (b"script go\nx\nend script\n", "ExtraToken", 1),
    (b"pre-start \\\n run\n", "UnknownStanza", 2),
    (b"start on (a\n\n and b)\n", "MissingToken", 2),
    (b"start on (a\ntask\n", "ParenMismatch", 3),
    (b"start on a and\n(b)\n", "MissingEvent", 1),
    (b"start on a K=(x)\n", "MissingOperator", 1),
    (b"start on (a\n K=v\n w)\n", "PositionalAfterNamed", 3),
    (b"respawn limit \\\n 5 \\\n x\n", "BadInterval", 3),
    (b"respawn limit 5 unlimited\n", "BadInterval", 1),
    (b"umask 8\n", "BadUmask", 1),
    (b'nice "5 "\n', "BadNice", 1),
    (b"cgroup a b c d e\n", "ExtraToken", 1),
    (b'emits x ""\n', "MissingToken", 1),
    # The examples of 7.3, where they are not among the above.
    (b"chdir\n", "MissingToken", 1),
    (b"task now\n", "ExtraToken", 1),
    (b"author x\\", "DanglingBackslash", 1),
    (b'author "x\n', "OpenQuote", 2),
    (b"console tty\n", "UnknownStanza", 1),
    (b"kill timeout 2s\n", "BadInterval", 1),
    (b"normal exit ok\n", "BadExitStatus", 1),
    (b"kill signal term\n", "BadSignal", 1),
    (b"umask 1777\n", "BadUmask", 1),
    (b"nice 42\n", "BadNice", 1),
    (b"oom score max\n", "BadOom", 1),
    (b"limit core 1k 2k\n", "BadLimit", 1),
    (b"stop on or b\n", "MissingEvent", 1),
    (b"start on (a) b\n", "MissingOperator", 1),
    (b"start on a K=v w\n", "PositionalAfterNamed", 1),
    (b"start on a)\n", "ParenMismatch", 1),
]

VARIABLES = {b"A": b"1", b"B": b"A", b"E": b""}

EXPANSIONS = [
    (b"$A.$E.$", b"1..$"), (b"${$B}", b"1"), (b"${${B}}", b"1"),
    (b"$$A", b"$1"), (b"${}A", b"$A"),
    (b"${E:-d}", b"d"), (b"${E-d}", b""), (b"${E:+d}", b""), (b"${E+d}", b"d"),
    (b"${U:-$A${B}}", b"1A"), (b"${U-}", b""),
    (b"${U:-a}b}", b"ab}"), (b"${U:-a:-b}", b"a:-b"),
    (b"$1", b"$1"), (b"${1}", "UnknownVariable"),
    (b"$U", "UnknownVariable"), (b"${A:-$U}", "UnknownVariable"),
    (b"${A:=x}", "BadExpansionOperator"), (b"${A:", "BadExpansionOperator"),
    (b"${A", "OpenBrace"), (b"${A:-x", "OpenBrace"),
    (b"\\$A", b"\\1"), (b"${U:-${}}x", b"$x"),
]


@pytest.mark.parametrize("text, job", JOBS)
def test_job(text, job):
    assert read_job(text)[:2] == (job, None)


@pytest.mark.parametrize("text, kind, line", ERRORS)
def test_error(text, kind, line):
    assert read_job(text)[:2] == (None, (kind, line))


@pytest.mark.parametrize("text, result", EXPANSIONS)
def test_expansion(text, result):
    if isinstance(result, bytes):
        assert expand(text, VARIABLES) == result
        return
    with pytest.raises(ExpansionError) as error:
        expand(text, VARIABLES)
    assert error.value.kind == result
