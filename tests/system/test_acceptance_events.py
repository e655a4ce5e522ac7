"""Acceptance checks 5, 6 and 7 of spec/runtime.md: what events do to jobs.

test_acceptance.py has the table of all checks.
"""
import processes
from programs import SERVICE
from upkeep import read_text
from wire import MANAGER, MANAGER_PATH

FAILED = (1, "", "initctl: Event failed\n")
DONE = (0, "", "")


def traced(process, path, *names):
    """A process that adds a line to the file: its name, then the variables that it has of these."""
    words = " ".join(f"{name}=${{{name}-none}}" for name in names)
    return f"{process} exec sh -c 'echo {process} {words} >> {path}'\n"


# 5

def test_and_or_is_held_completed_reset_and_completed_by_the_other_branch(daemon):
    path = daemon.path("trace")
    daemon.job("work", "start on a and (b or c)\ntask\n"
               f"exec sh -c 'echo $UPSTART_EVENTS $N >> {path}'\n")
    connection = daemon.connection()

    def emit(name, *variables):
        return connection.ask(MANAGER_PATH, MANAGER, "EmitEvent", "sasb", name, variables, True)

    first = emit("a", "N=1")
    assert not connection.answered(first)
    assert daemon.state("work") == "stop/waiting"
    connection.answer(emit("a", "N=2"))  # there is one already: not held
    assert not connection.answered(first)
    connection.answer(emit("b"))
    connection.answer(first)
    assert read_text(path) == "a b 1\n"

    # All is reset: c alone is not enough now, and it is not b that comes second.
    second = emit("c")
    assert not connection.answered(second)
    assert daemon.state("work") == "stop/waiting"
    connection.answer(emit("a", "N=3"))
    connection.answer(second)
    assert read_text(path) == "a b 1\na c 3\n"


# 6

def test_one_event_in_both_conditions(daemon):
    """A job that runs is restarted with the new variables, one that is stopped is started."""
    path = daemon.path("trace")
    names = ("N", "FIRST", "UPSTART_EVENTS", "UPSTART_STOP_EVENTS")
    daemon.job("web", "start on go\nstop on go\n" + SERVICE
               + traced("pre-start", path, *names) + traced("post-stop", path, *names))
    assert daemon.run("initctl", "emit", "go", "N=1", "FIRST=yes") == DONE
    assert daemon.state("web") == "start/running"
    pid = daemon.pid_of("web")
    assert daemon.run("initctl", "emit", "go", "N=2") == DONE
    assert daemon.state("web") == "start/running"
    assert daemon.pid_of("web") != pid
    assert not processes.is_running(pid)
    assert processes.environment_of(daemon.pid_of("web"))["N"] == "2"
    daemon.succeed("stop", "web")
    assert read_text(path).splitlines() == [
        "pre-start N=1 FIRST=yes UPSTART_EVENTS=go UPSTART_STOP_EVENTS=none",
        "post-stop N=2 FIRST=yes UPSTART_EVENTS=go UPSTART_STOP_EVENTS=go",
        "pre-start N=2 FIRST=none UPSTART_EVENTS=go UPSTART_STOP_EVENTS=none",
        "post-stop N=2 FIRST=none UPSTART_EVENTS=go UPSTART_STOP_EVENTS=none"]


def test_one_event_in_both_conditions_of_a_job_with_pre_stop(daemon):
    """Q6: it is a restart, not a stop that is cancelled."""
    path = daemon.path("trace")
    daemon.job("web", "start on go\nstop on go\n" + SERVICE
               + traced("pre-stop", path, "N", "UPSTART_STOP_EVENTS"))
    assert daemon.run("initctl", "emit", "go", "N=1") == DONE
    pid = daemon.pid_of("web")
    assert daemon.run("initctl", "emit", "go", "N=2") == DONE
    assert daemon.state("web") == "start/running"
    assert daemon.pid_of("web") != pid
    assert read_text(path) == "pre-stop N=2 UPSTART_STOP_EVENTS=go\n"


# 7

def test_a_failing_hook_stops_nobody_and_is_told(daemon):
    path = daemon.path("trace")
    daemon.job("db", "env COLOUR=red\nexport COLOUR\n" + SERVICE)
    daemon.job("hook", "start on starting db or stopping db\ntask\nexec sh -c 'exit 3'\n")
    daemon.job("listener", "start on starting/failed COLOUR=red or stopping/failed COLOUR=red\n"
               "instance $UPSTART_EVENTS\ntask\n"
               f"exec sh -c 'echo $UPSTART_EVENTS $JOB >> {path}; exit 1'\n")
    monitor = daemon.monitor()
    assert daemon.succeed("start", "db") == f"db start/running, process {daemon.pid_of('db')}\n"
    assert daemon.succeed("stop", "db") == "db stop/waiting\n"
    assert daemon.run("initctl", "emit", "starting", "JOB=db", "X=1") == FAILED
    # An event is announced when the tasks that it has started are done.
    monitor.wait(lambda event: event.name == "starting/failed" and "X" in event.env)
    for event in ("starting/failed", "stopping/failed"):
        monitor.wait(lambda one, event=event: one.name == event and "COLOUR" in one.env)

    db = sorted(monitor.of_job("db"))
    assert db == sorted([
        "starting JOB=db INSTANCE= COLOUR=red", "starting/failed JOB=db INSTANCE= COLOUR=red",
        "started JOB=db INSTANCE= COLOUR=red",
        "stopping JOB=db INSTANCE= RESULT=ok COLOUR=red",
        "stopping/failed JOB=db INSTANCE= RESULT=ok COLOUR=red",
        "stopped JOB=db INSTANCE= RESULT=ok COLOUR=red",
        "starting JOB=db X=1", "starting/failed JOB=db X=1"])
    assert sorted(read_text(path).splitlines()) == ["starting/failed db", "stopping/failed db"]
    # A "/failed" event that fails gives no further one.
    assert not any("failed/failed" in event.name for event in monitor.events)
