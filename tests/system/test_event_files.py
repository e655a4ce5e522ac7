"""Descriptors that come with events: EmitEventWithFile and UPSTART_FDS (spec/control.md 1.11)."""
import os

import pytest

import processes
from processes import wait_until
from upkeep import read_text
from wire import MANAGER, MANAGER_PATH, DBusError

# What a process has open. 3 is the directory that is read.
LIST = "ls -v /proc/self/fd"


@pytest.fixture
def gift(daemon):
    """A file that is in no way to be reached by name, as an open descriptor."""
    path = daemon.path("gift")
    with open(path, "w+b", buffering=0) as file:
        file.write(b"from the event\n")
        os.unlink(path)
        file.seek(0)
        yield file


@pytest.fixture
def connection(daemon):
    connection = daemon.connection()
    # sd-bus closes a connection on which a descriptor arrives together with the end of the
    # greeting; after an answer that is over.
    connection.version()
    return connection


def kept_by(pid, file):
    """The numbers under which a process has the same file open."""
    wanted, numbers = os.fstat(file.fileno()), []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            found = os.stat(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            numbers.append(int(number))
    return numbers


def kept_by_manager(daemon, file):
    return kept_by(daemon.process.pid, file)


def wait_released(daemon, file):
    """The manager answers a call first and clears up behind it then."""
    wait_until(lambda: kept_by_manager(daemon, file) == [], "the manager to close the file")


@pytest.mark.parametrize("shape", ["exec {}", "script\n  {}\n  :\nend script"])
def test_every_process_of_the_start_can_read_it(daemon, connection, gift, shape):
    """The main process may come last to it: the job is running as soon as that exists."""
    def process(role, last):
        return shape.format("sh -c 'echo $UPSTART_FDS > {0}.new; "
                            "cat /proc/self/fd/$UPSTART_FDS >> {0}.new; mv {0}.new {0}; {1}'"
                            .format(daemon.path(role), last))
    daemon.job("taker", "\n".join([
        "start on take-it", "pre-start " + process("pre-start", "true"),
        process("main", "exec sleep 1000"), "post-start " + process("post-start", "true"), ""]))
    connection.emit_with_file("take-it", gift.fileno())
    daemon.wait_status("taker", "start/running")
    (number,) = kept_by_manager(daemon, gift)
    assert number >= 10
    for role in ("pre-start", "main", "post-start"):
        wait_until(lambda: os.path.exists(daemon.path(role)), f"{role} to have read it")
        assert read_text(daemon.path(role)) == f"{number}\nfrom the event\n"
    assert kept_by(daemon.pid_of("taker"), gift) == [number]


def test_nothing_else_is_inherited(daemon, connection, gift):
    """Neither by the job nor by one that starts while the event is under way."""
    daemon.job("taker", f"start on take-it\ntask\nexec {LIST}\n")
    daemon.job("scripted", f"start on take-it\ntask\nscript\n  {LIST}\n  :\nend script\n")
    daemon.job("other", f"start on starting taker\ntask\nexec {LIST}\n")
    connection.emit_with_file("take-it", gift.fileno())
    for job in ("taker", "scripted", "other"):
        daemon.wait_log(job, "3")
        wait_until(lambda: daemon.state(job) == "stop/waiting", "the task to end")
    taker = daemon.log("taker").split()
    assert taker[:4] == ["0", "1", "2", "3"] and len(taker) == 5 and int(taker[4]) >= 10
    assert daemon.log("scripted").split() == taker
    assert daemon.log("other").split() == ["0", "1", "2", "3"]


def test_is_kept_for_respawns_and_closed_at_the_end(daemon, connection, gift):
    daemon.job("taker", "start on take-it\nrespawn\nexec sleep 1000\n")
    connection.emit_with_file("take-it", gift.fileno())
    daemon.wait_status("taker", "start/running")
    (number,) = kept_by_manager(daemon, gift)
    old = daemon.pid_of("taker")
    os.kill(old, 9)
    new = wait_until(lambda: (pid := daemon.pid_of("taker")) != old and pid, "a new process")
    wait_until(lambda: processes.command_of(new) == ["sleep", "1000"], "the program to run")
    assert kept_by(new, gift) == [number]
    assert processes.environment_of(new)["UPSTART_FDS"] == str(number)
    daemon.succeed("stop", "taker")
    wait_released(daemon, gift)


def test_a_start_by_command_is_without(daemon, connection, gift):
    daemon.job("taker", "start on take-it\nexec sleep 1000\n")
    connection.emit_with_file("take-it", gift.fileno())
    daemon.wait_status("taker", "start/running")
    daemon.succeed("restart", "taker")
    pid = daemon.pid_of("taker")
    assert kept_by(pid, gift) == []
    assert "UPSTART_FDS" not in processes.environment_of(pid)
    wait_released(daemon, gift)


def test_an_event_that_starts_nothing_keeps_nothing(daemon, connection, gift):
    connection.emit_with_file("nobody-cares", gift.fileno())
    wait_released(daemon, gift)
    with pytest.raises(DBusError) as refusal:
        connection.emit_with_file("", gift.fileno())
    assert refusal.value.message == "Name may not be empty string"
    with pytest.raises(DBusError):
        connection.emit_with_file("e", gift.fileno(), "no-value")
    wait_released(daemon, gift)


def test_files_of_several_events(daemon, connection, gift):
    daemon.job("taker", "start on (first and second) or third\nexec sleep 1000\n")
    connection.emit_with_file("first", gift.fileno(), wait=False)
    connection.emit_with_file("second", gift.fileno())
    daemon.wait_status("taker", "start/running")
    pid = daemon.pid_of("taker")
    numbers = processes.environment_of(pid)["UPSTART_FDS"].split(" ")
    assert len(numbers) == 2
    assert sorted(kept_by(pid, gift)) == sorted(int(one) for one in numbers)


def test_many_files_one_job_each(daemon, connection, gift):
    """No number of them meets those that a script, a log or a report uses."""
    daemon.job("taker", """\
        start on take-it
        instance $N
        script
          cat /proc/self/fd/$UPSTART_FDS > /dev/null
          echo "has $UPSTART_FDS"
          exec sleep 1000
        end script
        """)
    for number in range(20):
        connection.emit_with_file("take-it", gift.fileno(), f"N={number}")
    assert len(set(kept_by_manager(daemon, gift))) == 20
    for number in range(20):
        log = daemon.wait_log(f"taker-{number}", "has")
        (own,) = kept_by(daemon.pid_of("taker", f"N={number}"), gift)
        assert log.split() == ["has", str(own)] and own >= 10


def test_only_so_many_are_kept(daemon, connection, gift):
    daemon.job("hold", "start on starting taker\ntask\nexec sleep 1000\n")
    daemon.job("taker", "start on take-it\ninstance $N\nexec sleep 1000\n")
    with pytest.raises(DBusError) as refusal:
        for number in range(1000):
            connection.emit_with_file("take-it", gift.fileno(), f"N={number}", wait=False)
    assert refusal.value.name == "org.freedesktop.DBus.Error.LimitsExceeded"
    assert refusal.value.message == "No more than 256 files of events can be kept at a time"
    # That of the refused call goes with its message, after the reply.
    wait_until(lambda: len(kept_by_manager(daemon, gift)) == 256, "256 files to be kept")
    assert daemon.run("initctl", "version").code == 0


def test_files_that_a_call_has_no_use_for_are_not_kept(daemon, connection, gift):
    """A client may attach them to anything, and wait."""
    daemon.job("endless", "start on wait-for-me\ntask\nexec sleep 1000\n")
    connection.ask(MANAGER_PATH, MANAGER, "EmitEvent", "sasb", "wait-for-me", [], True,
                    files=[gift.fileno()] * 100)
    connection.ask(MANAGER_PATH, MANAGER, "EmitEventWithFile", "sasbh", "wait-for-me", [], True,
                    7, files=[gift.fileno()] * 100)
    daemon.wait_status("endless", "start/running")
    connection.version()
    wait_until(lambda: len(kept_by_manager(daemon, gift)) <= 1, "all but one to be closed")


def test_a_file_that_is_missing(daemon, connection):
    with pytest.raises((DBusError, ConnectionError)):
        connection.manager("EmitEventWithFile", "sasbh", "e", [], False, 0)
    assert daemon.run("initctl", "version").code == 0
