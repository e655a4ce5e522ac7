"""Overrides (spec/job-language.md 1.4, 1.5): all of one counts, or nothing, and never in between."""
import os
import re

from processes import wait_until
from upkeep import UserDaemon, read_text, write_file

SERVICE = "exec sleep 1000\n"


def show(daemon, job):
    return daemon.run("initctl", "show-config", job).out


def wait_config(daemon, job, text):
    wait_until(lambda: show(daemon, job) == text, f"the configuration of {job} to be {text!r}")


def test_override_comes_changes_and_goes(daemon):
    daemon.job("web", "start on a\nemits x\n" + SERVICE)
    write_file(daemon.conf("web.override"), "start on b\nemits y\n")
    wait_config(daemon, "web", "web\n  emits x\n  emits y\n  start on b\n")
    write_file(daemon.conf("web.override"), "manual\n")
    wait_config(daemon, "web", "web\n  emits x\n")
    os.unlink(daemon.conf("web.override"))
    wait_config(daemon, "web", "web\n  emits x\n  start on a\n")


def test_broken_override_changes_nothing(daemon):
    """In the original the stanzas before the mistake stay."""
    daemon.job("web", "start on a\n" + SERVICE)
    for broken in ("manual\nemits y\nexec wrong\nbogus\n", "start on b\npre-start script\n",
                   "exec \"\n", "emits y\n\0\n", "#" * 5_000_000):
        write_file(daemon.conf("web.override"), "start on ok\n")
        wait_config(daemon, "web", "web\n  start on ok\n")
        write_file(daemon.conf("web.override"), broken)
        wait_config(daemon, "web", "web\n  start on a\n")
    assert len(re.findall(r"web\.override:", daemon.messages())) >= 5
    daemon.succeed("start", "web")
    assert daemon.state("web") == "start/running"


def test_broken_override_and_job_file_are_mended_in_either_order(daemon):
    write_file(daemon.conf("web.override"), "start on b\nbogus\n")
    daemon.job("web", "start on a\n" + SERVICE)
    wait_config(daemon, "web", "web\n  start on a\n")
    write_file(daemon.conf("web.conf"), "bogus\n")
    wait_until(lambda: daemon.run("status", "web").code == 1, "the job to go")
    write_file(daemon.conf("web.override"), "start on b\n")  # alone it makes no job
    daemon.job("later", SERVICE)
    assert daemon.run("status", "web").code == 1
    write_file(daemon.conf("web.conf"), "start on a\n" + SERVICE)
    wait_config(daemon, "web", "web\n  start on b\n")


def test_override_of_a_running_job_waits_for_its_end(daemon):
    daemon.job("web", "usage first\ninstance $N\nenv V=first\nexport V\n"
                      "exec sh -c 'echo $V-$N; exec sleep 1000'\n")
    daemon.succeed("start", "web", "N=1")
    write_file(daemon.conf("web.override"), "usage second\nenv V=second\n")
    daemon.job("later", SERVICE)  # noticed after the override
    daemon.succeed("start", "web", "N=2")
    daemon.succeed("restart", "web", "N=1")
    assert daemon.run("initctl", "usage", "web").out == "Usage: first\n"
    daemon.wait_log("web-2", "first-2")
    daemon.succeed("stop", "web", "N=1")
    daemon.succeed("start", "web", "N=3")
    daemon.wait_log("web-3", "first-3")
    for instance in ("N=2", "N=3"):
        daemon.succeed("stop", "web", instance)
    wait_until(lambda: daemon.run("initctl", "usage", "web").out == "Usage: second\n",
               "the override to be in force")
    daemon.succeed("start", "web", "N=4")
    daemon.wait_log("web-4", "second-4")


def test_nothing_half_applied_is_ever_live(daemon):
    """A definition is swapped whole, however often and with however broken files."""
    rounds = 200
    daemon.job("pair", "task\nenv A=0\nenv B=0\nexec sh -c 'echo pair $A $B'\n")
    texts = ["env A={0}\nenv B={0}\n", "env A={0}\nbogus\nenv B={0}\n", "env A={0}\nenv B=\"{0}\n"]
    seen = set()
    for number in range(1, rounds + 1):
        write_file(daemon.conf("pair.override"), texts[number % 3].format(number))
        daemon.succeed("start", "pair")
    wait_until(lambda: read_text(daemon.log_path("pair")).count("pair ") == rounds, "all output")
    for first, second in re.findall(r"pair (\d+) (\d+)", read_text(daemon.log_path("pair"))):
        assert first == second
        assert first == "0" or int(first) % 3 == 0
        seen.add(first)
    assert len(seen) > 10  # not only the job as it was


def test_override_counts_up_to_the_source_of_its_job():
    daemon = UserDaemon()
    strong, weak = daemon.make_directory("strong"), daemon.make_directory("weak")
    daemon.options += ["--prepend-confdir", strong, "--append-confdir", weak]
    write_file(os.path.join(weak, "web.conf"), "start on weak\n" + SERVICE)
    write_file(os.path.join(weak, "web.override"), "start on weak-override\n")
    with daemon:
        wait_config(daemon, "web", "web\n  start on weak-override\n")
        write_file(os.path.join(strong, "web.override"), "start on strong-override\n")
        wait_config(daemon, "web", "web\n  start on strong-override\n")
        # The job's file moves to a stronger source: what lies behind it no longer counts.
        os.unlink(os.path.join(strong, "web.override"))
        write_file(daemon.conf("web.conf"), "start on middle\n" + SERVICE)
        wait_config(daemon, "web", "web\n  start on middle\n")


def test_link_is_no_override(daemon):
    write_file(daemon.path("real"), "manual\n")
    os.symlink(daemon.path("real"), daemon.conf("web.override"))
    daemon.job("web", "start on a\n" + SERVICE)
    daemon.succeed("initctl", "reload-configuration")
    assert show(daemon, "web") == "web\n  start on a\n"
