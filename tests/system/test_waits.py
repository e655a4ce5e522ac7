"""Jobs that would wait for each other: told beforehand, on standard error alone."""
import pytest

from upkeep import Answer

ORDER = ("a and b wait for each other: a has `start on starting b`, b has `start on starting a`. "
         "Whichever comes first does not wait for the other, so the order is left to chance. Write "
         "`started` instead of `starting` in one of these.")
HANG = ("web and db block each other when web starts: db has `start on starting web`, web has "
        "`stop on starting db`. Write `started` instead of `starting` in one of these.")
ALONE = ("self waits for itself when it stops: it has `start on stopping`, which its own stopping "
         "matches. Leave the job itself out: add `JOB!=self`.")


def warned(*warnings, code=0, out="", program="initctl"):
    return Answer(code, out, "".join(f"{program}: warning: {one}\n" for one in warnings))


@pytest.fixture
def waiting(daemon):
    """A daemon with a cycle of each kind, and a job that has nothing to do with them."""
    daemon.job("a", "start on starting b\n")
    daemon.job("b", "start on starting a\n")
    daemon.job("web", "stop on starting db\n")
    daemon.job("db", "start on starting web\n")
    daemon.job("self", "start on stopping\n")
    daemon.job("other", "start on starting a\nstop on stopping a\n")
    return daemon


def test_check_config_warns(waiting):
    assert waiting.run("initctl", "check-config") == warned(ALONE, HANG, ORDER)
    assert waiting.run("initctl", "check-config", "-w") == warned(ALONE, HANG, ORDER)
    assert waiting.run("initctl", "-q", "check-config") == Answer(0, "", "")


def test_check_config_of_one_job(waiting):
    assert waiting.run("initctl", "check-config", "a") == warned(ORDER)
    assert waiting.run("initctl", "check-config", "b").err.startswith(
        "initctl: warning: b and a wait for each other: b has `start on starting a`, a has")
    assert waiting.run("initctl", "check-config", "db") == warned(HANG)
    assert waiting.run("initctl", "check-config", "self") == warned(ALONE)
    assert waiting.run("initctl", "check-config", "other") == warned()


def test_check_config_says_on_standard_output_what_it_always_did(waiting):
    waiting.job("a", "start on starting b or stopped nosuch\nstop on nothing\n")
    waiting.succeed("initctl", "reload-configuration")
    report = "a\n  start on: unknown job nosuch\n  stop on: unknown event nothing\n"
    strict = waiting.run("initctl", "check-config", "-w", "a")
    assert strict == warned(ORDER, code=1, out=report)
    assert waiting.run("initctl", "check-config", "a") == warned(
        ORDER, code=1, out="a\n  stop on: unknown event nothing\n")


def test_what_is_common_and_harmless_gives_no_warning(daemon):
    daemon.job("inner", "start on starting outer\n")
    daemon.job("outer", "stop on stopping inner\n")
    daemon.job("hook", "start on starting\n")
    daemon.job("late", "start on starting wait\nstop on stopping hook\n")
    daemon.job("one", "stop on starting two\n")
    daemon.job("two", "stop on starting one\n")
    # One instance for each that waits: only the daemon knows of the stanza.
    daemon.job("wait", "start on starting late\ninstance $JOB\n")
    assert daemon.run("initctl", "check-config") == warned()


def test_the_cure_works(waiting):
    """What the warning says to write makes it go."""
    waiting.job("a", "start on started b\n")
    waiting.job("db", "start on started web\n")
    waiting.job("self", "start on stopping JOB!=self\n")
    waiting.succeed("initctl", "reload-configuration")
    assert waiting.run("initctl", "check-config") == warned()
