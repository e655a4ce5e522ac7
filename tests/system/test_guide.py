"""The guide's service, its file unchanged, under upkeepd as process 1: the whole first promise."""
import os
import pwd
import signal
import time

import pytest

import guide
import processes
import upkeep
from processes import wait_until
from upkeep import BIN, RELEASE_BIN, Pid1, is_sanitized

RESPAWN_LIMIT_MS = 50
RESPAWNS_MEASURED = 5


def guide_daemon(bin=None, prepare=""):
    guide.need_guide()
    daemon = Pid1(bin=bin, prepare=guide.install_commands() + "\n" + prepare)
    daemon.job("guide", guide.job_text())
    return daemon


@pytest.fixture
def served():
    """The guide's job, started by the runlevel and serving."""
    with guide_daemon() as daemon:
        assert daemon.run("initctl", "emit", "runlevel", "RUNLEVEL=2", "PREVLEVEL=N") == (0, "", "")
        wait_until(lambda: guide.fetch(daemon), "an answer over HTTP", timeout=30)
        yield daemon


def test_starts_on_the_runlevel_and_serves(served):
    master = served.pid_of("guide")
    assert served.status("guide") == f"guide start/running, process {master}\n"
    assert guide.fetch(served).endswith(f" of master {master}\n")
    assert guide.fetch(served, "/env") == "PORT=11000\n"


def test_runs_as_the_user_it_asks_for(served):
    user = pwd.getpwnam("www-data")
    pid = served.host_pid_of("guide")
    assert processes.status_field(pid, "Uid") == [str(user.pw_uid)] * 4
    assert processes.status_field(pid, "Gid") == [str(user.pw_gid)] * 4
    assert "0" not in processes.status_field(pid, "Groups")
    assert os.readlink(f"/proc/{pid}/cwd") == guide.HOME


def test_logs_to_its_file(served):
    served.wait_log("guide", "Listening at: http://127.0.0.1:11000")


def test_serves_again_after_a_crash(served):
    old = served.pid_of("guide")
    os.kill(served.host_pid(old), signal.SIGKILL)
    wait_until(lambda: served.pid_of("guide") not in (None, old), "a new master")
    new = served.pid_of("guide")
    # The old worker holds the port until it sees that its master is gone.
    wait_until(lambda: (guide.fetch(served) or "").endswith(f" of master {new}\n"),
               "an answer from the new master", timeout=40)
    assert served.pid_of("guide") == new


def test_reload_gives_new_workers(served):
    before = guide.fetch(served)
    master = served.pid_of("guide")
    assert served.run("reload", "guide") == (0, "", "")
    wait_until(lambda: guide.fetch(served) not in (None, before), "an answer of a new worker", 30)
    assert served.pid_of("guide") == master


def test_stops_on_runlevel_0(served):
    monitor = served.monitor()
    assert served.run("initctl", "emit", "runlevel", "RUNLEVEL=0", "PREVLEVEL=2") == (0, "", "")
    assert served.status("guide") == "guide stop/waiting\n"
    assert repr(monitor.wait_for("stopped", "guide")) == "stopped JOB=guide INSTANCE= RESULT=ok"

    def left():
        return [pid for pid in processes.descendants_of(served.init_pid)
                if "gunicorn" in " ".join(processes.command_of(pid))]
    wait_until(lambda: not left(), "gunicorn to be gone")
    assert guide.fetch(served) is None


def test_other_runlevels_leave_it_alone(served):
    master = served.pid_of("guide")
    served.succeed("initctl", "emit", "runlevel", "RUNLEVEL=3", "PREVLEVEL=2")
    assert served.status("guide") == f"guide start/running, process {master}\n"


def time_to_new_master(daemon):
    """ms from the SIGKILL of the master until another one executes Python for gunicorn."""
    old = daemon.host_pid_of("guide")
    init = daemon.init_pid
    known = set(processes.children_of(init))
    start = time.monotonic()
    os.kill(old, signal.SIGKILL)
    while time.monotonic() < start + 10:
        with open(f"/proc/{init}/task/{init}/children", encoding="ascii") as file:
            fresh = [int(pid) for pid in file.read().split() if int(pid) not in known]
        for pid in fresh:
            if "python" in processes.program_of(pid):
                return (time.monotonic() - start) * 1000
    raise AssertionError("no new master in 10 s")


def test_new_master_within_50_ms(record_property, capsys):
    """Measured with the release build where there is one: sanitizers cost more than the bound."""
    release = os.path.exists(os.path.join(RELEASE_BIN, "upkeepd"))
    programs = RELEASE_BIN if release else BIN
    times = []
    with guide_daemon(programs) as daemon:
        for _ in range(RESPAWNS_MEASURED):
            if daemon.state("guide") != "start/running":
                daemon.succeed("initctl", "emit", "runlevel", "RUNLEVEL=2", "PREVLEVEL=N")
            wait_until(lambda: guide.fetch(daemon), "an answer over HTTP", timeout=40)
            times.append(time_to_new_master(daemon))
            daemon.wait_status("guide", "start/running")
            # Stopped and started anew, so that neither the limit nor a busy port tells on the next.
            daemon.succeed("initctl", "emit", "runlevel", "RUNLEVEL=0", "PREVLEVEL=2")
    text = ", ".join(f"{one:.1f}" for one in sorted(times))
    record_property("respawn_ms", text)
    with capsys.disabled():
        print(f"\n  new gunicorn master after kill -9: {text} ms ({programs})")
    if is_sanitized(programs):
        pytest.skip(f"no release build; with sanitizers: {text} ms")
    assert sorted(times)[len(times) // 2] < RESPAWN_LIMIT_MS


BREAK_IT = """
rm /home/ditto/animeta/env/bin/gunicorn
printf '#!/bin/sh\\necho broken start\\nexit 1\\n' > /home/ditto/animeta/env/bin/gunicorn
chmod 755 /home/ditto/animeta/env/bin/gunicorn
"""


def test_gives_up_after_the_eleventh_start():
    with guide_daemon(prepare=BREAK_IT) as daemon:
        monitor = daemon.monitor()
        daemon.run("initctl", "emit", "--no-wait", "runlevel", "RUNLEVEL=2", "PREVLEVEL=N")
        event = monitor.wait_for("stopped", "guide", timeout=30)
        assert repr(event) == "stopped JOB=guide INSTANCE= RESULT=failed PROCESS=respawn"
        assert ("stopping JOB=guide INSTANCE= RESULT=failed PROCESS=respawn"
                in monitor.of_job("guide"))
        assert daemon.status("guide") == "guide stop/waiting\n"
        line = daemon.wait_message(r"guide gave up")
        assert "10" in line  # how often it was tried again
        daemon.wait_log("guide", "broken start\r\n" * 11)
        assert daemon.log("guide").count("broken start") == 11


def test_serves_after_it_was_mended():
    """Having given up is not for ever: the next start begins afresh."""
    with guide_daemon(prepare=BREAK_IT) as daemon:
        monitor = daemon.monitor()
        daemon.run("initctl", "emit", "--no-wait", "runlevel", "RUNLEVEL=2", "PREVLEVEL=N")
        monitor.wait_for("stopped", "guide", timeout=30)
        daemon.shell("rm /home/ditto/animeta/env/bin/gunicorn;"
                     " ln -s /usr/bin/gunicorn /home/ditto/animeta/env/bin/gunicorn")
        daemon.succeed("start", "guide")
        wait_until(lambda: guide.fetch(daemon), "an answer over HTTP", timeout=30)


def test_linked_job_file_is_noticed():
    """The guide keeps its jobs at home and links them into /etc/init."""
    guide.need_guide()
    with Pid1(prepare=guide.install_commands()) as daemon:
        upkeep.write_file(daemon.file("/home/ditto/animeta/guide.conf"), guide.job_text())
        os.symlink("/home/ditto/animeta/guide.conf", daemon.conf("guide.conf"))
        wait_until(lambda: daemon.run("status", "guide").code == 0, "the link to be noticed")
        daemon.succeed("start", "guide")
        wait_until(lambda: guide.fetch(daemon), "an answer over HTTP", timeout=30)


def test_example_is_the_guides():
    """The file in examples/ is the guide's, to the letter."""
    assert guide.job_text() == (
        "start on runlevel [2345]\nstop on runlevel [016]\n\nrespawn\nsetuid www-data\n"
        "setgid www-data\nenv PORT=11000\nchdir /home/ditto/animeta\n\n"
        "exec env/bin/gunicorn animeta.wsgi --bind 127.0.0.1:$PORT --error-logfile -\n")
