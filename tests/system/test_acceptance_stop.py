"""Acceptance checks 4 and 8 of spec/runtime.md: `stop` in each state, and with each `expect`.

test_acceptance.py has the table of all checks.
"""
import os
import time

import pytest

import processes
from processes import wait_until
from programs import SERVICE, acting, release, released_by
from upkeep import read_text

KILL_TIMEOUT = 1
LONG_ENOUGH = 3  # s to find a job in the state killed and to ask something of it
MARGIN = 10  # s; generous, for a busy machine. What never ends takes longer.
REFUSED = (1, "", "stop: Job has already been stopped: web\n")
DOWN = ["stopping JOB=web INSTANCE= RESULT=ok", "stopped JOB=web INSTANCE= RESULT=ok"]
STARTING = "starting JOB=web INSTANCE="
STARTED = "started JOB=web INSTANCE="


def waits(process, path):
    return f"{process} script\n{released_by(path)}\nend script\n"


def start_deaf(daemon, kill_timeout, hooks=""):
    """Starts a job whose main process ignores TERM, and waits until it does; returns its pid."""
    path = daemon.path("deaf")
    daemon.job("web", f"kill timeout {kill_timeout}\nexec {acting('deaf', 'log=' + path)}\n{hooks}")
    daemon.succeed("start", "web")
    return int(wait_until(lambda: read_text(path), "the program to be deaf"))


# 4: on the way up

@pytest.mark.parametrize("state", ["starting", "pre-start", "post-start"])
def test_stop_on_the_way_up_takes_effect_at_the_end_of_the_state(daemon, state):
    go, main, after = daemon.path("go"), daemon.path("main"), daemon.path("after")
    hook = waits(state, go) if state != "starting" else ""
    daemon.job("web", f"{hook}exec sh -c 'touch {main}; exec sleep 1000'\n"
                      f"pre-stop exec touch {daemon.path('pre-stop')}\n"
                      f"post-stop exec touch {after}\n")
    if state == "starting":
        daemon.job("hook", f"start on starting web\ntask\nscript\n{released_by(go)}\nend script\n")
    monitor = daemon.monitor()
    starting = daemon.background("start", "web")
    daemon.wait_status("web", f"start/{state}")
    running = [daemon.pid_of("web")] if state == "pre-start" else []
    if state == "post-start":
        running = [daemon.pid_of("web"), daemon.pid_of("web", role="post-start")]

    stopping = daemon.background("stop", "web")
    # Who waited for the start is answered: another has taken the job over (2.8, kept).
    assert daemon.finish(starting).code == 0
    assert daemon.state("web") == f"stop/{state}"
    assert all(processes.is_running(pid) for pid in running)
    assert daemon.run("stop", "web") == REFUSED
    assert stopping.poll() is None

    release(go)
    assert daemon.finish(stopping) == (0, "web stop/waiting\n", "")
    assert os.path.exists(main) == (state == "post-start")
    assert os.path.exists(after)
    assert not any(processes.is_running(pid) for pid in running)
    monitor.wait_for("stopped", "web")
    assert monitor.of_job("web") == [STARTING, *DOWN]


def test_stop_in_spawned_ends_what_was_spawned(daemon):
    daemon.job("web", f"expect stop\n{SERVICE}post-stop exec touch {daemon.path('after')}\n")
    monitor = daemon.monitor()
    starting = daemon.background("start", "web")
    daemon.wait_status("web", "start/spawned")
    pid = daemon.pid_of("web")
    assert daemon.succeed("stop", "web") == "web stop/waiting\n"
    assert daemon.finish(starting).code == 0
    assert not processes.is_running(pid)
    assert os.path.exists(daemon.path("after"))
    monitor.wait_for("stopped", "web")
    assert monitor.of_job("web") == [STARTING, *DOWN]


# 4: when up, and on the way down

def test_stop_in_running_and_again_in_each_state_after_it(daemon):
    """One stop; each further one is refused and changes nothing."""
    paths = {state: daemon.path(state) for state in ("pre-stop", "stopping", "post-stop")}
    daemon.job("hook", "start on stopping web\ntask\nscript\n"
                       f"{released_by(paths['stopping'])}\nend script\n")
    monitor = daemon.monitor()
    pid = start_deaf(daemon, LONG_ENOUGH, waits("pre-stop", paths["pre-stop"])
                     + waits("post-stop", paths["post-stop"]))
    stopping = daemon.background("stop", "web")
    for state in ("pre-stop", "stopping", "killed", "post-stop"):
        daemon.wait_status("web", f"stop/{state}")
        assert daemon.run("stop", "web") == REFUSED
        assert processes.is_running(pid) == (state != "post-stop")
        if state in paths:
            assert daemon.state("web") == f"stop/{state}"
            release(paths[state])
    assert daemon.finish(stopping) == (0, "web stop/waiting\n", "")
    monitor.wait_for("stopped", "web")
    assert monitor.of_job("web") == [STARTING, STARTED, *DOWN]


def test_stop_in_pre_stop_after_it_was_cancelled(daemon):
    go = daemon.path("go")
    daemon.job("web", waits("pre-stop", go) + SERVICE)
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    first = daemon.background("stop", "web")
    daemon.wait_status("web", "stop/pre-stop")
    cancelling = daemon.background("start", "web")
    daemon.wait_status("web", "start/pre-stop")
    second = daemon.background("stop", "web")
    daemon.wait_status("web", "stop/pre-stop")
    assert daemon.finish(first).code == 0
    assert daemon.finish(cancelling).code == 0
    assert processes.is_running(pid)
    release(go)
    assert daemon.finish(second) == (0, "web stop/waiting\n", "")
    assert not processes.is_running(pid)


@pytest.mark.parametrize("state", ["stopping", "killed", "post-stop"])
def test_stop_turns_a_restart_on_the_way_down_into_an_end(daemon, state):
    go = daemon.path("go")
    if state == "stopping":
        daemon.job("hook", f"start on stopping web\ntask\nscript\n{released_by(go)}\nend script\n")
    monitor = daemon.monitor()
    start_deaf(daemon, LONG_ENOUGH if state == "killed" else KILL_TIMEOUT,
               waits("post-stop", go) if state == "post-stop" else "")
    restarting = daemon.background("restart", "web")
    daemon.wait_status("web", f"start/{state}")
    stopping = daemon.background("stop", "web")
    assert daemon.finish(restarting).code == 0
    release(go)
    assert daemon.finish(stopping) == (0, "web stop/waiting\n", "")
    monitor.wait_for("stopped", "web")
    assert monitor.of_job("web") == [STARTING, STARTED, *DOWN]


def test_stop_of_a_process_that_ignores_it_ends_after_the_kill_timeout(daemon):
    pid = start_deaf(daemon, KILL_TIMEOUT)
    began = time.monotonic()
    assert daemon.succeed("stop", "web") == "web stop/waiting\n"
    took = time.monotonic() - began
    assert KILL_TIMEOUT * 0.9 < took < KILL_TIMEOUT + MARGIN
    assert not processes.is_running(pid)
    daemon.wait_message(rf"web main process \({pid}\) killed by signal KILL")


# 8: expect, right and wrong

# name: (expect, what the program does; see actor.py)
RIGHT = {
    "none": ("", []),
    "stop": ("expect stop\n", ["stop"]),
    "fork": ("expect fork\n", ["fork"]),
    "fork-setsid": ("expect fork\n", ["fork", "setsid"]),
    "daemon": ("expect daemon\n", ["fork", "setsid", "fork"]),
    "daemon-by-exec": ("expect daemon\n", ["fork", "exec"]),
    "fork-after-exec": ("expect fork\n", ["exec", "fork"]),
}

# Wrong, so that the job stays in start/spawned until it is stopped.
NEVER_READY = {
    "stop-without": ("expect stop\n", []),
    "fork-without": ("expect fork\n", []),
    "fork-execs": ("expect fork\n", ["exec"]),
    "daemon-without": ("expect daemon\n", []),
    "daemon-forks-once": ("expect daemon\n", ["fork"]),
}

# Wrong, so that the manager follows a process that soon ends; whether it was ready before, and
# whether that counts as a failure. What was a helper is left for what survives it: test_expect.py.
LOST = {
    "none-daemonises": ("", ["fork", "setsid", "fork"], True, False),
    "stop-forks": ("expect stop\n", ["fork", "setsid"], False, False),
    "fork-daemonises": ("expect fork\n", ["fork", "setsid", "fork"], True, True),
}


def web_job(daemon, expect, words, deaf=False):
    words = [*(["deaf"] if deaf else []), *words, "log=" + daemon.path("pid")]
    daemon.job("web", f"{expect}kill timeout {KILL_TIMEOUT}\nexec {acting(*words)}\n")


def final_pid(daemon):
    """The pid that the program has written down as the last thing before it waits."""
    return int(wait_until(lambda: read_text(daemon.path("pid")), "the program to be set up"))


def stop_in_time(daemon, pid, deaf):
    began = time.monotonic()
    assert daemon.succeed("stop", "web") == "web stop/waiting\n"
    took = time.monotonic() - began
    assert took < KILL_TIMEOUT + MARGIN
    assert took > KILL_TIMEOUT * 0.9 or not deaf
    # A daemon's last process is a child of somebody else, who may reap it later.
    wait_until(lambda: not processes.is_running(pid), "the program to be gone")


DEAF = pytest.mark.parametrize("deaf", [False, True], ids=["obeys", "deaf"])


@DEAF
@pytest.mark.parametrize("name", RIGHT)
def test_expect_right(daemon, name, deaf):
    web_job(daemon, *RIGHT[name], deaf)
    monitor = daemon.monitor()
    daemon.succeed("start", "web")
    pid = final_pid(daemon)
    assert daemon.status("web") == f"web start/running, process {pid}\n"
    stop_in_time(daemon, pid, deaf)
    monitor.wait_for("stopped", "web")
    assert monitor.of_job("web") == [STARTING, STARTED, *DOWN]


@DEAF
@pytest.mark.parametrize("name", NEVER_READY)
def test_expect_never_ready(daemon, name, deaf):
    web_job(daemon, *NEVER_READY[name], deaf)
    monitor = daemon.monitor()
    starting = daemon.background("start", "web")
    pid = final_pid(daemon)
    assert daemon.status("web") == f"web start/spawned, process {pid}\n"
    assert starting.poll() is None
    stop_in_time(daemon, pid, deaf)
    assert daemon.finish(starting).code == 0
    monitor.wait_for("stopped", "web")
    assert monitor.of_job("web") == [STARTING, *DOWN]


@pytest.mark.parametrize("name", LOST)
def test_expect_follows_the_wrong_process(daemon, name):
    """The job ends with what it followed, and can be stopped or started again at any time."""
    expect, words, ready, fails = LOST[name]
    web_job(daemon, expect, words)
    monitor = daemon.monitor()
    assert daemon.run("start", "web").code == 0
    monitor.wait_for("stopped", "web")
    down = DOWN
    if fails:
        failed = "RESULT=failed PROCESS=main EXIT_STATUS=0"
        down = [one.replace("RESULT=ok", failed) for one in DOWN]
    assert monitor.of_job("web") == [STARTING, *([STARTED] if ready else []), *down]
    assert daemon.run("stop", "web") == (1, "", "stop: Unknown instance: \n")
    # What nobody follows goes on (kept): only a job can be stopped.
    assert processes.is_running(final_pid(daemon))


@pytest.mark.parametrize("name", ["none-daemonises", "stop-forks"])
def test_expect_follows_the_wrong_process_and_respawns(daemon, name):
    expect, words, *_ = LOST[name]
    web_job(daemon, f"respawn\nrespawn limit 2 600\n{expect}", words)
    monitor = daemon.monitor()
    daemon.run("start", "web")
    event = monitor.wait_for("stopped", "web")
    assert repr(event) == "stopped JOB=web INSTANCE= RESULT=failed PROCESS=respawn"
    wait_until(lambda: len(read_text(daemon.path("pid")).splitlines()) == 3, "three programs")
