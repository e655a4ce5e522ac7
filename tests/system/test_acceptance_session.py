"""Acceptance check 12 of spec/runtime.md: the end of a session (6.7).

test_acceptance.py has the table of all checks.
"""
import os
import signal
import time

import pytest

import processes
from processes import wait_until
from programs import SERVICE, acting, release, released_by
from upkeep import read_text

SHORTEST_LIMIT = 5  # s that a session gives its jobs at least
CHECK = 1           # s between two looks
MARGIN = 10         # s for a busy machine


def end_session(daemon, how):
    """Asks for the end and returns a function that waits for it: (exit status, seconds)."""
    began = time.monotonic()
    daemon.exit_expected = True
    if how == "shutdown":
        daemon.process.terminate()
    else:
        daemon.connection().manager("EndSession")

    def wait(timeout=60):
        status = daemon.process.wait(timeout)
        return status, time.monotonic() - began
    return wait


HOW = pytest.mark.parametrize("how", ["shutdown", "logout"])


@HOW
def test_without_jobs_it_ends_at_once(daemon, how):
    daemon.job("idle", SERVICE)
    daemon.job("gone", SERVICE)
    daemon.succeed("start", "gone")
    daemon.succeed("stop", "gone")
    status, took = end_session(daemon, how)()
    assert status == 0
    assert took < MARGIN


@HOW
def test_services_are_stopped_in_order_and_tell_of_it(daemon, how):
    """A full stop: pre-stop, `stopping` with its hooks, the signal, post-stop."""
    path = daemon.path("trace")
    say = f"exec sh -c 'echo $UPSTART_JOB {{}} >> {path}'\n"
    daemon.job("web", SERVICE + "pre-stop " + say.format("pre-stop")
               + "post-stop " + say.format("post-stop"))
    daemon.job("hook", "start on stopping web\ntask\n" + say.format("hook"))
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    status, took = end_session(daemon, how)()
    assert status == 0
    assert took < MARGIN
    assert not processes.is_running(pid)
    assert read_text(path).splitlines() == ["web pre-stop", "hook hook", "web post-stop"]


def test_logout_lets_jobs_that_wait_for_it_finish(daemon):
    """What runs is stopped at once, what `session-end` starts is not."""
    go, path = daemon.path("go"), daemon.path("trace")
    daemon.job("save", f"""\
        start on session-end TYPE=logout
        task
        script
        echo $TYPE >> {path}
        {released_by(go)}
        echo saved >> {path}
        end script
        """)
    daemon.job("web", "respawn\n" + SERVICE)
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    wait = end_session(daemon, "logout")
    wait_until(lambda: read_text(path) == "logout\n" and not processes.is_running(pid),
               "save to run and web to be stopped")
    assert daemon.state("save") == "start/running"
    daemon.process.terminate()  # a second request changes nothing
    assert daemon.state("save") == "start/running"
    release(go)
    assert wait()[0] == 0
    assert read_text(path) == "logout\nsaved\n"


def test_logout_stops_jobs_that_do_not_finish(daemon):
    daemon.job("save", "start on session-end\n" + SERVICE)
    wait = end_session(daemon, "logout")
    daemon.wait_status("save", "start/running")
    pid = daemon.pid_of("save")
    status, took = wait()
    assert status == 0
    assert SHORTEST_LIMIT - CHECK < took < SHORTEST_LIMIT + CHECK + MARGIN
    assert not processes.is_running(pid)


@HOW
def test_a_process_that_ignores_it_is_killed(daemon, how):
    daemon.job("deaf", "kill timeout 1\n"
               f"exec {acting('deaf', 'log=' + daemon.path('pid'))}\n")
    daemon.succeed("start", "deaf")
    pid = int(wait_until(lambda: read_text(daemon.path("pid")), "the program to be deaf"))
    status, took = end_session(daemon, how)()
    assert status == 0
    assert 0.9 < took < 1 + MARGIN
    assert not processes.is_running(pid)
    daemon.wait_message(rf"deaf main process \({pid}\) still runs 1 s after signal TERM")


def test_what_does_not_end_delays_it_until_the_limit_and_is_named(daemon):
    """A job that cancels its stop, one started later (neither is stopped again, kept), and hooks
    that hang. Who waits for one of these is told."""
    daemon.job("editor", SERVICE + "pre-stop exec start\n")
    daemon.job("late", SERVICE)
    daemon.job("before", "pre-start exec sleep 1000\n")
    daemon.job("after", SERVICE + "post-stop exec sleep 1000\n")
    daemon.job("web", SERVICE)
    for job in ("editor", "after", "web"):
        daemon.succeed("start", job)
    waiting = daemon.background("start", "before")
    daemon.wait_status("before", "start/pre-start")
    editor, web = daemon.pid_of("editor"), daemon.pid_of("web")

    wait = end_session(daemon, "shutdown")
    daemon.wait_status("after", "stop/post-stop")
    daemon.succeed("start", "late")
    left = {"editor main": editor, "late main": daemon.pid_of("late"),
            "before pre-start": daemon.pid_of("before"), "after post-stop": daemon.pid_of("after")}
    status, took = wait()
    assert status == 0
    assert SHORTEST_LIMIT <= took < SHORTEST_LIMIT + 2 * CHECK + MARGIN
    assert all(processes.is_running(pid) for pid in left.values())
    assert not processes.is_running(web)
    told = [line for line in daemon.messages().splitlines() if "outlives" in line]
    assert sorted(told) == sorted(
        f"init: {name} process ({pid}) outlives the session" for name, pid in left.items())
    assert daemon.finish(waiting) == (1, "", "start: Connection terminated\n")


@HOW
def test_nothing_is_respawned_any_more(daemon, how):
    """Neither what ran before, here one that cancels its stop, nor what `session-end` starts."""
    path = daemon.path("runs")
    daemon.job("web", SERVICE + "respawn\npre-stop exec start\n")
    daemon.job("save", "start on session-end\nrespawn\n"
                       f"exec sh -c 'echo run >> {path}; exit 1'\n")
    monitor = daemon.monitor()
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    wait = end_session(daemon, how)
    monitor.wait_for("stopped", "save")
    daemon.wait_status("web", "start/running")  # again: it was stopped before `save` was started
    os.kill(pid, signal.SIGKILL)
    status, took = wait()
    assert status == 0
    assert took < SHORTEST_LIMIT  # with nothing left it does not wait for the limit
    assert read_text(path) == "run\n"

