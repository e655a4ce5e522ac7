"""The three roles of upkeepd: a user's session, a supervisor below another init, and PID 1."""
import os
import re
import signal
import subprocess

import pytest

import processes
from processes import wait_until
from upkeep import (BIN, SYSTEM_ADDRESS, Pid1, SystemDaemon, UserDaemon, need_program, need_root,
                    need_user, read_text, write_file)

SERVICE = "exec sleep 1000\n"


# --user

def session_file(daemon):
    return os.path.join(daemon.runtime, "upstart", "sessions", f"{daemon.process.pid}.session")


def test_session_file(daemon):
    assert read_text(session_file(daemon)) == f"UPSTART_SESSION={daemon.address()}\n"
    for directory in ("upstart", "upstart/sessions"):
        assert os.stat(os.path.join(daemon.runtime, directory)).st_mode & 0o777 == 0o700


def test_end_of_a_session(daemon):
    daemon.job("web", SERVICE)
    daemon.job("bye", f"start on session-end\ntask\nexec touch {daemon.path('bye')}\n")
    daemon.succeed("start", "web")
    pid, path = daemon.pid_of("web"), session_file(daemon)
    assert daemon.terminate() == 0
    assert not processes.is_running(pid)
    assert not os.path.exists(path)


def test_session_jobs_know_their_session(daemon):
    daemon.job("web", SERVICE)
    daemon.succeed("start", "web")
    environment = processes.environment_of(daemon.pid_of("web"))
    assert environment["UPSTART_SESSION"] == daemon.address()
    assert environment["UPSTART_JOB"] == "web"
    assert environment["UPSTART_INSTANCE"] == ""
    assert environment["HOME"] == daemon.directory


def test_sessions_do_not_see_each_other():
    with UserDaemon() as one, UserDaemon() as other:
        one.job("web", SERVICE)
        one.succeed("start", "web")
        assert other.run("status", "web").code == 1
        assert one.address() != other.address()


def test_session_of_an_ordinary_user():
    need_root()
    user = need_user("nobody")
    with UserDaemon(user="nobody") as daemon:
        daemon.job("web", "exec sh -c 'id -u; exec sleep 1000'\n")
        daemon.succeed("start", "web")
        daemon.wait_log("web", str(user.pw_uid))
        assert daemon.state("web") == "start/running"


def test_startup_event_can_be_renamed():
    daemon = UserDaemon("--startup-event", "dawn", startup_event=True)
    daemon.job("early", "start on dawn\n" + SERVICE)
    daemon.job("never", "start on startup\n" + SERVICE)
    with daemon:
        daemon.wait_status("early", "start/running")
        assert daemon.state("never") == "stop/waiting"


def test_no_startup_event(daemon):
    daemon.job("early", "start on startup\n" + SERVICE)
    assert daemon.state("early") == "stop/waiting"


def test_no_log():
    with UserDaemon("--no-log") as daemon:
        daemon.job("talker", "task\nexec echo hello\n")
        daemon.succeed("start", "talker")
        assert os.listdir(daemon.logdir) == []


def test_default_console():
    with UserDaemon("--default-console", "none") as daemon:
        daemon.job("quiet", "task\nexec echo hello\n")
        daemon.job("talker", "console log\ntask\nexec echo hello\n")
        daemon.succeed("start", "quiet")
        daemon.succeed("start", "talker")
        assert daemon.wait_log("talker", "hello\r\n") == "hello\r\n"
        assert os.listdir(daemon.logdir) == ["talker.log"]


def test_sighup_reloads():
    """The folder comes after the daemon, so that only a reload can find the job."""
    daemon = UserDaemon()
    os.rmdir(daemon.confdir)
    with daemon:
        os.mkdir(daemon.confdir)
        write_file(daemon.conf("web.conf"), SERVICE)
        os.kill(daemon.process.pid, signal.SIGHUP)
        wait_until(lambda: daemon.state("web") == "stop/waiting", "the job to be known")


# --system

def test_supervisor_below_another_init(system_daemon):
    daemon = system_daemon
    assert processes.status_field(daemon.daemon_pid(), "NSpid")[-1] != "1"
    daemon.job("web", SERVICE)
    daemon.succeed("start", "web")
    pid = daemon.host_pid_of("web")
    environment = processes.environment_of(pid)
    assert "UPSTART_SESSION" not in environment
    assert environment["UPSTART_JOB"] == "web"
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert SYSTEM_ADDRESS.removeprefix("unix:abstract=") in daemon.shell("cat /proc/net/unix")
    assert daemon.succeed("stop", "web") == "web stop/waiting\n"


def test_supervisor_takes_orphans(system_daemon):
    """A child of a job that lost its parent comes to the daemon, not to process 1."""
    daemon = system_daemon
    daemon.job("web", "script\n(setsid sleep 1000 &)\nexec sleep 2000\nend script\n")
    daemon.succeed("start", "web")

    def orphan():
        return [pid for pid in processes.children_of(daemon.daemon_pid())
                if processes.command_of(pid) == ["sleep", "1000"]]
    wait_until(orphan, "the orphan to be a child of the daemon")


def test_supervisor_emits_startup():
    daemon = SystemDaemon(startup_event=True)
    daemon.job("early", "start on startup\n" + SERVICE)
    with daemon:
        daemon.wait_status("early", "start/running")


def test_supervisor_needs_root():
    need_root()
    user = need_user("nobody")
    with UserDaemon(user="nobody") as daemon:  # for programs that nobody can reach
        done = subprocess.run([os.path.join(daemon.bin, "upkeepd"), "--system"], text=True,
                              capture_output=True, timeout=20, check=False, user=user.pw_uid,
                              group=user.pw_gid, extra_groups=[], env=daemon.environment())
    assert done.returncode == 1
    assert "need to be root" in done.stderr


def test_system_without_a_role_is_refused():
    """Neither PID 1 nor told what to be: a hint, not a second init."""
    need_root()
    done = subprocess.run([os.path.join(BIN, "upkeepd"), "--no-dbus"], text=True,
                          capture_output=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "--user" in done.stderr and "--system" in done.stderr


# PID 1

@pytest.mark.parametrize("options", [["--default-console=nonsense"], ["--confdir"]])
def test_process_1_starts_whatever_its_options_are(options):
    """An init that ends takes the machine with it."""
    pid1 = Pid1()
    pid1.options = options  # the last words of the command line
    with pid1:
        assert pid1.succeed("initctl", "version") == "init (upstart 1.13.2)\n"
        pid1.wait_message("all options are ignored")


def test_pid1_runs_startup():
    pid1 = Pid1(startup_event=True)
    pid1.job("early", "start on startup\n" + SERVICE)
    pid1.job("next", "start on started early\ntask\nexec touch /run/next\n")
    with pid1:
        pid1.wait_status("early", "start/running")
        wait_until(lambda: os.path.exists(pid1.file("/run/next")), "the chained task")
        assert processes.status_field(pid1.init_pid, "NSpid")[-1] == "1"
        environment = processes.environment_of(pid1.host_pid_of("early"))
        assert environment["PATH"] == (
            "/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin")
        assert "UPSTART_SESSION" not in environment


def test_pid1_reaps_orphans(pid1):
    pid1.shell("for i in 1 2 3 4 5; do (setsid sleep 0.01 &); done")

    def left():
        return [pid for pid in processes.descendants_of(pid1.init_pid)
                if not processes.is_running(pid)]
    wait_until(lambda: not left(), "the orphans to be reaped")


def test_pid1_is_not_ended_from_inside(pid1):
    """The kernel shields PID 1 from signals without a handler, not from those with one."""
    pid1.job("web", SERVICE)
    pid1.succeed("start", "web")
    pid = pid1.pid_of("web")
    pid1.shell("kill -HUP 1; kill -ALRM 1; kill -CHLD 1; kill -KILL 1")
    assert pid1.status("web") == f"web start/running, process {pid}\n"


def test_pid1_logs_a_job(pid1):
    pid1.job("talker", "task\nexec echo hello\n")
    pid1.succeed("start", "talker")
    pid1.wait_log("talker", "hello\r\n")
    assert os.stat(pid1.log_path("talker")).st_mode & 0o777 == 0o640


def test_pid1_says_ctrl_alt_delete(pid1):
    monitor = pid1.monitor()
    os.kill(pid1.init_pid, signal.SIGINT)
    assert repr(monitor.wait_for("control-alt-delete")) == "control-alt-delete"


def test_pid1_in_a_container_speaks_on_standard_error(pid1):
    """Whoever runs the container reads it there; the kernel's log belongs to the host."""
    write_file(pid1.conf("bad.conf"), "bogus\n")
    line = pid1.wait_message(r"bad\.conf:1:1: ")
    assert re.match(r"init:/etc/init/bad\.conf:1:1: \S+", line)
    assert read_text(pid1.path("kmsg")) == ""


REAL_CONSOLE = """
mknod /dev/real-console c 5 1
if (: > /dev/real-console) 2>/dev/null; then exec 2>/dev/real-console; fi
"""


def test_pid1_with_a_console_speaks_in_the_kernels_log():
    with Pid1(prepare=REAL_CONSOLE) as pid1:
        if os.readlink(f"/proc/{pid1.init_pid}/fd/2") != "/dev/null":
            pytest.skip("the console of this machine cannot be opened")
        write_file(pid1.conf("bad.conf"), "bogus\n")
        wait_until(lambda: read_text(pid1.path("kmsg")), "a message in the kernel's log")
        assert re.match(r"<3>init: ?/etc/init/bad\.conf:1:1: \S+", read_text(pid1.path("kmsg")))


def test_an_alarm_is_nothing(daemon):
    """Signals without a meaning here (spec/runtime.md 6.4) end nothing."""
    daemon.process.send_signal(signal.SIGALRM)
    daemon.job("after", "exec sleep 1000\n")
    daemon.succeed("start", "after")


REFUSES_SUBREAPERS = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int prctl(int option, ...) {
  if (option == PR_SET_CHILD_SUBREAPER) {
    errno = EINVAL;
    return -1;
  }
  va_list list;
  va_start(list, option);
  unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long);
  unsigned long c = va_arg(list, unsigned long), d = va_arg(list, unsigned long);
  va_end(list);
  return (int)syscall(SYS_prctl, option, a, b, c, d);
}
"""


def test_session_that_cannot_become_a_subreaper_says_so(tmp_path):
    """By the event child-subreaper-failed (runtime.md 3.10). No kernel of today refuses it, so a
    library put before the C library does."""
    need_program("cc")
    source = tmp_path / "prctl.c"
    source.write_text(REFUSES_SUBREAPERS)
    library = tmp_path / "prctl.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    link_order = {"ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
    daemon = UserDaemon(env={"LD_PRELOAD": str(library), **link_order})
    daemon.job("note", "start on child-subreaper-failed\ntask\nexec echo noted\n")
    with daemon:
        daemon.wait_log("note", "noted")
        daemon.wait_message("unable to become the reaper")
