"""Clients that are gone before they are answered, and a system that has no room for a process."""
import contextlib
import itertools
import os
import resource
import subprocess
import sys

import pytest

import processes
from processes import wait_until
from programs import SERVICE, release, released_by
from upkeep import Pid1, UserDaemon, need_root, need_user
from wire import JOB, MANAGER, MANAGER_PATH

AGAIN = r"web (main|pre-start|post-stop) process: trying again in \d+ ms"


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def idle_descriptors(daemon):
    """What the daemon holds when nothing runs. The first logged process adds what stays."""
    daemon.job("first", "task\nexec true\n")
    daemon.succeed("start", "first")
    connection = daemon.connection()
    connection.version()  # by now the clients of before have been noticed to be gone
    connection.close()
    return descriptors(daemon.process.pid)


# Clients

def test_a_client_that_is_killed_while_it_waits(daemon):
    go = daemon.path("go")
    daemon.job("web", f"pre-start script\n{released_by(go)}\nend script\n{SERVICE}")
    before = idle_descriptors(daemon)
    client = daemon.background("start", "web")
    daemon.wait_status("web", "start/pre-start")
    with_client = descriptors(daemon.process.pid)
    client.kill()
    client.wait()
    wait_until(lambda: descriptors(daemon.process.pid) < with_client, "its connection to be closed")
    assert daemon.state("web") == "start/pre-start"
    release(go)
    daemon.wait_status("web", "start/running")
    daemon.succeed("stop", "web")
    wait_until(lambda: descriptors(daemon.process.pid) <= before, "all descriptors to be closed")


def test_very_many_clients_that_do_not_wait_for_their_answer(daemon):
    """Each leaves a start and an event behind that nobody waits for any more."""
    clients, go = 300, daemon.path("go")
    daemon.job("web", f"""\
        instance $N
        pre-start script
        {released_by(go)}
        end script
        """)
    daemon.job("held", "start on held and never\n")
    before = idle_descriptors(daemon)
    for number in range(clients):
        connection = daemon.connection()
        calls = [connection.encode(MANAGER_PATH, MANAGER, "EmitEvent", "sasb", "held", [], True)]
        if number % 10 == 0:
            calls.append(connection.encode(f"{MANAGER_PATH}/jobs/web", JOB, "Start", "asb",
                                           [f"N={number}"], True))
        connection.socket.sendall(b"".join(calls))
        connection.version()
        connection.close()
        daemon.monitors.remove(connection)
    listed = daemon.succeed("initctl", "list")
    assert listed.count("start/pre-start") == clients // 10
    release(go)
    for number in range(0, clients, 10):
        daemon.wait_status("web", "start/running", f"N={number}")
        daemon.succeed("stop", "web", f"N={number}")
    wait_until(lambda: descriptors(daemon.process.pid) <= before, "all descriptors to be closed")


# Processes

LIMIT = """
import resource, sys
pid, what, soft = map(int, sys.argv[1:])
old, hard = resource.prlimit(pid, what)
resource.prlimit(pid, what, (soft, hard))
print(old)
"""


def limit(daemon, what, soft):
    """Changes a soft limit of the running daemon, as its own user; returns the one before."""
    as_user = {}
    if daemon.user:
        as_user = {"user": daemon.user.pw_uid, "group": daemon.user.pw_gid, "extra_groups": []}
    done = subprocess.run(
        [sys.executable, "-c", LIMIT, str(daemon.process.pid), str(what), str(soft)],
        capture_output=True, text=True, check=True, timeout=20, **as_user)
    return int(done.stdout)


@contextlib.contextmanager
def no_descriptors(daemon):
    """The daemon may open nothing more; what it has open stays."""
    numbers = {int(name) for name in os.listdir(f"/proc/{daemon.process.pid}/fd")}
    first_free = next(number for number in itertools.count() if number not in numbers)
    before = limit(daemon, resource.RLIMIT_NOFILE, first_free)
    yield
    if processes.is_running(daemon.process.pid):
        limit(daemon, resource.RLIMIT_NOFILE, before)


def start(connection):
    return connection.ask(f"{MANAGER_PATH}/jobs/web", JOB, "Start", "asb", [], True)


def stop(connection):
    return connection.ask(f"{MANAGER_PATH}/jobs/web", JOB, "Stop", "asb", [], True)


@pytest.mark.parametrize("process", ["pre-start", "main"])
def test_without_descriptors_it_is_tried_again_until_there_are_some(daemon, process):
    daemon.job("web", SERVICE + ("pre-start exec true\n" if process == "pre-start" else ""))
    connection = daemon.connection()
    connection.version()
    with no_descriptors(daemon):
        started = start(connection)
        daemon.wait_message(rf"web {process} process: trying again in 100 ms")
        daemon.wait_message(rf"web {process} process: trying again in 200 ms")
        assert not connection.answered(started)
    connection.answer(started)
    daemon.wait_status("web", "start/running")
    assert processes.is_running(daemon.pid_of("web"))
    daemon.succeed("stop", "web")
    # Having had to wait once counts for nothing the next time.
    daemon.succeed("start", "web")


def test_stop_while_there_are_no_descriptors(daemon):
    daemon.job("web", "respawn\n" + SERVICE)
    monitor = daemon.monitor()
    connection = daemon.connection()
    connection.version()
    with no_descriptors(daemon):
        started = start(connection)
        daemon.wait_message(AGAIN)
        connection.answer(stop(connection), timeout=10)
        connection.answer(started)
        monitor.wait_for("stopped", "web")
    assert monitor.of_job("web") == [
        "starting JOB=web INSTANCE=", "stopping JOB=web INSTANCE= RESULT=ok",
        "stopped JOB=web INSTANCE= RESULT=ok"]
    assert daemon.status("web") == "web stop/waiting\n"
    daemon.succeed("start", "web")


def test_a_session_ends_while_there_are_no_descriptors(daemon):
    daemon.job("web", SERVICE)
    daemon.job("up", SERVICE)
    daemon.succeed("start", "up")
    pid = daemon.pid_of("up")
    connection = daemon.connection()
    connection.version()
    with no_descriptors(daemon):
        start(connection)
        daemon.wait_message(AGAIN)
        assert daemon.terminate() == 0
    assert not processes.is_running(pid)


def test_a_client_that_comes_while_there_are_no_descriptors_waits(daemon):
    daemon.job("web", SERVICE)
    with no_descriptors(daemon):
        client = daemon.background("start", "web")
        daemon.wait_message("unable to accept a connection: Too many open files")
    assert daemon.finish(client).code == 0
    assert daemon.state("web") == "start/running"


@pytest.fixture
def confined():
    """A daemon of an ordinary user, whose processes can be limited in number."""
    need_root()
    need_user("nobody")
    with UserDaemon(user="nobody") as daemon:
        yield daemon


def test_without_room_for_a_process_it_is_tried_again_until_there_is(confined):
    confined.job("web", SERVICE)
    before = limit(confined, resource.RLIMIT_NPROC, 1)
    client = confined.background("start", "web")
    confined.wait_message("web main process: trying again in 100 ms")
    assert client.poll() is None
    assert confined.status("web") == "web start/spawned\n"
    limit(confined, resource.RLIMIT_NPROC, before)
    assert confined.finish(client) == (
        0, f"web start/running, process {confined.pid_of('web')}\n", "")


def test_stop_without_room_for_a_process(confined):
    confined.job("web", "respawn\n" + SERVICE)
    before = limit(confined, resource.RLIMIT_NPROC, 1)
    client = confined.background("start", "web")
    confined.wait_message(AGAIN)
    assert confined.succeed("stop", "web") == "web stop/waiting\n"
    assert confined.finish(client).code == 0
    limit(confined, resource.RLIMIT_NPROC, before)
    confined.succeed("start", "web")


# Terminals

ONE_TERMINAL = """
umount /dev/pts
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,max=1 devpts /dev/pts
"""


def test_without_a_terminal_left_output_goes_through_a_pipe():
    with Pid1(prepare=ONE_TERMINAL) as pid1:
        for job in ("first", "second"):
            pid1.job(job, "exec sh -c 'test -t 1 && echo terminal || echo pipe; exec sleep 1000'\n")
            pid1.succeed("start", job)
        pid1.wait_log("first", "terminal\r\n")
        pid1.wait_log("second", "pipe\n")
        pid1.wait_message(r"second main: no terminal to log from \(.*\), using a pipe")
