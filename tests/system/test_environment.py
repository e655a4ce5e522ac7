"""The job environment and its commands: get-env, set-env, unset-env, list-env, reset-env
(spec/control.md 1.11, 2.7; spec/job-language.md 5.4)."""
import os
import shutil
import subprocess

import pytest

import processes
from processes import wait_until
from upkeep import Answer, UserDaemon
from wire import DBusError

SERVICE = "exec sleep 1000\n"
TRY = "Try `initctl --help' for more information.\n"
REFUSED = "Not permissible to modify PID 1 job environment"
LONGEST = 128 * 1024 - 1  # of NAME=VALUE: what the kernel takes, without the end


def fails(err):
    return Answer(1, "", err)


def says(out):
    return Answer(0, out, "")


def of_job(job, instance=""):
    """The variables by which initctl knows that it runs in a process of a job."""
    return {"UPSTART_JOB": job, "UPSTART_INSTANCE": instance}


@pytest.fixture
def bare():
    """A daemon whose jobs start with PATH and TERM only."""
    with UserDaemon("--no-inherit-env") as one:
        yield one


def started(daemon, job, *variables):
    """Starts a job; the environment of its main process."""
    daemon.succeed("start", job, *variables)
    return environment(daemon, job, *variables)


def environment(daemon, job, *variables):
    return processes.environment_of(daemon.pid_of(job, *variables))


# The table of all jobs

def test_later_processes_see_what_was_set(bare):
    bare.job("web", SERVICE)
    assert bare.run("initctl", "set-env", "A=1", "B=two words", "BARE") == says("")
    assert bare.run("initctl", "get-env", "B") == says("two words\n")
    assert bare.run("initctl", "get-env", "BARE") == says("\n")
    seen = started(bare, "web")
    assert (seen["A"], seen["B"], seen["BARE"]) == ("1", "two words", "")


def test_the_table_begins_with_path_and_term(bare):
    path = bare.environment()["PATH"]
    assert bare.run("initctl", "list-env") == says(f"PATH={path}\nTERM=dumb\n")


def test_or_with_all_of_the_daemons_environment(daemon):
    assert f"HOME={daemon.directory}\n" in daemon.succeed("initctl", "list-env")
    daemon.succeed("initctl", "set-env", "HOME=/elsewhere")
    daemon.succeed("initctl", "unset-env", "LC_ALL")
    daemon.job("web", SERVICE)
    seen = started(daemon, "web")
    assert seen["HOME"] == "/elsewhere"
    assert "LC_ALL" not in seen


def test_env_stanzas_and_start_variables_come_after(bare):
    bare.job("web", "env A=stanza\n" + SERVICE)
    bare.succeed("initctl", "set-env", "A=table", "B=table", "C=table")
    seen = started(bare, "web", "B=start")
    assert (seen["A"], seen["B"], seen["C"]) == ("stanza", "start", "table")


def test_running_instances_give_it_to_their_new_processes(bare):
    bare.job("web", f"{SERVICE}post-stop exec env -u PATH\n")
    bare.job("again", "respawn\n" + SERVICE)
    first = started(bare, "web")
    started(bare, "again")
    bare.succeed("initctl", "set-env", "LATE=yes")
    assert "LATE" not in first
    assert "LATE" not in environment(bare, "web")
    old = bare.pid_of("again")
    os.kill(old, 9)
    wait_until(lambda: bare.pid_of("again") not in (None, old), "a new process")
    wait_until(lambda: environment(bare, "again").get("LATE") == "yes", "the new variable")
    bare.succeed("stop", "web")
    assert "LATE=yes" in bare.wait_log("web", "LATE=")


def test_retain_keeps_what_is_set(bare):
    bare.succeed("initctl", "set-env", "A=1")
    assert bare.run("initctl", "set-env", "--retain", "A=2", "B=2") == says("")
    assert bare.run("initctl", "set-env", "-r", "B=3") == says("")
    assert bare.run("initctl", "get-env", "A") == says("1\n")
    assert bare.run("initctl", "get-env", "B") == says("2\n")
    assert bare.run("initctl", "set-env", "A=4") == says("")
    assert bare.run("initctl", "get-env", "A") == says("4\n")


def test_only_whole_names_are_removed(bare):
    """The original removed AAA (Q10)."""
    bare.succeed("initctl", "set-env", "AAA=1", "AAAXXX=2", "AAAXXXY=3")
    assert bare.run("initctl", "unset-env", "AAAXXX") == says("")
    assert bare.run("initctl", "get-env", "AAA") == says("1\n")
    assert bare.run("initctl", "get-env", "AAAXXXY") == says("3\n")
    assert bare.run("initctl", "get-env", "AAAXXX") == fails("initctl: No such variable: AAAXXX\n")
    assert bare.run("initctl", "unset-env", "AAA", "nosuch", "AAAXXXY") == says("")
    bare.job("web", SERVICE)
    assert not [name for name in started(bare, "web") if name.startswith("AAA")]


def test_reset_leaves_running_instances_alone(bare):
    bare.job("web", "respawn\n" + SERVICE)
    before = bare.succeed("initctl", "list-env")
    bare.succeed("initctl", "set-env", "A=1")
    bare.succeed("initctl", "unset-env", "TERM")
    started(bare, "web")
    assert bare.run("initctl", "reset-env") == says("")
    assert bare.succeed("initctl", "list-env") == before
    assert bare.run("initctl", "get-env", "A", env=of_job("web")) == says("1\n")
    bare.succeed("restart", "web")
    seen = environment(bare, "web")
    assert "A" not in seen and seen["TERM"] == "dumb"


def test_values_arrive_whole(bare):
    bare.job("web", SERVICE)
    values = {"EQUALS": "a=b==c=", "PERCENT": "%s%n%%d $HOME ${X} `id` \\n", "LINES": "1\n2\n",
              "QUOTES": "\"'", "UTF8": "grün", "SPACES": "  "}
    bare.succeed("initctl", "set-env", *[f"{name}={value}" for name, value in values.items()])
    for name, value in values.items():
        assert bare.run("initctl", "get-env", name) == says(value + "\n")
    seen = started(bare, "web")
    assert {name: seen[name] for name in values} == values


def test_the_longest_variable_can_be_used(bare):
    bare.job("web", SERVICE)
    longest = "L=" + "x" * (LONGEST - 2)
    assert bare.connection().manager("SetEnv", "assb", [], longest, True) == []
    assert "L=" + started(bare, "web")["L"] == longest
    with pytest.raises(DBusError) as refusal:
        bare.connection().manager("SetEnv", "assb", [], longest + "x", True)
    assert refusal.value.message == f"Variable may not be larger than {LONGEST} bytes"


@pytest.mark.parametrize("text", ["A=a\0b", "A=\udcff"])
def test_what_is_no_text_ends_the_connection(bare, text):
    """D-Bus forbids NUL and bytes that are not UTF-8 in strings."""
    connection = bare.connection()
    with pytest.raises((ConnectionError, DBusError)):
        connection.manager("SetEnv", "assb", [], text, True)
    assert bare.run("initctl", "get-env", "A") == fails("initctl: No such variable: A\n")


def test_text_that_is_no_utf8_can_be_shown(bare):
    with open(bare.conf("web.conf"), "wb") as file:
        file.write(b"env A=gr\xfcn\nexec sleep 1000\n")
    wait_until(lambda: bare.run("start", "web").code == 0, "the job to start")
    assert bare.run("initctl", "get-env", "A", env=of_job("web")) == says("gr�n\n")
    assert processes.environment_of(bare.pid_of("web"))["A"] == "gr\ufffdn"


# The table of one instance

@pytest.fixture
def workers(bare):
    """Two instances of a job that runs a program of ours at its end."""
    bare.job("worker", "instance $N\nenv CLASS=1\n" + SERVICE + "post-stop exec env\n")
    for name in ("a", "b"):
        bare.succeed("start", "worker", "N=" + name)
    return bare


def test_within_a_job_its_own_table_is_meant(workers):
    a, b = of_job("worker", "a"), of_job("worker", "b")
    assert workers.run("initctl", "get-env", "CLASS", env=a) == says("1\n")
    assert workers.run("initctl", "set-env", "CLASS=2", "OWN=yes", env=a) == says("")
    assert workers.run("initctl", "unset-env", "N", env=a) == says("")
    path = workers.environment()["PATH"]
    assert workers.run("initctl", "list-env", env=a) == says(
        f"CLASS=2\nOWN=yes\nPATH={path}\nTERM=dumb\n")
    assert workers.run("initctl", "list-env", env=b) == says(
        f"CLASS=1\nN=b\nPATH={path}\nTERM=dumb\n")
    workers.succeed("stop", env=a)  # unlike `stop worker N=a`, without a variable
    log = workers.wait_log("worker-a", "UPSTART_SESSION").splitlines()
    assert "CLASS=2" in log and "OWN=yes" in log and "N=a" not in log


def test_reset_within_a_job_rebuilds_its_table(workers):
    a = of_job("worker", "a")
    workers.succeed("initctl", "set-env", "-g", "G=1")
    workers.succeed("initctl", "set-env", "CLASS=2", "OWN=yes", env=a)
    assert workers.run("initctl", "reset-env", env=a) == says("")
    path = workers.environment()["PATH"]
    assert workers.run("initctl", "list-env", env=a) == says(
        f"CLASS=1\nG=1\nPATH={path}\nTERM=dumb\n")


def test_global_option_within_a_job(workers):
    a = of_job("worker", "a")
    for option, value in (("-g", "1"), ("--global", "2")):
        assert workers.run("initctl", "set-env", option, "G=" + value, env=a) == says("")
        assert workers.run("initctl", "get-env", option, "G", env=a) == says(value + "\n")
        assert workers.run("initctl", "get-env", "G", env=of_job("worker", "b")) == says(
            value + "\n")
        assert workers.run("initctl", "get-env", option, "CLASS", env=a) == fails(
            "initctl: No such variable: CLASS\n")
    assert "G=2\n" in workers.succeed("initctl", "list-env", "-g", env=a)
    assert workers.run("initctl", "unset-env", "-g", "G", env=a) == says("")
    assert workers.run("initctl", "reset-env", "-g", env=a) == says("")
    assert workers.run("initctl", "get-env", "G") == fails("initctl: No such variable: G\n")


def test_commands_work_in_a_process_of_a_job(bare):
    bare.job("task", f"""\
        task
        env A=1
        script
          PATH={bare.bin}:$PATH
          initctl set-env A=2 B=%s
          initctl get-env A
          initctl get-env B
          initctl get-env -g A || echo none
        end script
        """)
    bare.succeed("start", "task", "A=0")
    assert bare.wait_log("task", "none").replace("\r", "").splitlines() == [
        "2", "%s", "initctl: No such variable: A", "none"]


def test_a_job_that_is_not_there(workers):
    def get(job, instance):
        env = {"UPSTART_JOB": job, "UPSTART_INSTANCE": instance}
        return workers.run("initctl", "get-env", "CLASS", env=env)
    assert get("worker", "c") == fails("initctl: Unknown instance: c of job worker\n")
    assert get("worker", "") == fails("initctl: Unknown instance:  of job worker\n")
    assert get("nosuch", "") == fails("initctl: Unknown job: nosuch\n")
    assert get("", "") == fails("initctl: Job may not be empty string\n")
    assert get("worker", None) == fails("initctl: missing job name\n" + TRY)
    assert get(None, "a") == fails("initctl: No such variable: CLASS\n")


# The command line

@pytest.mark.parametrize("command, problem", [
    ("get-env", "missing variable name"), ("unset-env", "missing variable name"),
    ("set-env", "missing variable value")])
def test_missing_arguments(bare, command, problem):
    assert bare.run("initctl", command) == fails(f"initctl: {problem}\n" + TRY)
    assert bare.run("initctl", command, "-g") == fails(f"initctl: {problem}\n" + TRY)


def test_empty_names(bare):
    for words in (["get-env", ""], ["set-env", ""], ["set-env", "=x"], ["set-env", "A=1", "=x"],
                  ["unset-env", ""]):
        assert bare.run("initctl", *words) == fails("initctl: Variable may not be empty string\n")
    assert bare.run("initctl", "get-env", "A") == fails("initctl: No such variable: A\n")


def test_only_set_env_retains(bare):
    for command in ("get-env", "unset-env", "list-env", "reset-env"):
        assert bare.run("initctl", command, "--retain", "X") == fails(
            "initctl: invalid option: --retain\n" + TRY)


def test_unset_in_an_empty_table(bare):
    bare.succeed("initctl", "unset-env", "PATH", "TERM")
    assert bare.run("initctl", "list-env") == says("")
    assert bare.run("initctl", "unset-env", "A") == fails("initctl: No such variable: A\n")
    bare.succeed("initctl", "reset-env")
    assert bare.run("initctl", "get-env", "TERM") == says("dumb\n")


def test_list_env_is_in_collation_order(bare):
    bare.succeed("initctl", "set-env", "b=1", "B=1", "a=1", "C=1", "c=1")
    path = f"PATH={bare.environment()['PATH']}"
    assert bare.succeed("initctl", "list-env").splitlines() == [
        "B=1", "C=1", path, "TERM=dumb", "a=1", "b=1", "c=1"]
    if not shutil.which("localedef"):
        pytest.skip("needs localedef")
    made = bare.path("en_US.UTF-8")
    subprocess.run(["localedef", "-c", "-i", "en_US", "-f", "UTF-8", made], capture_output=True)
    if not os.path.exists(os.path.join(made, "LC_COLLATE")):
        pytest.skip("needs the sources of locales (package locales)")
    locale = {"LOCPATH": bare.directory, "LC_ALL": "en_US.UTF-8"}
    assert bare.succeed("initctl", "list-env", env=locale).splitlines() == [
        "a=1", "b=1", "B=1", "c=1", "C=1", path, "TERM=dumb"]


# Roles

def test_process_one_refuses_changes(pid1):
    pid1.job("web", SERVICE)
    pid1.succeed("start", "web")
    for env in ({}, of_job("web"), of_job("nosuch")):
        for words in (["set-env", "A=1"], ["set-env", "-g", "A=1"], ["unset-env", "PATH"],
                      ["reset-env"]):
            assert pid1.run("initctl", *words, env=env) == fails(f"initctl: {REFUSED}\n")
    with pytest.raises(DBusError) as refusal:
        pid1.connection().manager("UnsetEnv", "ass", [], "PATH")
    assert refusal.value.name == "com.ubuntu.Upstart0_6.Error.PermissionDenied"
    assert pid1.run("initctl", "get-env", "TERM") == says("linux\n")
    assert "TERM=linux\n" in pid1.succeed("initctl", "list-env", env=of_job("web"))


def test_a_supervisor_takes_changes(system_daemon):
    system_daemon.job("web", SERVICE)
    assert system_daemon.run("initctl", "set-env", "A=1") == says("")
    system_daemon.succeed("start", "web")
    pid = system_daemon.host_pid_of("web")
    assert processes.environment_of(pid)["A"] == "1"


def test_a_table_as_large_as_allowed_can_be_used(bare):
    bare.job("web", SERVICE)
    large = "x" * (100 << 10)
    connection = bare.connection()
    many = [f"V{i}={large}" for i in range(10)]
    assert connection.manager("SetEnvList", "asasb", [], many, True) == []
    with pytest.raises(DBusError) as refusal:
        connection.manager("SetEnv", "assb", [], f"W={large}", True)
    assert refusal.value.message == "Environment may not be larger than 1048576 bytes"
    seen = started(bare, "web")
    assert all(seen[f"V{i}"] == large for i in range(10))
    assert "W" not in seen


def test_what_the_manager_of_the_manager_told_it_is_no_business_of_jobs():
    """A job that speaks on this socket would be taken for the session init itself."""
    with UserDaemon(env={"NOTIFY_SOCKET": "/run/above", "LISTEN_FDS": "1", "KEPT": "1"}) as daemon:
        daemon.job("web", SERVICE)
        seen = started(daemon, "web")
        assert seen["KEPT"] == "1"
        assert "NOTIFY_SOCKET" not in seen and "LISTEN_FDS" not in seen
