"""The acceptance checks of spec/runtime.md section 8 with real processes.

The same checks as scenarios, where time and every interleaving are in hand, are
tests/sim/scenarios/acceptance-*.scn. Which system test covers which check:

check  what                                         where
1      events and release of waiting clients        here; test_commands.py, test_chain.py
2      tables of 2.5, 2.6, 2.7, exact variables     here; `security` needs AppArmor: scenario only
3      limit N: N + 1 runs, then PROCESS=respawn    here; default limit: also test_guide.py;
                                                    the window: scenario only
4      stop in each state                           test_acceptance_stop.py
5      start on A and (B or C)                      test_acceptance_events.py
6      one event in both conditions                 test_acceptance_events.py
7      a hook on `starting` that fails              test_acceptance_events.py
8      expect right and wrong, stop ends all        test_acceptance_stop.py
9      main exits at once, very often               here
10     logs                                         the next parts of the project
11     re-execution                                 the next parts of the project
12     the end of a session                         test_acceptance_session.py; test_roles.py
"""
import os
import signal
import time

import pytest

from processes import wait_until
from programs import SERVICE, release, released_by
from upkeep import UserDaemon, read_text
from wire import INSTANCE, JOB, MANAGER_PATH

LONG = os.environ.get("UPKEEP_LONG") == "1"


# 1: sequences of events, and who is released when

def test_service_releases_those_who_wait_when_it_runs_and_when_it_has_stopped(daemon):
    up, down = daemon.path("up"), daemon.path("down")
    daemon.job("web", f"""\
        start on go
        stop on halt
        exec sleep 1000
        post-start script
        {released_by(up)}
        end script
        post-stop script
        {released_by(down)}
        end script
        """)
    monitor = daemon.monitor()
    for event, while_it_waits, gate, then in (
            ("go", "start/post-start", up, "start/running"),
            ("halt", "stop/post-stop", down, "stop/waiting")):
        emitter = daemon.background("initctl", "emit", event)
        daemon.wait_status("web", while_it_waits)
        assert emitter.poll() is None
        release(gate)
        assert daemon.finish(emitter) == (0, "", "")
        assert daemon.state("web") == then
    monitor.wait_for("stopped", "web")
    assert monitor.of_job("web") == [
        "starting JOB=web INSTANCE=", "started JOB=web INSTANCE=",
        "stopping JOB=web INSTANCE= RESULT=ok", "stopped JOB=web INSTANCE= RESULT=ok"]


@pytest.mark.parametrize("words", [("start", "work"), ("initctl", "emit", "go")],
                         ids=["start", "emit"])
def test_task_releases_those_who_wait_when_it_is_done(daemon, words):
    done = daemon.path("done")
    daemon.job("work", f"start on go\ntask\nscript\n{released_by(done)}\nend script\n")
    monitor = daemon.monitor()
    client = daemon.background(*words)
    monitor.wait_for("started", "work")
    assert daemon.state("work") == "start/running"
    assert client.poll() is None
    release(done)
    assert daemon.finish(client)[::2] == (0, "")
    assert daemon.state("work") == "stop/waiting"
    monitor.wait_for("stopped", "work")
    assert monitor.of_job("work") == [
        "starting JOB=work INSTANCE=", "started JOB=work INSTANCE=",
        "stopping JOB=work INSTANCE= RESULT=ok", "stopped JOB=work INSTANCE= RESULT=ok"]


def test_pure_state_releases_at_once_and_as_a_task_when_stopped(daemon):
    daemon.job("ready", "")
    daemon.job("phase", "task\n")
    monitor = daemon.monitor()
    assert daemon.succeed("start", "ready") == "ready start/running\n"
    assert daemon.succeed("stop", "ready") == "ready stop/waiting\n"

    client = daemon.background("start", "phase")
    monitor.wait_for("started", "phase")
    assert client.poll() is None
    daemon.succeed("stop", "phase")
    assert daemon.finish(client) == (0, "phase stop/waiting\n", "")
    monitor.wait_for("stopped", "phase")
    for job in ("ready", "phase"):
        assert monitor.of_job(job) == [
            f"starting JOB={job} INSTANCE=", f"started JOB={job} INSTANCE=",
            f"stopping JOB={job} INSTANCE= RESULT=ok", f"stopped JOB={job} INSTANCE= RESULT=ok"]


def test_a_restart_has_no_stopped_event(daemon):
    daemon.job("web", SERVICE)
    monitor = daemon.monitor()
    daemon.succeed("start", "web")
    daemon.succeed("restart", "web")
    daemon.succeed("stop", "web")
    monitor.wait_for("stopped", "web")
    assert [one.split()[0] for one in monitor.of_job("web")] == [
        "starting", "started", "stopping", "starting", "started", "stopping", "stopped"]


# 2: what the end of each process means, and how it is told

EXITS = "exec sh -c 'exit 3'"
DIES = "exec sh -c 'kill -SEGV $$'"
NOWHERE = "exec /nonexistent/program"
MAIN = "exec sleep 1000\n"
OK = "RESULT=ok"
UP = ("starting", "started")


def failed(process, how=""):
    return " ".join(["RESULT=failed", f"PROCESS={process}", *how.split()])


def ends(before, stopping, stopped=None):
    """The events: those before it goes down, each without a result, then the two with one."""
    return [*before, f"stopping {stopping}", f"stopped {stopped or stopping}"]


# name: (text, how it comes to its end, its events). Jobs told to "stop" reach running first.
ENDS = {
    # 2.5
    "pre-start-ok": (f"pre-start exec true\n{MAIN}", "stop", ends(UP, OK)),
    "pre-start-status": (f"pre-start {EXITS}\n{MAIN}", "start",
                         ends(("starting",), failed("pre-start", "EXIT_STATUS=3"))),
    "pre-start-signal": (f"pre-start {DIES}\n{MAIN}", "start",
                         ends(("starting",), failed("pre-start", "EXIT_SIGNAL=SEGV"))),
    "pre-start-listed": (f"normal exit 3\npre-start {EXITS}\n{MAIN}", "start",
                         ends(("starting",), failed("pre-start", "EXIT_STATUS=3"))),
    "post-start-ok": (f"post-start exec true\n{MAIN}", "stop", ends(UP, OK)),
    "post-start-status": (f"post-start {EXITS}\n{MAIN}", "stop", ends(UP, OK)),
    "post-start-signal": (f"post-start {DIES}\n{MAIN}", "stop", ends(UP, OK)),
    "pre-stop-ok": (f"pre-stop exec true\n{MAIN}", "stop", ends(UP, OK)),
    "pre-stop-status": (f"pre-stop {EXITS}\n{MAIN}", "stop", ends(UP, OK)),
    "pre-stop-signal": (f"pre-stop {DIES}\n{MAIN}", "stop", ends(UP, OK)),
    "post-stop-ok": (f"post-stop exec true\n{MAIN}", "stop", ends(UP, OK)),
    "post-stop-status": (f"post-stop {EXITS}\n{MAIN}", "stop",
                         ends(UP, OK, failed("post-stop", "EXIT_STATUS=3"))),
    "post-stop-signal": (f"post-stop {DIES}\n{MAIN}", "stop",
                         ends(UP, OK, failed("post-stop", "EXIT_SIGNAL=SEGV"))),
    "post-stop-ends-restart": (f"post-stop {EXITS}\n{MAIN}", "restart",
                               ends(UP, OK, failed("post-stop", "EXIT_STATUS=3"))),
    "post-stop-ends-respawn": (f"respawn\npost-stop {EXITS}\nexec false\n", "start",
                               ends(UP, OK, failed("post-stop", "EXIT_STATUS=3"))),
    # 2.6
    "main-cannot": (f"respawn\n{NOWHERE}\n", "start", ends(("starting",), failed("main"))),
    "pre-start-cannot": (f"pre-start {NOWHERE}\n{MAIN}", "start",
                         ends(("starting",), failed("pre-start"))),
    "post-start-cannot": (f"post-start {NOWHERE}\n{MAIN}", "stop", ends(UP, OK)),
    "pre-stop-cannot": (f"pre-stop {NOWHERE}\n{MAIN}", "stop", ends(UP, OK)),
    "post-stop-cannot": (f"post-stop {NOWHERE}\n{MAIN}", "stop",
                         ends(UP, OK, failed("post-stop"))),
    "chdir-cannot": (f"chdir /nonexistent\npre-start exec true\n{MAIN}post-stop exec true\n",
                     "start", ends(("starting",), failed("pre-start"))),
    "user-cannot": (f"setuid nosuchuser\n{MAIN}", "start", ends(("starting",), failed("main"))),
    "limit-cannot": (f"limit nofile 5 4\n{MAIN}", "start", ends(("starting",), failed("main"))),
    # 2.7
    "exits": (f"{EXITS}\n", "start", ends(UP, failed("main", "EXIT_STATUS=3"))),
    "dies": (f"{DIES}\n", "start", ends(UP, failed("main", "EXIT_SIGNAL=SEGV"))),
    "dies-unnamed": ("exec sh -c 'kill -40 $$'\n", "start",
                     ends(UP, failed("main", "EXIT_SIGNAL=40"))),
    "respawn-limit": ("respawn\nrespawn limit 1 60\nexec true\n", "start",
                      ends((*UP, f"stopping {OK}", *UP), failed("respawn"))),
    "first-wins": (f"{EXITS}\npost-stop {DIES}\n", "start",
                   ends(UP, failed("main", "EXIT_STATUS=3"))),
    "listed-status": (f"respawn\nnormal exit 3\n{EXITS}\n", "start", ends(UP, OK)),
    "listed-signal": (f"respawn\nnormal exit SEGV\n{DIES}\n", "start", ends(UP, OK)),
    "task-ok": ("task\nrespawn\nexec true\n", "start", ends(UP, OK)),
    "task-fails": (f"task\n{EXITS}\n", "start", ends(UP, failed("main", "EXIT_STATUS=3"))),
}

# Writes down the variables of its event, those it is told of by name.
HOOK = """\
start on {event} CHECKED=yes
instance $JOB
task
script
  env | grep -E '^(JOB|INSTANCE|RESULT|PROCESS|EXIT_[A-Z]+|CHECKED)=' | sort > {path}/$JOB.{event}
end script
"""


@pytest.fixture(scope="module")
def told():
    """A daemon with a hook on `stopping` and one on `stopped`."""
    with UserDaemon() as daemon:
        for event in ("stopping", "stopped"):
            daemon.job("on-" + event, HOOK.format(event=event, path=daemon.directory))
        yield daemon


@pytest.mark.parametrize("name", ENDS)
def test_how_the_end_is_told(told, name):
    text, command, events = ENDS[name]
    told.job(name, "env CHECKED=yes\nexport CHECKED\n" + text)
    monitor = told.monitor()
    told.run("start", name)
    if command != "start":
        assert told.state(name) == "start/running"
        told.run(command, name)
    # An event ends when the task it started has ended, and is announced then.
    monitor.wait_for("stopped", name)
    assert told.status(name) == f"{name} stop/waiting\n"

    wanted = []
    for event in events:
        word, *result = event.split()
        wanted.append(" ".join([word, f"JOB={name}", "INSTANCE=", *result, "CHECKED=yes"]))
    # `stopping` waits for the hook and is announced late: only its own order counts.
    assert monitor.of_job(name) == wanted
    for event in ("stopping", "stopped"):
        last = [one for one in wanted if one.startswith(event + " ")][-1]
        assert read_text(told.path(f"{name}.{event}")).split() == sorted(last.split()[1:])
    monitor.close()


# 3: the respawn limit

def count(path):
    return len(read_text(path).splitlines())


@pytest.mark.parametrize("limit, runs", [("1 60", 2), ("4 60", 5), (None, 11)],
                         ids=["1", "4", "default"])
def test_respawn_limit(daemon, limit, runs):
    path = daemon.path("runs")
    stanza = f"respawn limit {limit}\n" if limit else ""
    daemon.job("web", f"respawn\n{stanza}exec sh -c 'echo run >> {path}; exit 1'\n")
    monitor = daemon.monitor()
    daemon.run("start", "web")
    event = monitor.wait_for("stopped", "web")
    assert repr(event) == "stopped JOB=web INSTANCE= RESULT=failed PROCESS=respawn"
    assert count(path) == runs
    assert [one.split()[0] for one in monitor.of_job("web")].count("started") == runs
    assert daemon.status("web") == "web stop/waiting\n"


def test_commands_neither_count_as_respawns_nor_forgive_them(daemon):
    daemon.job("web", "respawn\nrespawn limit 2 600\n" + SERVICE)
    monitor = daemon.monitor()
    daemon.succeed("start", "web")
    for _ in range(2):
        old = daemon.pid_of("web")
        os.kill(old, signal.SIGKILL)
        wait_until(lambda old=old: daemon.pid_of("web") not in (None, old), "a new process")
        daemon.wait_status("web", "start/running")
        daemon.succeed("restart", "web")
    os.kill(daemon.pid_of("web"), signal.SIGKILL)
    assert repr(monitor.wait_for("stopped", "web")) == (
        "stopped JOB=web INSTANCE= RESULT=failed PROCESS=respawn")


# 9: a main process that is gone at once

RUNS = 10_000 if LONG else 2_000
RESPAWNS = 2_000
WAY_UP = ["starting", "security-spawning", "security", "pre-starting", "pre-start", "spawning",
          "spawned", "post-starting", "post-start", "running"]
WAY_DOWN = ["stopping", "killed", "post-stopping", "post-stop"]


def job_path(name):
    return f"{MANAGER_PATH}/jobs/{name}"


class Followed:
    """What the signals of one connection tell of one job."""

    def __init__(self, connection, job):
        self.connection = connection
        self.job = job
        self.states = []
        self.events = []

    def take(self):
        """Looks at the signals that came since the last call; keeps none of them."""
        signals, self.connection.signals = self.connection.signals, []
        for one in signals:
            if one.member == "StateChanged" and one.path.startswith(job_path(self.job) + "/"):
                self.states += one.body
            elif one.member == "EventEmitted" and f"JOB={self.job}" in one.body[1]:
                self.events.append(one.body[0])


def test_task_that_exits_at_once_is_always_started(daemon):
    daemon.job("quick", "task\nexec /bin/true\n")
    connection = daemon.connection()
    connection.version()
    followed = Followed(connection, "quick")
    for run in range(RUNS):
        connection.call(job_path("quick"), JOB, "Start", "asb", [], True)
        connection.version()  # `stopped` is announced after the answer to `Start`
        followed.take()
        assert followed.states == WAY_UP + WAY_DOWN + ["waiting"], f"run {run}"
        assert followed.events == ["starting", "started", "stopping", "stopped"], f"run {run}"
        followed.states.clear()
        followed.events.clear()
    assert daemon.status("quick") == "quick stop/waiting\n"


def test_service_that_exits_at_once_is_always_started_and_never_runs_without_a_process(daemon):
    daemon.job("quick", "respawn\nrespawn limit unlimited\nexec /bin/true\n")
    connection = daemon.connection()
    connection.version()
    followed = Followed(connection, "quick")
    (instance,) = connection.call(job_path("quick"), JOB, "Start", "asb", [], True)
    looks = 0
    while followed.events.count("started") < RESPAWNS:
        message = connection.receive(time.monotonic() + 20)
        assert message is not None, f"nothing happens after {len(followed.states)} states"
        connection.signals.append(message)
        followed.take()
        if followed.states[-1:] != ["running"]:
            continue
        (properties,) = connection.call(
            instance, "org.freedesktop.DBus.Properties", "GetAll", "s", INSTANCE)
        found = dict(properties)
        if (found["goal"], found["state"]) == ("start", "running"):
            assert [name for name, _ in found["processes"]] == ["main"]
            looks += 1
    connection.call(instance, INSTANCE, "Stop", "b", True)
    connection.version()
    followed.take()

    assert looks > 0
    # The last cycle may have been cut short anywhere by the stop.
    cycle = WAY_UP + WAY_DOWN
    whole = len(followed.states) // len(cycle) - 1
    assert followed.states[:whole * len(cycle)] == cycle * whole
    assert followed.states[-1] == "waiting"
    assert followed.events[:3 * whole] == ["starting", "started", "stopping"] * whole
    assert followed.events[-1] == "stopped"
    assert daemon.status("quick") == "quick stop/waiting\n"
