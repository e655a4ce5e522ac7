"""`expect` where ptrace alone leads astray, and where there is no ptrace: helpers, parents that stay,
and what a wrong `expect` says."""
import ctypes
import errno
import os
import re
import struct

import pytest

import processes
from processes import wait_until
from programs import acting
from services import mark, members
from upkeep import UserDaemon, need_program, need_root, need_user, read_text

KILL_TIMEOUT = 2
MARGIN = 10  # s; generous, for a busy machine


def marked(daemon):
    return [pid for pid in members(1, processes.descendants_of(daemon.process.pid))
            if processes.is_running(pid)]


def start(daemon, expect, command, more="kill mode tree\n"):
    daemon.job("web", f"expect {expect}\n{more}kill timeout {KILL_TIMEOUT}\n{mark(1)}{command}\n")
    return daemon.run("start", "web", timeout=KILL_TIMEOUT + MARGIN)


def logged_pid(daemon, name):
    return int(wait_until(lambda: read_text(daemon.path(name)).strip(), f"{name} to be up"))


def stop(daemon):
    assert daemon.succeed("stop", "web", timeout=KILL_TIMEOUT + MARGIN) == "web stop/waiting\n"
    assert marked(daemon) == []


# A helper is forked first (Q13)

HELPERS = {
    "mkdir": "mkdir -p {0}/made",
    "sleep": "sleep 0.2",
    "several": "mkdir -p {0}/made\nsleep 0.1\nsleep 0.1\ntrue | cat",
    "fails": "false || :",
}


@pytest.mark.parametrize("expect", ["fork", "daemon"])
@pytest.mark.parametrize("helper", HELPERS)
def test_a_script_that_runs_helpers_first(daemon, helper, expect):
    """The service stays in the foreground: the shell that becomes it is main in the end."""
    lines = HELPERS[helper].format(daemon.directory)
    answer = start(daemon, expect, f"script\n{lines}\n"
                                   f"exec {acting('log=' + daemon.path('main'))}\nend script")
    assert answer.code == 0
    pid = logged_pid(daemon, "main")
    wait_until(lambda: daemon.status("web") == f"web start/running, process {pid}\n",
               "main to be found")
    stop(daemon)


@pytest.mark.parametrize("words", [("fork",), ("fork", "setsid", "fork")], ids=["once", "twice"])
@pytest.mark.parametrize("helper", ["mkdir", "sleep"])
def test_a_script_that_runs_helpers_before_a_daemon(daemon, helper, words):
    lines = HELPERS[helper].format(daemon.directory)
    expect = "fork" if words == ("fork",) else "daemon"
    start(daemon, expect, f"script\n{lines}\n"
                          f"exec {acting(*words, 'log=' + daemon.path('main'))}\nend script")
    pid = logged_pid(daemon, "main")
    wait_until(lambda: daemon.status("web") == f"web start/running, process {pid}\n",
               "main to be found")
    stop(daemon)


# Parents that stay

def test_su_stays_beside_its_child(daemon):
    """Nothing but the fork tells main from its parent."""
    need_root()
    need_program("su")
    need_user("nobody")
    answer = start(daemon, "fork", "exec su -s /bin/sh -c 'exec sleep 1000' nobody")
    assert answer.code == 0
    pid = daemon.pid_of("web")
    wait_until(lambda: processes.command_of(pid) == ["sleep", "1000"], "the child to be main")
    assert len(marked(daemon)) == 2
    stop(daemon)


def test_a_parent_that_stays(daemon):
    answer = start(daemon, "fork", f"exec {acting('child=log=' + daemon.path('child'))}")
    assert answer.code == 0
    assert daemon.pid_of("web") == logged_pid(daemon, "child")
    stop(daemon)


# What a wrong expect says, and leaves behind

WRONG = {  # name: (expect, what it does, advice)
    "none-forks": ("none", ["fork", "setsid"], ["expect fork", "expect auto"]),
    "none-daemonises": ("none", ["fork", "setsid", "fork"], ["expect daemon", "expect auto"]),
    "stop-daemonises": ("stop", ["fork", "setsid", "fork"], ["expect auto"]),
    "fork-daemonises": ("fork", ["fork", "setsid", "fork"], ["expected 1", "expect daemon"]),
}


@pytest.mark.parametrize("mode", ["group", "tree"])
@pytest.mark.parametrize("name", WRONG)
def test_the_job_ends_and_the_message_names_the_survivor(daemon, name, mode):
    expect, words, advice = WRONG[name]
    monitor = daemon.monitor()
    start(daemon, expect, f"exec {acting(*words, 'log=' + daemon.path('main'))}",
          f"kill mode {mode}\n")
    monitor.wait_for("stopped", "web")
    assert daemon.status("web") == "web stop/waiting\n"
    line = daemon.wait_message(r"^init: web main process .*runs on unsupervised")
    assert "expect auto" in line and any(one in line for one in advice), line
    survivor = int(re.search(r"process (\d+) of the job", line)[1])
    if mode == "tree":
        assert marked(daemon) == []
    else:
        left = logged_pid(daemon, "main")
        assert marked(daemon) == [left]
        assert survivor <= left  # the last one, or one on the way to it


NEVER_READY = {  # name: (expect, what it does, what is said)
    "stop-without": ("stop", [], "SIGSTOP.*expect none"),
    "fork-without": ("fork", [], "expected 1 fork, saw none.*expect none"),
    "daemon-without": ("daemon", [], "expected 2 forks, saw none.*expect none"),
    "daemon-forks-once": ("daemon", ["fork"], "expected 2 forks, saw 1.*expect fork"),
}


@pytest.mark.parametrize("name", NEVER_READY)
def test_what_rests_is_taken_as_started(daemon, name):
    expect, words, said = NEVER_READY[name]
    answer = start(daemon, expect, f"exec {acting(*words, 'log=' + daemon.path('main'))}")
    pid = logged_pid(daemon, "main")
    assert answer == (0, f"web start/running, process {pid}\n", "")
    daemon.wait_message(rf"web main process \({pid}\) .*{said}")
    stop(daemon)


# auto

AUTO = {
    "foreground": [],
    "stop": ["stop"],
    "fork": ["fork"],
    "fork-setsid": ["fork", "setsid"],
    "daemon": ["fork", "setsid", "fork"],
    "helper": ["helper"],
    "helper-daemon": ["helper", "fork", "setsid", "fork"],
    "exec": ["fork", "exec"],
    "notify": ["notify=READY=1"],
    "notify-forks": ["fork", "setsid", "notify=READY=1"],
}


@pytest.mark.parametrize("name", AUTO)
def test_auto(daemon, name):
    answer = start(daemon, "auto", f"exec {acting(*AUTO[name], 'log=' + daemon.path('main'))}")
    pid = logged_pid(daemon, "main")
    assert answer.code == 0
    wait_until(lambda: daemon.status("web") == f"web start/running, process {pid}\n",
               "main to be found")
    assert "expect" not in daemon.messages()
    stop(daemon)


# Without ptrace

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_RET_ALLOW, _RET_ERRNO = 0x7FFF0000, 0x00050000
_PTRACE = {"x86_64": 101, "aarch64": 117}


def refuse_ptrace():
    """From now on ptrace fails with EPERM in this process and all that comes from it."""
    number = _PTRACE[os.uname().machine]

    def step(code, yes, no, value):
        return struct.pack("=HBBI", code, yes, no, value)
    program = (step(0x20, 0, 0, 0)             # load the number of the system call
               + step(0x15, 0, 1, number)      # another one: skip the next
               + step(0x06, 0, 0, _RET_ERRNO | errno.EPERM)
               + step(0x06, 0, 0, _RET_ALLOW))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", 4, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            or libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) != 0):
        raise OSError(ctypes.get_errno(), "seccomp")


class Untraced(UserDaemon):
    """It may not trace, and nor may its leak check."""

    leaks = False

    def __init__(self):
        super().__init__(preexec=refuse_ptrace)


@pytest.fixture
def untraced():
    if os.uname().machine not in _PTRACE:
        pytest.skip("the number of ptrace is not known here")
    with Untraced() as daemon:
        assert processes.status_field(daemon.process.pid, "Seccomp") == ["2"]
        yield daemon


UNTRACED = {
    "fork": ["fork"],
    "fork-setsid": ["fork", "setsid"],
    "daemon": ["fork", "setsid", "fork"],
}


@pytest.mark.parametrize("name", UNTRACED)
def test_a_daemon_is_found_without_ptrace(untraced, name):
    expect = "daemon" if name == "daemon" else "fork"
    words = [*UNTRACED[name], "log=" + untraced.path("main")]
    answer = start(untraced, expect, f"exec {acting(*words)}")
    pid = logged_pid(untraced, "main")
    assert answer == (0, f"web start/running, process {pid}\n", "")
    stop(untraced)
