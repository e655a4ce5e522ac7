"""Jobs that would wait for each other: told beforehand, on standard error alone."""
import json
import os

import pytest

from upkeep import Answer, shared_folder

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


# init-checkconf, which has the files alone

@pytest.fixture
def files(check):
    check.write("init/a.conf", "start on starting b\n")
    check.write("init/b.conf", "start on starting a\n")
    check.write("init/db.conf", "start on starting web\n")
    check.write("init/self.conf", "start on stopping\n")
    check.write("init/web.conf", "stop on starting db\nstart on x\n")
    return check


def lines(*warnings):
    return "".join(f"warning: {one}\n" for one in warnings)


def test_checkconf_looks_at_the_files_together(files):
    answer = files.run("init")
    assert (answer.code, answer.err) == (0, lines(ALONE, HANG, ORDER))
    assert answer.out == "".join(
        f"File init/{name}.conf: syntax ok\n" for name in ("a", "b", "db", "self", "web"))
    assert files.run("init/b.conf", "-f", "init/a.conf").err == lines(ORDER)
    assert files.run("init/a.conf") == Answer(0, "File init/a.conf: syntax ok\n", "")
    assert files.run("init/self.conf").err == lines(ALONE)


def test_checkconf_strict(files):
    refusal = "ERROR: The files together: refused because of warnings:\n"
    answer = files.run("--strict", "init/a.conf", "init/b.conf")
    assert (answer.code, answer.err) == (1, refusal + lines(ORDER))
    assert answer.out == "File init/a.conf: syntax ok\nFile init/b.conf: syntax ok\n"
    assert files.run("--strict", "init/a.conf", "init/db.conf").code == 0


def test_checkconf_json(files):
    *objects, last = files.objects("init")
    assert [one["ok"] for one in objects] == [True] * 5
    assert last == {"waits": [
        {"kind": "Hang", "message": ALONE,
         "steps": [{"job": "self", "stanza": "start on", "event": "stopping", "args": []}]},
        {"kind": "Hang", "message": HANG,
         "steps": [{"job": "db", "stanza": "start on", "event": "starting", "args": ["web"]},
                   {"job": "web", "stanza": "stop on", "event": "starting", "args": ["db"]}]},
        {"kind": "Order", "message": ORDER,
         "steps": [{"job": "a", "stanza": "start on", "event": "starting", "args": ["b"]},
                   {"job": "b", "stanza": "start on", "event": "starting", "args": ["a"]}]},
    ], "complete": True}
    assert all("file" in one for one in files.objects("init/a.conf", "init/db.conf"))


def test_checkconf_sees_overrides(files):
    files.write("init/b.override", "start on started a\n")
    assert ORDER not in files.run("init").err
    assert files.run("init/a.conf", "init/b.conf").err == ""
    assert files.run("init/b.override", "init/a.conf").err == ""


def test_checkconf_names_jobs_as_the_manager_does(check):
    check.write("init/net/a.conf", "start on starting b\n")
    check.write("init/b.conf", "start on starting net/a\n")
    assert "b and net/a wait for each other" in check.run("init/").err
    assert check.run("init/net", "init/b.conf").err == ""


def test_checkconf_lists_a_bounded_number(check):
    for i in range(30):
        check.write(f"init/self{i}.conf", f"stop on starting self{i}\nstart on x\n")
    found = check.run("init").err.splitlines()
    assert len(found) == 21
    assert found[-1] == "warning: 10 more such waits are not listed."
    last = check.objects("init")[-1]
    assert (len(last["waits"]), last["complete"]) == (20, False)


def test_checkconf_has_no_false_alarm_on_real_files(check):
    shared = shared_folder()
    corpus = os.path.join(shared or "", "corpus")
    if not shared or not os.path.isdir(corpus):
        pytest.skip("needs the corpus, in ../shared or $UPKEEP_SHARED")
    # Each under the name that its machine would have given it.
    for name in os.listdir(corpus):
        if name.endswith(".conf"):
            with open(os.path.join(corpus, name), "rb") as file:
                check.write("init/" + name.split("__")[-1].split("_")[-1], file.read())
    objects = [json.loads(line) for line in check.run_bytes("--json", "init").out.splitlines()]
    assert len(objects) > 50
    assert [one["waits"] for one in objects if "waits" in one] == []
