"""Hostile and broken input: a clear message, nothing hangs, other jobs live on."""
import os
import random
import socket
import stat

import pytest

import processes
from processes import wait_until
from upkeep import Pid1, UserDaemon, need_root, need_user, write_file

SERVICE = "exec sleep 1000\n"
QUICK = 5  # seconds in which any command has to answer, whatever else is going on


@pytest.fixture
def good(daemon):
    """A daemon whose job `good` runs, and has to go on running untouched to the end of the test."""
    daemon.job("good", SERVICE)
    daemon.succeed("start", "good")
    pid = daemon.pid_of("good")
    yield daemon
    assert_unharmed(daemon, pid)


def assert_unharmed(daemon, pid):
    assert daemon.run("status", "good", timeout=QUICK) == (
        0, f"good start/running, process {pid}\n", "")
    daemon.job("after", SERVICE)
    assert daemon.run("start", "after", timeout=QUICK).code == 0
    assert daemon.run("stop", "after", timeout=QUICK).code == 0
    assert processes.is_running(pid)


def unknown(daemon, name):
    return daemon.run("status", name, timeout=QUICK) == (1, "", f"status: Unknown job: {name}\n")


def assert_refused(daemon, name, text, message):
    """Writes NAME.conf; the daemon has to say `message` (a regex after the path) and refuse it."""
    path = daemon.conf(name + ".conf")
    write_file(path, text)
    daemon.wait_message(rf"{path}:{message}")
    assert unknown(daemon, name)


# Job files

@pytest.mark.parametrize("text, place", [
    ("exec sleep 1000\nbogus stanza\n", "2:1"),
    ("description 'never closed\n", r"\d+:\d+"),
    ("start on (a and\n", r"\d+:\d+"),
    ("script\necho no end\n", r"\d+:\d+"),
    ("respawn\n  kill timeout soon\n", "2:16"),
    ("console nowhere\n", "1:9"),
    ("exec\n", r"1:\d+"),
], ids=["stanza", "quote", "parenthesis", "script", "number", "choice", "missing"])
def test_syntax_error(good, text, place):
    assert_refused(good, "bad", text, rf"{place}: \S+")


def test_one_broken_file_among_many_at_start():
    daemon = UserDaemon()
    daemon.job("bad", "bogus\n")
    daemon.job("good", SERVICE)
    daemon.job("other", SERVICE)
    with daemon:
        daemon.wait_message(rf"{daemon.conf('bad.conf')}:1:1: ")
        assert sorted(daemon.succeed("initctl", "list").splitlines()) == [
            "good stop/waiting", "other stop/waiting"]


def test_unreadable_file():
    need_root()
    need_user("nobody")
    daemon = UserDaemon(user="nobody")
    daemon.job("good", SERVICE)
    write_file(daemon.conf("secret.conf"), SERVICE, mode=0o600)
    with daemon:
        daemon.wait_message(rf"{daemon.conf('secret.conf')}: .*Permission denied")
        assert unknown(daemon, "secret")
        daemon.succeed("start", "good")
        assert daemon.state("good") == "start/running"


def test_unreadable_file_made_readable():
    need_root()
    need_user("nobody")
    daemon = UserDaemon(user="nobody")
    write_file(daemon.conf("secret.conf"), SERVICE, mode=0o600)
    with daemon:
        assert unknown(daemon, "secret")
        os.chmod(daemon.conf("secret.conf"), 0o644)
        daemon.succeed("initctl", "reload-configuration")
        assert daemon.state("secret") == "stop/waiting"


def test_large_file(good):
    """10 MB, which is no job file: refused with a message, not read into memory first."""
    path = good.conf("large.conf")
    write_file(path, b"# filler\n" * (10 * 1024 * 1024 // 9) + b"exec sleep 1000\n")
    good.wait_message(rf"{path}:.*(large|big|bytes)")
    assert unknown(good, "large")


def test_long_line(good):
    """A command of 1 MB parses, and fails only when it is run."""
    good.job("long", "exec /bin/echo " + "x" * (1 << 20) + "\n")
    answer = good.run("start", "long", timeout=QUICK)
    assert (answer.code, answer.err) == (1, "start: Job failed to start\n")
    assert "Argument list too long" in good.wait_message("long.*")


@pytest.mark.parametrize("seed", range(4))
def test_binary_junk(good, seed):
    junk = random.Random(seed).randbytes(64 * 1024)
    assert_refused(good, "junk", junk, r"\d+:\d+: \S+")


def test_nul_byte(good):
    assert_refused(good, "nul", b"exec sleep 1000\ndescription 'a\0b'\n", r"2:\d+: \S+")


def test_deep_nesting(good):
    text = "start on " + "(" * 100_000 + "a" + ")" * 100_000 + "\n" + SERVICE
    assert_refused(good, "deep", text, r"1:\d+: \S+")


# What is called x.conf and is no file

def test_fifo_present_at_start():
    daemon = UserDaemon()
    os.mkfifo(daemon.conf("x.conf"))
    daemon.job("good", SERVICE)
    with daemon:
        daemon.succeed("start", "good", timeout=QUICK)
        assert unknown(daemon, "x")
        assert daemon.run("initctl", "reload-configuration", timeout=QUICK).code == 0


def test_fifo_made_while_running(good):
    os.mkfifo(good.conf("x.conf"))
    good.succeed("initctl", "reload-configuration", timeout=QUICK)
    assert unknown(good, "x")


def test_fifo_renamed_in(good):
    os.mkfifo(good.conf("x"))
    os.rename(good.conf("x"), good.conf("x.conf"))
    good.job("later", SERVICE)  # seen after the rename, so that is done with
    assert unknown(good, "x")


def test_links_to_what_is_no_file(good):
    os.symlink("/dev/zero", good.conf("zero.conf"))
    os.symlink("/dev/null", good.conf("null.conf"))
    os.symlink("/nonexistent", good.conf("dangling.conf"))
    os.symlink("loop.conf", good.conf("loop.conf"))
    good.succeed("initctl", "reload-configuration", timeout=QUICK)
    for name in ("zero", "null", "dangling", "loop"):
        assert unknown(good, name)


def test_socket_and_directory(good):
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(good.conf("s.conf"))
        os.mkdir(good.conf("d.conf"))
        good.succeed("initctl", "reload-configuration", timeout=QUICK)
        assert unknown(good, "s")
        assert unknown(good, "d")
    finally:
        listener.close()


def test_directory_that_contains_itself(good):
    os.symlink(".", good.conf("again.conf"))
    good.succeed("initctl", "reload-configuration", timeout=QUICK)
    assert good.state("good") == "start/running"


def test_names_that_are_no_text(good):
    """A name that is not UTF-8 cannot be told over D-Bus; it must not break those that can."""
    name = os.fsencode(good.confdir) + b"/\xff\xfe.conf"
    with open(name, "wb") as file:
        file.write(SERVICE.encode())
    good.succeed("initctl", "reload-configuration", timeout=QUICK)
    assert "good start/running" in good.succeed("initctl", "list")


# Jobs that cannot start: the command fails, and the daemon says which step did

@pytest.mark.parametrize("text, words", [
    ("setuid no-such-user\n" + SERVICE, ["no-such-user"]),
    ("setgid no-such-group\n" + SERVICE, ["no-such-group"]),
    ("exec /nonexistent/program\n", ["/nonexistent/program", "No such file or directory"]),
    ("exec no-such-program\n", ["no-such-program", "No such file or directory"]),
    ("chdir /nonexistent/place\n" + SERVICE, ["/nonexistent/place", "No such file or directory"]),
    ("exec /etc/passwd\n", ["/etc/passwd", "Permission denied"]),
], ids=["user", "group", "program", "in path", "chdir", "not executable"])
def test_failing_step_is_named(good, text, words):
    good.job("bad", text)
    monitor = good.monitor()
    assert good.run("start", "bad", timeout=QUICK) == (1, "", "start: Job failed to start\n")
    assert repr(monitor.wait_for("stopped", "bad")) == (
        "stopped JOB=bad INSTANCE= RESULT=failed PROCESS=main")
    line = good.wait_message(rf"\bbad\b.*{words[0]}")
    assert "main" in line
    for word in words:
        assert word in line


def test_missing_program_is_not_respawned(good):
    good.job("bad", "respawn\nexec /nonexistent/program\n")
    assert good.run("start", "bad", timeout=QUICK).code == 1
    assert good.state("bad") == "stop/waiting"


# Output that finds no place

def test_log_directory_gone(good):
    os.rmdir(good.logdir)
    said = good.path("said")
    good.job("talker", f"script\necho hello\ntouch {said}\nexec sleep 1000\nend script\n")
    good.succeed("start", "talker", timeout=QUICK)
    wait_until(lambda: os.path.exists(said), "the job to go on")
    good.succeed("stop", "talker", timeout=QUICK)


def test_log_file_that_is_a_link(good):
    """Nobody may steer the log of a job elsewhere."""
    os.symlink(good.path("target"), good.log_path("talker"))
    good.job("talker", "task\nexec echo secret\n")
    good.succeed("start", "talker", timeout=QUICK)
    good.wait_message(r"talker\.log: .*symbolic link")
    assert not os.path.exists(good.path("target"))


def test_log_file_that_is_a_fifo(good):
    os.mkfifo(good.log_path("talker"))
    good.job("talker", "task\nexec echo hello\n")
    good.succeed("start", "talker", timeout=QUICK)
    assert stat.S_ISFIFO(os.stat(good.log_path("talker")).st_mode)


def test_flood_of_output_holds_nothing_up(good):
    good.job("flood", "exec yes\n")
    good.succeed("start", "flood", timeout=QUICK)
    wait_until(lambda: len(good.log("flood")) > 1_000_000, "a megabyte in the log")
    for _ in range(20):
        assert good.run("status", "good", timeout=QUICK).code == 0
    good.succeed("stop", "flood", timeout=QUICK)


def test_full_log_disk():
    """/var/log is full: supervision goes on, and so does the log when there is room again."""
    with Pid1(log_size="256k") as pid1:
        pid1.job("good", SERVICE)
        pid1.succeed("start", "good")
        good_pid = pid1.pid_of("good")
        pid1.shell("head -c 1000000 /dev/zero > /var/log/filler || :")
        pid1.job("talker", """\
            script
              trap 'echo room again' HUP
              i=0
              while [ $i -lt 2000 ]; do echo line $i; i=$((i + 1)); done
              touch /run/wrote
              while :; do sleep 1000 & wait $! || :; done
            end script
            """)
        pid1.succeed("start", "talker", timeout=QUICK)
        wait_until(lambda: os.path.exists(pid1.file("/run/wrote")), "the job not to be held up")
        pid1.wait_message("talker.*No space left on device")
        assert pid1.run("status", "good", timeout=QUICK).out == (
            f"good start/running, process {good_pid}\n")
        pid1.shell("rm /var/log/filler")
        pid1.succeed("reload", "talker", timeout=QUICK)
        pid1.wait_log("talker", "room again")
        pid1.succeed("stop", "talker", timeout=QUICK)
        assert pid1.pid_of("good") == good_pid
