"""Jobs that do not want to end: `stop` ends them, the manager answers all the while, and it says
what it had to do."""
import contextlib
import os
import signal
import statistics
import subprocess
import threading
import time

import pytest

import processes
from processes import wait_until
from programs import acting
from services import mark, members
from upkeep import Pid1, need_program, need_user, read_text
from wire import MANAGER_PATH

KILL_TIMEOUT = 1
MARGIN = 10  # s; generous, for a busy machine
STORM = 20_000  # children


@contextlib.contextmanager
def answers(daemon, job):
    """Asks for the job's instances all the while; afterwards the list that it gives is filled with
    how long each answer took, in seconds."""
    over = threading.Event()
    took = []
    connection = daemon.connection()

    def ask():
        if os.geteuid() == 0:  # how long it waits for its own turn is not the question
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_RR, os.sched_param(1))
        while not over.is_set():
            began = time.monotonic()
            connection.call(f"{MANAGER_PATH}/jobs/{job}", "com.ubuntu.Upstart0_6.Job",
                            "GetAllInstances")
            took.append(time.monotonic() - began)
            over.wait(0.005)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        over.set()
        thread.join()


def check_answers(took, late=0.5):
    """50 ms is the promise; a few may be late, when the machine is busy with other things, among
    them the one who asks."""
    assert len(took) > 10
    assert statistics.median(took) < 0.05
    assert statistics.quantiles(took, n=20)[-1] < late


def marked(daemon, number=1):
    """The job's processes that run, however far they have gone."""
    root = daemon.namespace_pid() or daemon.process.pid
    return [pid for pid in members(number, processes.descendants_of(root))
            if processes.is_running(pid)]


def stop(daemon, job, number=1):
    """Stops the job; nothing may be left when `stopped` is said. Returns how long it took."""
    monitor = daemon.monitor()
    began = time.monotonic()
    client = daemon.background("stop", job)
    monitor.wait_for("stopped", job, timeout=KILL_TIMEOUT + MARGIN)
    assert marked(daemon, number) == []
    assert daemon.finish(client) == (0, f"{job} stop/waiting\n", "")
    return time.monotonic() - began


def logged_pid(daemon, name):
    return int(wait_until(lambda: read_text(daemon.path(name)).strip(), f"{name} to be up"))


def build(daemon, text):
    """Compiles a C program into the test's folder; returns its path."""
    need_program("cc")
    source, program = daemon.path("program.c"), daemon.path("program")
    with open(source, "w", encoding="utf-8") as file:
        file.write(text)
    subprocess.run(["cc", "-O", "-o", program, source], check=True)
    os.chmod(program, 0o755)
    return program


# Whom `stop` ends

@pytest.mark.parametrize("mode", ["main", "group", "tree"])
def test_whom_each_mode_ends(daemon, mode):
    """main is alone in having its mode told: a child is in the group, an escapee only in the tree."""
    names = ("child", "escapee", "main")
    child, escapee, own = (f"log={daemon.path(name)}" for name in names)
    daemon.job("web", f"kill mode {mode}\nkill timeout {KILL_TIMEOUT}\n{mark(1)}"
                      f"exec {acting('child=' + child, 'escape=' + escapee, own)}\n")
    daemon.succeed("start", "web")
    pids = {name: logged_pid(daemon, name) for name in names}
    assert set(pids.values()) <= set(marked(daemon))
    assert daemon.pid_of("web") == pids["main"]
    daemon.succeed("stop", "web")
    gone = {"main": {"main"}, "group": {"main", "child"}, "tree": set(names)}[mode]
    wait_until(lambda: not any(processes.is_running(pids[name]) for name in gone), "the end")
    assert {name for name in names if not processes.is_running(pids[name])} == gone
    assert "KILL" not in daemon.messages()


@pytest.mark.parametrize("who", ["child", "escape"])
def test_stopped_comes_after_the_last_of_the_tree(daemon, who):
    """Main obeys; somebody else does not, and is ended and named when the kill timeout is over."""
    words = f"{who}=deaf,log={daemon.path('other')}"
    daemon.job("web", f"kill mode tree\nkill timeout {KILL_TIMEOUT}\n{mark(1)}"
                      f"exec {acting(words)}\n")
    daemon.succeed("start", "web")
    pid = logged_pid(daemon, "other")
    took = stop(daemon, "web")
    assert KILL_TIMEOUT * 0.9 < took < KILL_TIMEOUT + MARGIN
    daemon.wait_message(rf"web.*\b{pid}\b.*KILL|web.*KILL.*\b{pid}\b")


def test_an_escapee_that_obeys_costs_no_time(daemon):
    daemon.job("web", f"kill mode tree\nkill timeout 60\n{mark(1)}"
                      f"exec {acting('escape=log=' + daemon.path('other'))}\n")
    daemon.succeed("start", "web")
    logged_pid(daemon, "other")
    stop(daemon, "web")
    assert "KILL" not in daemon.messages()


def test_what_main_leaves_when_it_ends_by_itself(daemon):
    """Not only `stop` empties the tree."""
    other, main = daemon.path("other"), daemon.path("main")
    daemon.job("web", f"kill mode tree\nkill timeout {KILL_TIMEOUT}\n{mark(1)}"
                      f"exec {acting('escape=log=' + other, 'log=' + main, 'wait=' + other)}\n")
    monitor = daemon.monitor()
    daemon.succeed("start", "web")
    logged_pid(daemon, "other")
    os.kill(logged_pid(daemon, "main"), signal.SIGKILL)
    monitor.wait_for("stopped", "web")
    assert marked(daemon) == []


# Those that do not react

@pytest.mark.parametrize("mode", ["group", "tree"])
@pytest.mark.parametrize("who", ["main", "child"])
def test_a_process_that_was_stopped(daemon, mode, who):
    """TERM does not reach it."""
    child = f"child=log={daemon.path('child')}"
    daemon.job("web", f"kill mode {mode}\nkill timeout {KILL_TIMEOUT}\n{mark(1)}"
                      f"exec {acting(child, 'log=' + daemon.path('main'))}\n")
    daemon.succeed("start", "web")
    pids = {name: logged_pid(daemon, name) for name in ("main", "child")}
    os.kill(pids[who], signal.SIGSTOP)
    if mode == "group" and who == "child":  # kept: what main leaves is nobody's
        assert daemon.succeed("stop", "web") == "web stop/waiting\n"
        assert processes.is_running(pids["child"])
        return
    assert stop(daemon, "web") < KILL_TIMEOUT + MARGIN


@pytest.mark.parametrize("mode", ["main", "group", "tree"])
def test_kill_timeout_0_is_at_once(daemon, mode):
    daemon.job("web", f"kill mode {mode}\nkill timeout 0\n{mark(1)}"
                      f"exec {acting('deaf', 'log=' + daemon.path('main'))}\n")
    daemon.succeed("start", "web")
    pid = logged_pid(daemon, "main")
    stop(daemon, "web")
    daemon.wait_message(rf"web main process \({pid}\) killed by signal KILL")


# Very many

BOMB = """
#include <unistd.h>
int main(void) {
  for (;;)
    if (fork() == 0) setsid();
}
"""


def test_a_fork_bomb():
    """Each of its processes leads a session of its own, so no group holds it."""
    user = need_user("games")
    with Pid1() as daemon:
        program = build(daemon, BOMB)
        daemon.job("bomb", f"kill mode tree\nkill timeout {KILL_TIMEOUT}\nlimit nproc 150 150\n"
                           f"setuid {user.pw_name}\n{mark(1)}exec {program}\n")
        with answers(daemon, "bomb") as took:
            daemon.succeed("start", "bomb")
            wait_until(lambda: len(marked(daemon)) > 100, "the bomb to go off")
            stop(daemon, "bomb")
        check_answers(took)


# Forks as many children as the argument says, which end at once; it collects none. With a second
# argument they are children of children instead, and the manager's when they end.
STORM_PROGRAM = """
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char** arguments) {
  for (int i = atoi(arguments[1]); i > 0; --i) {
    pid_t child;
    while ((child = fork()) < 0) usleep(1000);
    if (child == 0) _exit(count > 3 && fork() < 0);
    if (count > 3) waitpid(child, NULL, 0);
  }
  fclose(fopen(arguments[count - 1], "w"));
  for (;;) pause();
}
"""


@pytest.mark.parametrize("whose", ["of main", "of nobody"])
def test_a_storm_of_zombies(whose):
    """All at once when their parent ends, or one after the other: reaped, and nobody waits."""
    with Pid1() as daemon:
        program, done = build(daemon, STORM_PROGRAM), daemon.path("done")
        arguments = f"{STORM} {done}" if whose == "of main" else f"{STORM} orphans {done}"
        daemon.job("storm", f"kill timeout {KILL_TIMEOUT}\n{mark(1)}exec {program} {arguments}\n")
        with answers(daemon, "storm") as took:
            daemon.succeed("start", "storm")
            wait_until(lambda: os.path.exists(done), "all children to be started", 120)
            stop(daemon, "storm")
            # What is left is the logger.
            wait_until(lambda: len(processes.descendants_of(daemon.init_pid)) <= 1,
                       "the children to be reaped", 60)
        check_answers(took)
