"""Every command's exact text and exit code (spec/control.md 2.3 to 2.6)."""
import os
import re
import signal
import subprocess
import sys

import pytest

import processes
from processes import wait_until
from programs import SERVICE, released_by
from upkeep import BIN, Answer, need_root, shared_folder

TRY = "Try `{} --help' for more information.\n"


def fails(err):
    return Answer(1, "", err)


def says(out):
    return Answer(0, out, "")


@pytest.fixture
def web(daemon):
    """A daemon with one service, not started."""
    daemon.job("web", SERVICE)
    return daemon


# A service from start to stop

def test_life_of_a_service(web):
    assert web.run("status", "web") == says("web stop/waiting\n")
    started = web.run("start", "web")
    pid = web.pid_of("web")
    assert started == says(f"web start/running, process {pid}\n")
    assert processes.command_of(pid) == ["sleep", "1000"]
    assert web.run("status", "web") == says(f"web start/running, process {pid}\n")
    assert web.run("stop", "web") == says("web stop/waiting\n")
    assert not processes.is_running(pid)
    assert web.run("status", "web") == says("web stop/waiting\n")


def test_initctl_and_its_links_say_the_same(web):
    assert web.run("initctl", "status", "web") == says("web stop/waiting\n")
    assert web.run("initctl", "start", "web").code == 0
    assert web.run("initctl", "start", "web") == fails("initctl: Job is already running: web\n")
    assert web.run("start", "web") == fails("start: Job is already running: web\n")
    assert web.run("initctl", "stop", "web") == says("web stop/waiting\n")


def test_restart_gives_a_new_process(web):
    web.succeed("start", "web")
    old = web.pid_of("web")
    answer = web.run("restart", "web")
    new = web.pid_of("web")
    assert answer == says(f"web start/running, process {new}\n")
    assert new != old
    assert not processes.is_running(old)


def test_reload_signals_the_main_process(daemon):
    daemon.job("web", """\
        script
          trap 'echo got HUP' HUP
          echo ready
          while :; do sleep 1000 & wait $! || :; done
        end script
        """)
    daemon.succeed("start", "web")
    daemon.wait_log("web", "ready")
    pid = daemon.pid_of("web")
    assert daemon.run("reload", "web") == says("")
    daemon.wait_log("web", "got HUP")
    assert daemon.pid_of("web") == pid


def test_reload_sends_the_signal_of_the_job(daemon):
    daemon.job("web", """\
        reload signal USR1
        script
          trap 'echo got USR1' USR1
          echo ready
          while :; do sleep 1000 & wait $! || :; done
        end script
        """)
    daemon.succeed("start", "web")
    daemon.wait_log("web", "ready")
    assert daemon.run("reload", "web") == says("")
    daemon.wait_log("web", "got USR1")


@pytest.mark.parametrize("command", ["stop", "restart", "reload"])
def test_what_is_not_running_has_no_instance(web, command):
    assert web.run(command, "web") == fails(f"{command}: Unknown instance: \n")


@pytest.mark.parametrize("command", ["start", "stop", "restart", "reload", "status"])
def test_unknown_job(web, command):
    assert web.run(command, "nosuch") == fails(f"{command}: Unknown job: nosuch\n")
    assert web.run("initctl", command, "nosuch") == fails("initctl: Unknown job: nosuch\n")


@pytest.mark.parametrize("command", ["start", "stop", "restart", "status"])
def test_variables_need_an_equals_sign(web, command):
    web.succeed("start", "web")
    assert web.run(command, "web", "BAR") == fails(f"{command}: Env must be KEY=VALUE pairs\n")


def test_respawn_is_seen_in_the_status(daemon):
    daemon.job("web", "respawn\n" + SERVICE)
    daemon.succeed("start", "web")
    old = daemon.pid_of("web")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: daemon.pid_of("web") not in (None, old), "a new process")
    assert daemon.state("web") == "start/running"


def test_death_without_respawn_stops_the_job(web):
    monitor = web.monitor()
    web.succeed("start", "web")
    os.kill(web.pid_of("web"), signal.SIGKILL)
    event = monitor.wait_for("stopped", "web")
    assert repr(event) == (
        "stopped JOB=web INSTANCE= RESULT=failed PROCESS=main EXIT_SIGNAL=KILL")
    assert web.run("status", "web") == says("web stop/waiting\n")


# Options of the job commands

def test_no_wait(web):
    answer = web.run("start", "--no-wait", "web")
    assert answer.code == 0 and answer.err == ""
    assert re.fullmatch(r"web start/[a-z-]+(, process \d+)?\n", answer.out)
    web.wait_status("web", "start/running")
    answer = web.run("stop", "-n", "web")
    assert answer.code == 0 and re.fullmatch(r"web stop/[a-z-]+(, process \d+)?\n", answer.out)
    web.wait_status("web", "stop/waiting")


def test_quiet_says_nothing_and_keeps_the_exit_code(web):
    assert web.run("start", "-q", "web") == says("")
    assert web.run("start", "--quiet", "web") == fails("start: Job is already running: web\n")


# Instances

@pytest.fixture
def workers(daemon):
    daemon.job("worker", "instance $WHO\nusage 'WHO=name of the worker'\n" + SERVICE)
    return daemon


def test_instances_have_their_names(workers):
    started = workers.run("start", "worker", "WHO=eu")
    pid = workers.pid_of("worker", "WHO=eu")
    assert started == says(f"worker (eu) start/running, process {pid}\n")
    assert workers.run("start", "worker", "WHO=eu") == fails(
        "start: Job is already running: worker (eu)\n")
    assert workers.run("start", "worker", "WHO=us").code == 0
    assert workers.run("status", "worker", "WHO=eu") == says(
        f"worker (eu) start/running, process {pid}\n")
    assert workers.run("stop", "worker", "WHO=us") == says("worker stop/waiting\n")
    assert workers.run("status", "worker", "WHO=us") == fails("status: Unknown instance: us\n")
    assert workers.pid_of("worker", "WHO=eu") == pid


def test_missing_variable_of_an_instance(workers):
    assert workers.run("start", "worker") == fails(
        "start: Unknown parameter: WHO\nUsage: WHO=name of the worker\n")
    assert workers.run("restart", "worker") == fails("restart: Unknown parameter: WHO\n")


def test_status_with_a_bad_default_instance(workers):
    """`status` asks GetInstance, whose error carries the usage."""
    assert workers.run("status", "worker") == fails(
        "status: Unknown parameter: WHO\nUsage: WHO=name of the worker\n")


# Tasks and failures

def test_start_waits_for_a_task(daemon):
    daemon.job("task", f"task\nexec touch {daemon.path('done')}\n")
    assert daemon.run("start", "task") == says("task stop/waiting\n")
    assert os.path.exists(daemon.path("done"))


@pytest.mark.parametrize("text", [
    "task\nexec false\n",
    "pre-start exec false\nexec sleep 1000\n",
    "exec /nonexistent/program\n",
    "chdir /nonexistent\nexec sleep 1000\n",
], ids=["task", "pre-start", "program", "chdir"])
def test_failed_start(daemon, text):
    daemon.job("bad", text)
    assert daemon.run("start", "bad") == fails("start: Job failed to start\n")
    assert daemon.run("status", "bad") == says("bad stop/waiting\n")


# The status line in each state

def test_service_without_process(daemon):
    daemon.job("pure", "description 'no process'\n")
    assert daemon.run("start", "pure") == says("pure start/running\n")
    assert daemon.run("status", "pure") == says("pure start/running\n")
    assert daemon.run("stop", "pure") == says("pure stop/waiting\n")


def test_status_in_pre_start(daemon):
    go = daemon.path("go")
    daemon.job("web", f"pre-start script\n{released_by(go)}\nend script\nexec sleep 1000\n")
    client = daemon.background("start", "web")
    daemon.wait_status("web", "start/pre-start")
    pid = daemon.pid_of("web")
    assert daemon.status("web") == f"web start/pre-start, process {pid}\n"
    open(go, "w", encoding="utf-8").close()
    assert daemon.finish(client) == says(f"web start/running, process {daemon.pid_of('web')}\n")


def test_status_in_post_start(daemon):
    go = daemon.path("go")
    daemon.job("web", f"post-start script\n{released_by(go)}\nend script\nexec sleep 1000\n")
    client = daemon.background("start", "web")
    daemon.wait_status("web", "start/post-start")
    main, hook = daemon.pid_of("web"), daemon.pid_of("web", role="post-start")
    assert daemon.status("web") == (
        f"web start/post-start, process {main}\n\tpost-start process {hook}\n")
    open(go, "w", encoding="utf-8").close()
    assert daemon.finish(client) == says(f"web start/running, process {main}\n")


def test_status_in_post_start_without_main(daemon):
    go = daemon.path("go")
    daemon.job("web", f"post-start script\n{released_by(go)}\nend script\n")
    client = daemon.background("start", "web")
    daemon.wait_status("web", "start/post-start")
    hook = daemon.pid_of("web", role="post-start")
    assert daemon.status("web") == f"web start/post-start, (post-start) process {hook}\n"
    open(go, "w", encoding="utf-8").close()
    assert daemon.finish(client) == says("web start/running\n")


def test_status_in_pre_stop(daemon):
    go = daemon.path("go")
    daemon.job("web", f"pre-stop script\n{released_by(go)}\nend script\nexec sleep 1000\n")
    daemon.succeed("start", "web")
    client = daemon.background("stop", "web")
    daemon.wait_status("web", "stop/pre-stop")
    main, hook = daemon.pid_of("web"), daemon.pid_of("web", role="pre-stop")
    assert daemon.status("web") == f"web stop/pre-stop, process {main}\n\tpre-stop process {hook}\n"
    open(go, "w", encoding="utf-8").close()
    assert daemon.finish(client) == says("web stop/waiting\n")


def test_status_in_post_stop(daemon):
    go = daemon.path("go")
    daemon.job("web", f"post-stop script\n{released_by(go)}\nend script\nexec sleep 1000\n")
    daemon.succeed("start", "web")
    client = daemon.background("stop", "web")
    daemon.wait_status("web", "stop/post-stop")
    assert daemon.status("web") == f"web stop/post-stop, process {daemon.pid_of('web')}\n"
    open(go, "w", encoding="utf-8").close()
    assert daemon.finish(client) == says("web stop/waiting\n")


def test_status_while_killed(daemon):
    """A process that ignores TERM stays until the kill timeout, and not longer."""
    daemon.job("deaf", """\
        kill timeout 2
        script
          trap '' TERM
          echo ready
          while :; do sleep 1000; done
        end script
        """)
    daemon.succeed("start", "deaf")
    daemon.wait_log("deaf", "ready")
    pid = daemon.pid_of("deaf")
    client = daemon.background("stop", "deaf")
    daemon.wait_status("deaf", "stop/killed")
    assert daemon.status("deaf") == f"deaf stop/killed, process {pid}\n"
    assert daemon.run("stop", "deaf") == fails("stop: Job has already been stopped: deaf\n")
    assert daemon.finish(client) == says("deaf stop/waiting\n")
    assert not processes.is_running(pid)


def test_status_in_spawned(daemon):
    daemon.job("slow", "expect stop\nexec sleep 1000\n")
    client = daemon.background("start", "slow")
    daemon.wait_status("slow", "start/spawned")
    pid = daemon.pid_of("slow")
    assert daemon.status("slow") == f"slow start/spawned, process {pid}\n"
    os.kill(pid, signal.SIGSTOP)
    assert daemon.finish(client) == says(f"slow start/running, process {pid}\n")


def test_list_names_every_instance(workers):
    workers.job("web", SERVICE)
    workers.job("idle", SERVICE)
    workers.succeed("start", "web")
    workers.succeed("start", "worker", "WHO=eu")
    workers.succeed("start", "worker", "WHO=us")
    lines = sorted(workers.succeed("initctl", "list").splitlines())
    assert lines == sorted([
        "idle stop/waiting",
        f"web start/running, process {workers.pid_of('web')}",
        f"worker (eu) start/running, process {workers.pid_of('worker', 'WHO=eu')}",
        f"worker (us) start/running, process {workers.pid_of('worker', 'WHO=us')}"])


def test_list_of_nothing_is_empty(daemon):
    assert daemon.run("initctl", "list") == says("")


# Commands without a job, from inside a job

def test_stop_in_pre_start_abandons_the_start(daemon):
    daemon.job("web", f"pre-start exec stop\nexec touch {daemon.path('ran')}\n")
    monitor = daemon.monitor()
    daemon.run("start", "web")
    assert repr(monitor.wait_for("stopped", "web")) == "stopped JOB=web INSTANCE= RESULT=ok"
    assert not os.path.exists(daemon.path("ran"))


def test_start_in_pre_stop_cancels_the_stop(daemon):
    daemon.job("web", "pre-stop exec start\nexec sleep 1000\n")
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    # The one who waited for the stop is released as soon as it is cancelled, maybe in pre-stop.
    assert daemon.succeed("stop", "web").startswith("web start/")
    assert daemon.wait_status("web", "start/running") == f"web start/running, process {pid}\n"


# Events

def test_emit_is_silent_and_waits(daemon):
    daemon.job("web", "start on go WHERE=here\nstop on halt\n" + SERVICE)
    assert daemon.run("initctl", "emit", "go", "WHERE=there") == says("")
    assert daemon.state("web") == "stop/waiting"
    assert daemon.run("initctl", "emit", "go", "WHERE=here") == says("")
    assert daemon.state("web") == "start/running"
    assert daemon.run("initctl", "emit", "halt") == says("")
    assert daemon.state("web") == "stop/waiting"


def test_emit_without_waiting(daemon):
    go = daemon.path("go")
    daemon.job("web", f"start on go\npre-start script\n{released_by(go)}\nend script\nexec sleep 1000\n")
    assert daemon.run("initctl", "emit", "--no-wait", "go") == says("")
    daemon.wait_status("web", "start/pre-start")
    open(go, "w", encoding="utf-8").close()
    daemon.wait_status("web", "start/running")


def test_emit_tells_of_failure(daemon):
    daemon.job("bad", "start on go\ntask\nexec false\n")
    monitor = daemon.monitor()
    assert daemon.run("initctl", "emit", "go", "A=1") == fails("initctl: Event failed\n")
    assert repr(monitor.wait_for("go/failed")) == "go/failed A=1"


def test_emit_checks_its_variables(daemon):
    assert daemon.run("initctl", "emit", "go", "A") == fails(
        "initctl: Env must be KEY=VALUE pairs\n")


def test_events_of_a_service_in_order(web):
    monitor = web.monitor()
    web.succeed("start", "web")
    web.succeed("stop", "web")
    monitor.wait_for("stopped", "web")
    assert monitor.of_job("web") == [
        "starting JOB=web INSTANCE=", "started JOB=web INSTANCE=",
        "stopping JOB=web INSTANCE= RESULT=ok", "stopped JOB=web INSTANCE= RESULT=ok"]


# The rest of initctl

def test_version(daemon):
    answer = daemon.run("initctl", "version")
    assert (answer.code, answer.err) == (0, "")
    # Package scripts take the third word and cut the parenthesis off.
    assert answer.out == "init (upstart 1.13.2)\n"


@pytest.mark.parametrize("program", ["initctl", "status"])
def test_version_option(daemon, program):
    answer = daemon.run(program, "--version")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[0] == f"{program} (upstart 1.13.2)"


def test_log_priority(daemon):
    assert daemon.run("initctl", "log-priority") == says("message\n")
    assert daemon.run("initctl", "log-priority", "debug") == says("")
    assert daemon.run("initctl", "log-priority") == says("debug\n")
    assert daemon.run("initctl", "log-priority", "loud") == fails(
        "initctl: The log priority given was not recognised\n")


def test_usage(workers):
    workers.job("web", SERVICE)
    assert workers.run("initctl", "usage", "worker") == says("Usage: WHO=name of the worker\n")
    assert workers.run("initctl", "usage", "web") == says("Usage: \n")


def test_show_config(daemon):
    daemon.job("plain", SERVICE)
    daemon.job("web", """\
        import DEVICE NAME
        stop on down
        emits web-up
        start on stopped db RESULT=ok or (up and net)
        tmpfiles web.conf
        emits web-down
        import SEAT
        """)
    head = "web\n  emits web-up\n  emits web-down\n  import DEVICE\n  import NAME\n  import SEAT\n"
    web = f"{head}  start on (stopped db RESULT=ok or (up and net))\n  stop on down\n"
    assert daemon.run("initctl", "show-config", "web") == says(web)
    assert daemon.run("initctl", "show-config") == says("plain\n" + web)
    assert daemon.run("initctl", "show-config", "-e", "web") == says(
        head + "  start on stopped (job: db, env: RESULT=ok)\n  start on up (job:, env:)\n"
        "  start on net (job:, env:)\n  stop on down (job:, env:)\n")
    assert daemon.run("initctl", "check-config", "plain") == says("")
    assert daemon.run("initctl", "show-config", "nosuch") == fails(
        "initctl: Unknown job: nosuch\n")


def test_reload_configuration_is_silent(daemon):
    assert daemon.run("initctl", "reload-configuration") == says("")


def test_help_lists_the_commands(daemon):
    answer = daemon.run("initctl", "help")
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    for heading in ("Job commands:", "Event commands:", "Other commands:"):
        assert heading in lines
    commands = {match[1] for match in (re.match(r"  ([a-z-]+)", line) for line in lines) if match}
    assert commands >= {"start", "stop", "restart", "reload", "status", "list", "emit",
                        "reload-configuration", "version", "log-priority"}


def test_help_option_names_the_options(daemon):
    answer = daemon.run("initctl", "--help")
    assert answer.code == 0 and "--user" in answer.out
    done = subprocess.run([os.path.join(BIN, "upkeepd"), "--help"], text=True, capture_output=True,
                          timeout=20, check=False)
    assert done.returncode == 0
    assert "--user" in done.stdout and "--no-startup-event" in done.stdout


# Usage errors

@pytest.mark.parametrize("words, problem", [
    (["initctl"], "missing command"),
    (["initctl", "dance"], "invalid command: dance"),
    (["initctl", "--dance"], "invalid option: --dance"),
    (["initctl", "-Z"], "invalid option: -Z"),
    (["initctl", "list", "--dance"], "invalid option: --dance"),
    (["initctl", "--dest"], "missing argument: --dest"),
    (["initctl", "--quiet=yes", "list"], "unexpected argument: --quiet=yes"),
    (["initctl", "emit"], "missing event name"),
    (["initctl", "start"], "missing job name"),
    (["start"], "missing job name"),
    (["stop"], "missing job name"),
    (["restart"], "missing job name"),
    (["reload"], "missing job name"),
    (["status"], "missing job name"),
    (["start", "--dance", "web"], "invalid option: --dance"),
    (["status", "--no-wait", "web"], "invalid option: --no-wait"),
], ids=" ".join)
def test_usage_errors(daemon, words, problem):
    assert daemon.run(*words) == fails(f"{words[0]}: {problem}\n" + TRY.format(words[0]))


def test_user_mode_without_a_session(daemon):
    assert daemon.run("initctl", "--user", "list", env={"UPSTART_SESSION": None}) == fails(
        "initctl: UPSTART_SESSION isn't set in the environment. "
        "Unable to locate the Upstart instance.\n")


def test_nobody_answers(daemon):
    nowhere = "unix:abstract=/com/ubuntu/upstart-session/0/0"
    answer = daemon.run("initctl", "list", env={"UPSTART_SESSION": nowhere})
    assert (answer.code, answer.out) == (1, "")
    assert re.fullmatch(r"initctl: Unable to connect to Upstart: .+\n", answer.err)


def test_dest_needs_a_bus(daemon):
    need_root()
    answer = daemon.run("initctl", "--dest=org.example", "list", env={"UPSTART_SESSION": None})
    assert answer == fails("initctl: --dest given without --system\n" + TRY.format("initctl"))


# Recorded behaviour of the original

def test_recorded_scenarios(tmp_path):
    """Group `basic` of the recorded scenarios that are kept beside the repository."""
    shared = shared_folder()
    runner = os.path.join(shared or "", "conformance", "run.py")
    if not shared or not os.path.exists(runner):
        pytest.skip("the recorded scenarios are not here (../shared or UPKEEP_SHARED)")
    done = subprocess.run(
        [sys.executable, "-B", runner, "--init", os.path.join(BIN, "upkeepd"),
         "--initctl", os.path.join(BIN, "initctl"), "--group", "basic"],
        text=True, capture_output=True, timeout=900, check=False, cwd=tmp_path,
        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    print(done.stdout[-20000:], done.stderr[-5000:])
    assert done.returncode == 0
    assert re.search(r"^[1-9]\d* passed, 0 failed", done.stdout, re.MULTILINE)
