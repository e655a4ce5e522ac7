"""The stanza `tmpfiles`, with the real systemd-tmpfiles: what it makes is there before pre-start."""
import os
import shutil
import signal
import stat
import subprocess
import textwrap

import pytest

from processes import wait_until
from upkeep import Answer, need_program, need_root, need_user, write_file


@pytest.fixture(autouse=True)
def needs_the_program():
    need_program("systemd-tmpfiles")


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def make_job(daemon, directory, mode="0755"):
    """A service `web` whose tmpfiles make `directory`, which its pre-start and main write to."""
    write_file(daemon.path("web.conf"), f"d {directory} {mode} - - -\n")
    daemon.job("web", f"""\
        tmpfiles {daemon.path('web.conf')}
        respawn
        umask 077
        pre-start exec touch {directory}/pre-start
        script
          touch {directory}/main
          exec sleep 1000
        end script
        """)


def test_directory_is_there_before_pre_start(daemon):
    directory = daemon.path("data")
    make_job(daemon, directory, "1753")
    assert daemon.run("start", "web").code == 0
    assert mode_of(directory) == 0o1753  # whatever the umask of the job
    wait_until(lambda: sorted(os.listdir(directory)) == ["main", "pre-start"], "main to run")
    assert daemon.log("web") == ""


def test_directory_is_made_again_at_each_start(daemon):
    directory = daemon.path("data")
    make_job(daemon, directory)

    def is_made_again_by(action):
        pid = daemon.pid_of("web")
        wait_until(lambda: os.path.exists(f"{directory}/main"), "main to run")
        shutil.rmtree(directory)
        action(pid)
        wait_until(lambda: os.path.exists(f"{directory}/main"), "main to run again")
        assert os.path.exists(f"{directory}/pre-start")

    daemon.succeed("start", "web")
    is_made_again_by(lambda pid: daemon.succeed("restart", "web"))
    is_made_again_by(lambda pid: os.kill(pid, signal.SIGKILL))


def test_what_is_impossible_fails_the_start(daemon):
    directory = "/proc/upkeep"
    make_job(daemon, directory)
    by_hand = subprocess.run(["systemd-tmpfiles", "--create", daemon.path("web.conf")],
                             capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    assert by_hand.returncode != 0
    monitor = daemon.monitor()
    assert daemon.run("start", "web") == Answer(1, "", "start: Job failed to start\n")
    result = f"RESULT=failed PROCESS=tmpfiles EXIT_STATUS={by_hand.returncode}"
    for event in ("stopping", "stopped"):
        assert repr(monitor.wait_for(event, "web")) == f"{event} JOB=web INSTANCE= {result}"
    wait_until(lambda: daemon.log("web").replace("\r", "") == by_hand.stderr, by_hand.stderr)
    daemon.wait_message(rf"web tmpfiles process \(\d+\) exited with status {by_hand.returncode}")
    assert daemon.status("web") == "web stop/waiting\n"


def test_without_the_program_the_job_starts(daemon):
    directory = daemon.path("data")
    write_file(daemon.path("web.conf"), f"d {directory} 0755 - - -\n")
    daemon.job("web", f"""\
        tmpfiles {daemon.path('web.conf')}
        env PATH={daemon.path('nothing')}
        pre-start exec /bin/sh -c 'echo pre-start'
        exec /bin/sleep 1000
        """)
    assert daemon.run("start", "web").code == 0
    assert daemon.wait_log("web", "pre-start") == "pre-start\r\n"
    assert daemon.state("web") == "start/running"
    assert not os.path.exists(directory)


NAMES = ("two words", "it's", "$HOME `id` $(id)", "a;b|c&d>e", "back\\slash", "*?[a]", "#x")


def test_quotes_and_blanks_in_paths(daemon):
    folder = daemon.make_directory("q'u \"o\"te $s")
    stanzas = []
    for number, name in enumerate(NAMES):
        path = os.path.join(folder, f"{name}.conf")
        write_file(path, f"d {daemon.path(f'made{number}')} 0755 - - -\n")
        # No backslash takes the meaning of a quote; the other kind of quotes does.
        quoted = path.replace("\\", "\\\\").replace('"', "\"'\"'\"")
        stanzas.append(f'"{quoted}"')
    # Several in a stanza, and several stanzas.
    daemon.job("state", f"tmpfiles {' '.join(stanzas[:4])}\ntmpfiles {' '.join(stanzas[4:])}\n")
    answer = daemon.run("start", "state")
    assert answer == Answer(0, "state start/running\n", ""), daemon.log("state")
    made = [number for number in range(len(NAMES)) if os.path.isdir(daemon.path(f"made{number}"))]
    assert made == list(range(len(NAMES)))


def test_status_and_stop_while_it_runs(daemon):
    config = daemon.path("web.conf")
    os.mkfifo(config)  # reading it waits until somebody writes
    daemon.job("web", f"tmpfiles {config}\npre-start exec touch {daemon.path('ran')}\n"
                      "exec sleep 1000\n")
    start = daemon.background("start", "web")
    daemon.wait_status("web", "start/security")
    pid = wait_until(lambda: daemon.pid_of("web", role="tmpfiles"), "the process")
    assert daemon.status("web") == f"web start/security, (tmpfiles) process {pid}\n"
    stop = daemon.background("stop", "web")
    assert daemon.finish(start) == Answer(0, f"web stop/security, (tmpfiles) process {pid}\n", "")
    with open(config, "w", encoding="utf-8"):
        pass
    assert daemon.finish(stop) == Answer(0, "web stop/waiting\n", "")
    assert not os.path.exists(daemon.path("ran"))


def test_prepares_the_system_for_a_job_of_another_user(pid1):
    need_root()
    user = need_user("daemon")
    write_file(pid1.conf("web.tmpfiles"), textwrap.dedent("""\
        d /run/web 0750 daemon root - -
        f /run/web/greeting 0440 daemon root - hello
        """))
    pid1.job("web", """\
        tmpfiles /etc/init/web.tmpfiles
        setuid daemon
        chdir /run/web
        script
          cat greeting
          id -u
          touch mine
          exec sleep 1000
        end script
        """)
    assert pid1.run("start", "web").code == 0
    text = pid1.wait_log("web", f"{user.pw_uid}\r\n")
    assert text == f"hello{user.pw_uid}\r\n"
