"""`expect notify`, `expect fd`, `expect timeout` and `expect watchdog`: who may say that a job is
ready, what happens if nobody does, and that nonsense does no harm."""
import os
import shlex
import subprocess
import time

import pytest

import processes
from processes import wait_until
from programs import acting, release
from services import mark, members
from upkeep import need_program, need_root, need_user, read_text

KILL_TIMEOUT = 1
MARGIN = 10  # s; generous, for a busy machine

# What the daemon does not do yet.


def job(daemon, expect, command, more=""):
    daemon.job("web", f"expect {expect}\nkill mode tree\nkill timeout {KILL_TIMEOUT}\n{more}"
                      f"{mark(1)}{command}\n")


def start_waiting(daemon):
    """Starts the job, which does not become ready for now."""
    client = daemon.background("start", "web")
    daemon.wait_status("web", "start/spawned")
    return client


def marked(daemon):
    return [pid for pid in members(1, processes.descendants_of(daemon.process.pid))
            if processes.is_running(pid)]


def logged_pid(daemon, name):
    return int(wait_until(lambda: read_text(daemon.path(name)).strip(), f"{name} to be up"))


# notify

def test_ready_when_it_says_so(daemon):
    go = daemon.path("go")
    job(daemon, "notify", f"exec {acting('wait=' + go, 'notify=READY=1+STATUS=serving')}")
    client = start_waiting(daemon)
    pid = daemon.pid_of("web")
    release(go)
    assert daemon.finish(client) == (0, f"web start/running, process {pid}\n", "")
    daemon.succeed("stop", "web")
    assert marked(daemon) == []


def test_status_is_logged(daemon):
    daemon.succeed("initctl", "log-priority", "info")
    job(daemon, "notify", f"exec {acting('notify=READY=1+STATUS=serving')}")
    daemon.succeed("start", "web")
    daemon.wait_message(r"web main process says: serving")


def test_systemd_notify(daemon):
    """The sender is a child that has ended by the time it is heard."""
    need_program("systemd-notify")
    job(daemon, "notify", "script\nsystemd-notify --ready\nexec sleep 1000\nend script")
    daemon.succeed("start", "web", timeout=KILL_TIMEOUT + MARGIN)
    assert daemon.state("web") == "start/running"


def test_the_environment_of_others_is_clean(daemon):
    daemon.job("plain", "exec sleep 1000\n")
    job(daemon, "notify", f"exec {acting('notify=READY=1')}")
    for name in ("plain", "web"):
        daemon.succeed("start", name)
    assert "NOTIFY_SOCKET" not in processes.environment_of(daemon.pid_of("plain"))
    assert "NOTIFY_SOCKET" in processes.environment_of(daemon.pid_of("web"))


def test_another_process_of_the_job_becomes_main(daemon):
    child = f"child=log={daemon.path('child')},notify=MAINPID=%p+READY=1"
    job(daemon, "notify", f"exec {acting(child)}")
    daemon.succeed("start", "web")
    assert daemon.pid_of("web") == logged_pid(daemon, "child")
    assert len(marked(daemon)) == 2
    daemon.succeed("stop", "web")
    assert marked(daemon) == []


def test_a_stranger_does_not_become_main(daemon):
    with subprocess.Popen(["sleep", "1000"]) as stranger:
        try:
            job(daemon, "notify", f"exec {acting(f'notify=MAINPID={stranger.pid}+READY=1')}")
            daemon.succeed("start", "web")
            pid = daemon.pid_of("web")
            assert pid != stranger.pid and marked(daemon) == [pid]
            daemon.wait_message(rf"web.*\b{stranger.pid}\b")
            daemon.succeed("stop", "web")
            assert stranger.poll() is None
        finally:
            stranger.kill()


SEND = """
import os, socket, sys
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sender.sendto(b"READY=1", "\\0" + sys.argv[1][1:])
print("sent", flush=True)
sys.stdin.read()
"""


def test_a_stranger_is_not_heard(daemon):
    need_root()
    user = need_user("games")
    go = daemon.path("go")
    job(daemon, "notify", f"exec {acting('log=' + daemon.path('main'), 'wait=' + go)}")
    client = start_waiting(daemon)
    address = processes.environment_of(logged_pid(daemon, "main"))["NOTIFY_SOCKET"]
    with subprocess.Popen(["/usr/bin/python3", "-c", SEND, address], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, user=user.pw_uid) as stranger:
        assert stranger.stdout.readline() == "sent\n"
        daemon.wait_message(rf"web.*\b{stranger.pid}\b")
    assert daemon.state("web") == "start/spawned"
    assert client.poll() is None
    assert daemon.succeed("stop", "web") == "web stop/waiting\n"


def test_junk_does_no_harm(daemon):
    done = daemon.path("done")
    job(daemon, "notify", f"exec {acting('junk', 'log=' + done, 'notify=READY=1')}")
    client = daemon.background("start", "web")
    answer = None
    while answer is None and not os.path.exists(done):
        began = time.monotonic()
        answer = daemon.succeed("initctl", "version", timeout=MARGIN)
        assert time.monotonic() - began < MARGIN / 2
    assert daemon.finish(client, timeout=60).code == 0
    assert daemon.pid_of("web") == logged_pid(daemon, "done")
    assert len(daemon.messages()) < 200_000
    daemon.succeed("stop", "web")


@pytest.mark.parametrize("said,word", [("STOPPING=1", "stopping"), ("RELOADING=1", "reloading")])
def test_what_it_announces_is_logged(daemon, said, word):
    daemon.succeed("initctl", "log-priority", "info")
    job(daemon, "notify", f"exec {acting('notify=READY=1', 'notify=' + said)}")
    daemon.succeed("start", "web")
    daemon.wait_message(f"web main process says that it is {word}")
    assert daemon.state("web") == "start/running"


# watchdog

WATCHDOG = "expect watchdog 1\n"


def test_a_watchdog_that_is_fed(daemon):
    feed = daemon.path("feed")
    script = (f"script\nsystemd-notify --ready\nwhile :; do systemd-notify WATCHDOG=1; "
              f"echo >> {feed}; sleep 0.3; done\nend script")
    need_program("systemd-notify")
    job(daemon, "notify", script, WATCHDOG)
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    wait_until(lambda: len(read_text(feed)) > 8, "more than two intervals")
    assert daemon.status("web") == f"web start/running, process {pid}\n"
    daemon.succeed("stop", "web")


@pytest.mark.parametrize("respawn", [False, True], ids=["once", "respawn"])
def test_a_watchdog_that_is_not_fed(daemon, respawn):
    more = WATCHDOG + ("respawn\nrespawn limit unlimited\n" if respawn else "")
    job(daemon, "notify", f"exec {acting('notify=READY=1')}", more)
    monitor = daemon.monitor()
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    daemon.wait_message(rf"web main process \({pid}\) killed by signal ABRT")
    if respawn:
        wait_until(lambda: daemon.pid_of("web") not in (None, pid), "a new process")
        daemon.succeed("stop", "web")
        return
    event = monitor.wait_for("stopped", "web")
    assert event.env["RESULT"] == "failed" and event.env["EXIT_SIGNAL"] == "ABRT"


def test_a_watchdog_of_a_program_that_ignores_it(daemon):
    script = ("script\ntrap '' ABRT TERM\nsystemd-notify --ready\n"
              "while :; do sleep 1; done\nend script")
    need_program("systemd-notify")
    job(daemon, "notify", script, WATCHDOG)
    monitor = daemon.monitor()
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    event = monitor.wait_for("stopped", "web")
    assert event.env["RESULT"] == "failed" and event.env["EXIT_SIGNAL"] == "KILL"
    daemon.wait_message(rf"web main process \({pid}\) killed by signal KILL")
    assert marked(daemon) == []


# fd

FD_PROGRAMS = {
    "actor": acting("write=5:ready"),
    "newline-alone": acting("write=5:"),
    "shell": "sh -c 'echo >&5; exec 5>&-; exec sleep 1000'",
    "late-newline": "sh -c 'printf some; printf more; echo >&5; exec sleep 1000'",
    "child": acting("child=write=5:ready"),
}


@pytest.mark.parametrize("name", FD_PROGRAMS)
def test_fd(daemon, name):
    job(daemon, "fd 5", f"exec {FD_PROGRAMS[name]}")
    daemon.succeed("start", "web", timeout=MARGIN)
    assert daemon.pid_of("web") in marked(daemon)
    daemon.succeed("stop", "web")
    assert marked(daemon) == []


@pytest.mark.parametrize("command", [
    "exec 5>&-", "printf ready >&5", "head -c 200000 /dev/zero >&5 2>/dev/null & exec 5>&-"],
    ids=["closed", "no-newline", "zeroes"])
def test_fd_without_a_newline_is_not_ready(daemon, command):
    job(daemon, "fd 5", f"exec sh -c {shlex.quote(command + '; exec sleep 1000')}",
        "expect timeout 1\n")
    assert daemon.run("start", "web", timeout=MARGIN + KILL_TIMEOUT).code == 1
    daemon.wait_message(r"web main process.* is not ready after 1 s: .*newline on descriptor 5")
    assert daemon.state("web") == "stop/waiting"
    assert marked(daemon) == []


# expect timeout

LACKING = {
    "stop": "SIGSTOP",
    "fork": "expected 1 fork, saw none",
    "daemon": "expected 2 forks, saw none",
    "notify": "READY=1",
    "fd 3": "newline on descriptor 3",
}


@pytest.mark.parametrize("deaf", [False, True], ids=["obeys", "deaf"])
@pytest.mark.parametrize("expect", LACKING)
def test_timeout(daemon, expect, deaf):
    """The job fails, its client is told, and nothing of it is left."""
    words = []
    if deaf:  # and in the background, where that is not what is waited for
        words = ["deaf"] if expect in ("fork", "daemon") else ["deaf", "escape=deaf"]
    job(daemon, expect, f"exec {acting(*words)}", "expect timeout 1\n")
    monitor = daemon.monitor()
    began = time.monotonic()
    answer = daemon.run("start", "web", timeout=1 + KILL_TIMEOUT + MARGIN)
    assert time.monotonic() - began > 0.9
    assert answer.code == 1
    monitor.wait_for("stopped", "web")
    daemon.wait_message(rf"web main process.* is not ready after 1 s: .*{LACKING[expect]}")
    assert marked(daemon) == []
    assert daemon.status("web") == "web stop/waiting\n"
    assert monitor.of_job("web")[-1].startswith(
        "stopped JOB=web INSTANCE= RESULT=failed PROCESS=main")


def test_timeout_of_auto_is_for_what_neither_rests_nor_speaks(daemon):
    job(daemon, "auto", "exec sh -c 'while :; do :; done'", "expect timeout 1\n")
    assert daemon.run("start", "web", timeout=1 + KILL_TIMEOUT + MARGIN).code == 1
    assert daemon.state("web") == "stop/waiting"


@pytest.mark.parametrize("expect", ["stop", "fork", "daemon"])
def test_timeout_0_waits_for_ever(daemon, expect):
    """Longer than it would take to be taken as started."""
    job(daemon, expect, f"exec {acting('log=' + daemon.path('main'))}", "expect timeout 0\n")
    client = start_waiting(daemon)
    logged_pid(daemon, "main")
    # A job that rests as long, with the same times, shows that they are over.
    daemon.job("other", f"expect stop\nkill timeout {KILL_TIMEOUT}\nexec sleep 1000\n")
    daemon.succeed("start", "other", timeout=KILL_TIMEOUT + MARGIN)
    assert daemon.state("web") == "start/spawned"
    assert client.poll() is None
    assert daemon.succeed("stop", "web") == "web stop/waiting\n"
    assert marked(daemon) == []


# The way up goes wrong

# So that nobody takes it for one that rests; the shell itself does not fork.
BUSY = "sh -c 'while :; do :; done'"

@pytest.mark.parametrize("expect", [*LACKING, "auto"])
def test_stop_before_it_is_ready(daemon, expect):
    job(daemon, expect, f"exec {BUSY}")
    client = start_waiting(daemon)
    assert daemon.succeed("stop", "web", timeout=KILL_TIMEOUT + MARGIN) == "web stop/waiting\n"
    assert daemon.finish(client).code == 0
    assert marked(daemon) == []


@pytest.mark.parametrize("how", ["exit", "signal"])
@pytest.mark.parametrize("expect", [*LACKING, "auto"])
def test_death_before_it_is_ready(daemon, expect, how):
    go = daemon.path("go")
    if expect in ("fork", "daemon"):  # a shell's helpers would be taken for it
        command = f"exec {acting('wait=' + go, 'exit=7' if how == 'exit' else 'signal=9')}"
    else:  # busy, so that nobody takes it for one that rests
        end = "exit 7" if how == "exit" else "kill -KILL $$"
        command = f"script\nwhile [ ! -e {go} ]; do :; done\n{end}\nend script"
    job(daemon, expect, command, "expect timeout 60\n")
    monitor = daemon.monitor()
    client = start_waiting(daemon)
    release(go)
    event = monitor.wait_for("stopped", "web")
    assert event.env["RESULT"] == "failed" and event.env["PROCESS"] == "main"
    assert daemon.finish(client).code == 1
    assert marked(daemon) == []
    assert daemon.status("web") == "web stop/waiting\n"
