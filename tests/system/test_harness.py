"""The harness itself, with stand-ins for the daemon: what it reports must be true."""
import os
import subprocess
import sys

import pytest

import processes
import upkeep
from wire import Reader, Writer, split_signature


def test_wire_values_come_back():
    values = [("s", "täst"), ("as", ["A=1", ""]), ("a(si)", [("main", 412), ("post-stop", -1)]),
              ("y", 7), ("b", 1), ("v", ("u", 5)), ("x", -9), ("aas", [["/AND"], []])]
    writer = Writer()
    for kind, value in values:
        writer.put(kind, value)
    reader = Reader(bytes(writer.data))
    for kind, value in values:
        assert reader.take(kind) == (value[1] if kind == "v" else value)
    assert reader.place == len(writer.data)


def test_signatures_are_split():
    assert split_signature("sa(yv)asaasu") == ["s", "a(yv)", "as", "aas", "u"]


def test_wait_until_fails_with_the_reason():
    with pytest.raises(AssertionError, match="waited 0.05 s for a miracle"):
        processes.wait_until(lambda: False, "a miracle", timeout=0.05)


def test_orphans_are_ended_whole():
    script = "import os,time\nif os.fork() == 0:\n os.setsid()\n os.fork()\n time.sleep(1000)\n"
    subprocess.run([sys.executable, "-c", script], check=True)
    processes.wait_until(lambda: len(processes.descendants_of(os.getpid())) == 2, "both orphans")
    ended = {pid for pid, _ in processes.end_orphans(set())}
    assert len(ended) == 2
    assert not any(processes.is_running(pid) for pid in ended)


def test_known_children_are_left_alone():
    child = subprocess.Popen(["sleep", "1000"])
    try:
        assert processes.end_orphans({child.pid}) == []
        assert processes.is_running(child.pid)
    finally:
        child.kill()
        child.wait()


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A folder with a shell script for each program; `upkeepd` only waits."""
    for name in upkeep.PROGRAMS:
        path = tmp_path / name
        path.write_text('#!/bin/sh\necho "$(basename "$0") $*"\n')
        path.chmod(0o755)
    (tmp_path / "upkeepd").write_text(
        "#!/bin/sh\necho one message >&2\ntrap 'exit 0' TERM\n"
        "while :; do sleep 1000 & wait $!; done\n")
    tmp_path.chmod(0o755)
    return str(tmp_path)


def test_user_daemon_starts_and_ends(stand_in):
    with upkeep.UserDaemon(bin=stand_in) as daemon:
        daemon.wait_message("one message")
        assert daemon.run("start", "web", "A=1") == (0, "start web A=1\n", "")
        directory = daemon.directory
        below = processes.wait_until(lambda: processes.descendants_of(daemon.process.pid), "sleep")
    assert not os.path.exists(directory)
    assert not any(processes.is_running(pid) for pid in below)


def test_sanitizer_reports_fail_the_test(stand_in):
    with pytest.raises(pytest.fail.Exception, match="sanitizer"):
        with upkeep.UserDaemon(bin=stand_in) as daemon:
            with open(os.path.join(daemon.reports, "sanitizer.1"), "w", encoding="utf-8") as file:
                file.write("AddressSanitizer: heap-use-after-free\n")


def test_a_daemon_that_ends_by_itself_fails_the_test(stand_in):
    with pytest.raises(pytest.fail.Exception, match="ended by itself"):
        with upkeep.UserDaemon(bin=stand_in) as daemon:
            daemon.process.kill()
            daemon.process.wait()


def test_namespaces_are_private(stand_in):
    with upkeep.Pid1(bin=stand_in, prepare="mkdir -p /home/ditto; echo x > /etc/upkeep-mark") as pid1:
        assert processes.status_field(pid1.init_pid, "NSpid")[-1] == "1"
        assert pid1.shell("ls -d /home/ditto /var/log/upstart; cat /etc/upkeep-mark") == (
            "/home/ditto\n/var/log/upstart\nx\n")
        pid1.shell("echo '<4>init: hello' > /dev/kmsg; echo on the console > /dev/console")
        pid1.wait_message("init: hello")
        pid1.wait_message("on the console")
        upkeep.write_file(pid1.conf("a.conf"), "")
        assert pid1.shell("ls /etc/init") == "a.conf\n"
        assert pid1.host_pid(1) == pid1.init_pid
        assert "127.0.0.1" in pid1.shell("ip address show dev lo")
        assert pid1.run("status", "web").out == "status web\n"
    assert not os.path.exists("/home/ditto")
    assert not os.path.exists("/etc/upkeep-mark")
    with open("/proc/mounts", encoding="utf-8") as mounts:
        assert pid1.directory not in mounts.read()


def test_supervisor_below_another_init(stand_in):
    with upkeep.SystemDaemon(bin=stand_in) as system:
        assert processes.status_field(system.init_pid, "NSpid")[-1] == "1"
        assert system.run("initctl", "list").code == 0


# The closing line of ./run-tests

CTEST = """<testsuite>
  <testcase name="a" classname="a" status="run"><system-out/></testcase>
  <testcase name="b" classname="b" status="notrun"><skipped message="SKIP_RETURN_CODE=77"/></testcase>
  {more}
</testsuite>"""
PYTEST = """<testsuites><testsuite>
  <testcase classname="x" name="one"/>
  <testcase classname="x" name="two"><skipped message="needs root"/></testcase>
  {more}
</testsuite></testsuites>"""


def count(directory, ctest="", pytest_="", statuses=(0, 0)):
    arguments = []
    for tool, report, more, status in (("ctest", CTEST, ctest, statuses[0]),
                                       ("pytest", PYTEST, pytest_, statuses[1])):
        path = directory / f"{tool}.xml"
        if more is not None:
            path.write_text(report.replace("{more}", more))
        arguments.append(f"{tool}:{status}:{path}")
    done = subprocess.run([sys.executable, os.path.join(upkeep.ROOT, "tests", "count_results.py"),
                           *arguments], text=True, capture_output=True, check=False)
    return done.returncode, done.stdout.splitlines()


def test_results_are_added_up(tmp_path):
    assert count(tmp_path) == (0, ["2 passed, 0 failed, 2 skipped"])


@pytest.mark.parametrize("case", [
    '<testcase name="c" classname="c" status="fail"><failure message=""/></testcase>',
    '<testcase name="c" classname="c" status="notrun">'
    '<skipped message="Unable to find executable"/></testcase>',
], ids=["failed", "no program"])
def test_a_failed_ctest_counts(tmp_path, case):
    assert count(tmp_path, ctest=case, statuses=(8, 0)) == (1, ["2 passed, 1 failed, 2 skipped"])


def test_a_test_that_fails_twice_counts_once(tmp_path):
    case = '<testcase classname="x" name="one"><error message="teardown"/></testcase>'
    assert count(tmp_path, pytest_=case, statuses=(0, 1)) == (1, ["1 passed, 1 failed, 2 skipped"])


def test_a_disabled_test_is_no_success(tmp_path):
    case = '<testcase name="c" classname="c" status="disabled"/>'
    assert count(tmp_path, ctest=case) == (0, ["2 passed, 0 failed, 3 skipped"])


def test_a_tool_without_a_report_fails_the_run(tmp_path):
    code, lines = count(tmp_path, ctest=None)
    assert code == 1
    assert "ctest left no report" in lines[0]
    assert lines[-1] == "1 passed, 0 failed, 1 skipped"


def test_a_tool_that_fails_silently_fails_the_run(tmp_path):
    code, lines = count(tmp_path, statuses=(0, 3))
    assert code == 1
    assert lines[0] == "pytest exited with status 3, though no test failed"
