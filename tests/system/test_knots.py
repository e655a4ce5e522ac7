"""Jobs that tie a knot while the daemon runs: they wait for each other, or trigger each other
without end. It is told, and nobody else suffers. What is told beforehand is in test_waits.py."""
import os
import signal
import time

import pytest

import processes
from processes import wait_until
from programs import SERVICE
from upkeep import read_text
from wire import JOB, MANAGER, MANAGER_PATH

AVOIDED = "deadlock avoided: "
TRIGGER = "jobs trigger each other without end: "
QUICK = 10  # s; generous for a busy machine. One that starves takes for ever.


def told(daemon, what):
    return [line for line in daemon.messages().splitlines() if what in line]


# Deadlocks

@pytest.mark.parametrize("main", ["", SERVICE], ids=["pure-state", "service"])
def test_jobs_that_wait_for_each_other_both_end(daemon, main):
    daemon.job("j", "stop on stopping k\n" + main)
    daemon.job("k", "stop on starting j\n" + main)
    daemon.succeed("start", "k")
    # Before j may start, k has to be stopped; before k may stop, j has to be.
    daemon.run("start", "j", timeout=QUICK)
    for job in ("j", "k"):
        daemon.wait_status(job, "stop/waiting", timeout=QUICK)
    (line,) = told(daemon, AVOIDED)
    assert line == ("init: deadlock avoided: j (starting) waits for k, k (stopping) waits for j; "
                    "stopping of k goes on without j")
    for job in ("k", "j"):  # each alone is as good as new
        daemon.wait_status(job, "stop/waiting")
        daemon.succeed("start", job, timeout=QUICK)
        daemon.run("stop", job, timeout=QUICK)
        daemon.wait_status(job, "stop/waiting", timeout=QUICK)


def test_a_deadlock_is_told_once(daemon):
    daemon.job("j", "stop on stopping k\n")
    daemon.job("k", "stop on starting j\n")
    for _ in range(3):
        daemon.succeed("start", "k")
        daemon.run("start", "j", timeout=QUICK)
        for job in ("j", "k"):
            daemon.wait_status(job, "stop/waiting", timeout=QUICK)
    assert len(told(daemon, AVOIDED)) == 1


# Cycles of triggers

CYCLE = {"a": "start on started c or go\nstop on started b\n",
         "b": "start on started a\nstop on started c\n",
         "c": "start on started b\nstop on started a\n"}


def set_off(daemon):
    for name, text in CYCLE.items():
        daemon.job(name, text)
    daemon.succeed("initctl", "emit", "--no-wait", "go", timeout=QUICK)
    daemon.wait_message(TRIGGER, timeout=QUICK)


def pids(path):
    return [int(line) for line in read_text(path).splitlines()]


def send(daemon, *words):
    """Makes a request and waits for no answer, nor for the signals that come before it."""
    connection = daemon.connection()
    connection.socket.sendall(connection.encode(*words, reply=False))


def emit(daemon, name):
    send(daemon, MANAGER_PATH, MANAGER, "EmitEvent", "sasb", name, [], False)


def test_jobs_that_trigger_each_other_leave_clients_alone(daemon):
    daemon.job("other", SERVICE)
    set_off(daemon)
    began = time.monotonic()
    listed = daemon.succeed("initctl", "list", timeout=QUICK)
    took = time.monotonic() - began
    assert took < 1, f"list took {took:.1f} s"
    assert {line.split()[0] for line in listed.splitlines()} == {*CYCLE, "other"}
    daemon.succeed("start", "other", timeout=QUICK)
    daemon.succeed("stop", "other", timeout=QUICK)


def test_jobs_that_trigger_each_other_starve_nobody(daemon):
    path = daemon.path("pids")
    daemon.job("kept", f"respawn\nexec sh -c 'echo $$ >> {path}; exec sleep 1000'\n")
    daemon.job("other", f"start on now\nstop on then\nexec sh -c 'echo $$ >> {path}.other;"
                        " exec sleep 1000'\n")
    daemon.succeed("start", "kept")
    wait_until(lambda: len(pids(path)) == 1, "kept to run")
    set_off(daemon)

    emit(daemon, "now")
    wait_until(lambda: pids(path + ".other"), "other to start", QUICK)
    emit(daemon, "then")
    (other,) = pids(path + ".other")
    wait_until(lambda: not os.path.exists(f"/proc/{other}"), "other to be reaped", QUICK)
    (old,) = pids(path)
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: len(pids(path)) == 2, "kept to be respawned", QUICK)
    wait_until(lambda: not os.path.exists(f"/proc/{old}"), "the old one to be reaped", QUICK)

    for name in CYCLE:
        os.remove(daemon.conf(name + ".conf"))
    for name in CYCLE:
        send(daemon, f"{MANAGER_PATH}/jobs/{name}", JOB, "Stop", "asb", [], False)
    wait_until(lambda: not any(daemon.state(name) for name in CYCLE), "the cycle to end", QUICK)
    (line,) = told(daemon, TRIGGER)
    assert line == f"init: {TRIGGER}started a -> started b -> started c -> started a"
    assert daemon.state("kept") == "start/running"
    daemon.succeed("stop", "kept", timeout=QUICK)


def test_jobs_that_trigger_each_other_do_not_hold_up_the_end(daemon):
    daemon.job("web", SERVICE)
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    set_off(daemon)
    assert daemon.terminate(timeout=30) == 0
    assert not processes.is_running(pid)
    assert len(told(daemon, TRIGGER)) == 1


def test_tasks_that_trigger_each_other_starve_nobody(daemon):
    """The same with processes, which are reaped all the time."""
    daemon.job("a", "start on stopped b\ntask\nexec true\n")
    daemon.job("b", "start on stopped a\ntask\nexec true\n")
    daemon.job("other", SERVICE)
    daemon.succeed("initctl", "emit", "--no-wait", "stopped", "JOB=a", timeout=QUICK)
    daemon.wait_message(TRIGGER, timeout=QUICK)
    daemon.succeed("start", "other", timeout=QUICK)
    daemon.succeed("stop", "other", timeout=QUICK)
    os.remove(daemon.conf("a.conf"))
    wait_until(lambda: not daemon.state("a"), "a to be gone", QUICK)
    daemon.wait_status("b", "stop/waiting", timeout=QUICK)
    (line,) = told(daemon, TRIGGER)
    assert line == f"init: {TRIGGER}stopped a -> stopped b -> stopped a"
