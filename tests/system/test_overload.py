"""Clients and outputs that take or give more than is good: nobody else may notice."""
import contextlib
import os
import subprocess
import threading

import upkeep
from upkeep import UserDaemon, write_file
from wire import MANAGER, MANAGER_PATH

SERVICE = "exec sleep 1000\n"
QUICK = 5


@contextlib.contextmanager
def flood_of_calls(daemon, clients=4):
    """Clients that send calls as fast as they can and want no reply."""
    over = threading.Event()
    connections = [daemon.connection() for _ in range(clients)]

    def flood(connection):
        calls = connection.encode(MANAGER_PATH, MANAGER, "GetAllJobs", reply=False) * 200
        connection.socket.settimeout(30)
        while not over.is_set():
            connection.socket.sendall(calls)

    threads = [threading.Thread(target=flood, args=(one,)) for one in connections]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_deadlines_are_kept_under_a_flood_of_calls(daemon):
    daemon.job("stubborn", """\
        kill timeout 1
        script
          trap '' TERM
          echo ready
          while :; do sleep 1; done
        end script
        """)
    daemon.succeed("start", "stubborn")
    daemon.wait_log("stubborn", "ready")
    with flood_of_calls(daemon):
        daemon.succeed("stop", "stubborn", timeout=20)


class OnTerminal(UserDaemon):
    """Its messages go to a terminal that nobody reads, as when the window is gone or halted."""

    def start(self):
        self.master, slave = os.openpty()
        self.process = subprocess.Popen(
            [os.path.join(self.bin, "upkeepd"), "--user", "--no-dbus", "--debug",
             "--confdir", self.confdir, "--logdir", self.logdir, *self.options],
            env=self.environment(), stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
            cwd=self.directory, start_new_session=True)
        os.close(slave)
        upkeep.started.add(self.process)

    def end(self):
        super().end()
        os.close(self.master)


def test_a_terminal_that_nobody_reads_stops_nothing():
    with OnTerminal() as daemon:
        daemon.job("quick", "task\nexec true\n")
        for _ in range(100):  # each fills the terminal with 1 KB of messages
            daemon.succeed("start", "quick", timeout=QUICK)


def test_a_client_with_very_many_variables(daemon):
    daemon.job("good", SERVICE)
    daemon.job("listener", "start on many\ntask\nexec true\n")
    variables = [f"{number:x}=" for number in range(200_000)]
    connection = daemon.connection()
    connection.manager("EmitEvent", "sasb", "many", variables, False, timeout=20)
    assert daemon.run("start", "good", timeout=20).code == 0
    daemon.wait_message("listener.*Argument list too long")


def test_an_instance_name_without_bound(daemon):
    daemon.job("many", "instance $N\n" + SERVICE)
    assert daemon.run("start", "many", "N=" + "x" * 100_000, timeout=QUICK) == (
        1, "", "start: Instance name longer than 8192 bytes\n")
    assert daemon.run("start", "many", "N=" + "/" * 8192, timeout=QUICK).code == 0
    assert daemon.run("initctl", "list", timeout=QUICK).code == 0
    assert daemon.run("stop", "many", "N=" + "/" * 8192, timeout=QUICK).code == 0


def test_waiting_clients_survive_a_huge_event(daemon):
    """Everybody is told of each event; one that is too large for that must not be accepted."""
    daemon.job("held", "start on go\ntask\nexec sleep 1000\n")
    waiting = daemon.background("initctl", "emit", "go")
    daemon.wait_status("held", "start/running")
    answer = daemon.connection()
    try:
        answer.manager("EmitEvent", "sasb", "x" * (20 << 20), [], True)
    except Exception as error:  # noqa: BLE001
        assert "Name may not be larger than 65536 bytes" in str(error)
    else:
        raise AssertionError("the event was accepted")
    daemon.succeed("stop", "held")
    assert daemon.finish(waiting) == (0, "", "")


def test_an_event_that_starts_very_many_jobs(daemon):
    """Thousands of signals in one turn: no client is taken for one that does not read."""
    count = 600
    for number in range(count):
        write_file(daemon.conf(f"state{number}.conf"), "start on go\nstop on halt\n")
    daemon.succeed("initctl", "reload-configuration")
    monitor = daemon.monitor()
    daemon.succeed("initctl", "emit", "go")
    monitor.wait(lambda event: sum(one.name == "started" for one in monitor.events) == count)
    daemon.succeed("initctl", "emit", "halt")
