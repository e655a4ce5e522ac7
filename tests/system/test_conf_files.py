"""Job files come, change and go, and the daemon notices by itself (spec/job-language.md 1.2-1.6)."""
import os
import shutil

from processes import wait_until
from upkeep import UserDaemon, write_file

SERVICE = "exec sleep 1000\n"


def wait_known(daemon, name):
    wait_until(lambda: daemon.run("status", name).code == 0, f"{name} to be known")


def wait_unknown(daemon, name):
    wait_until(lambda: daemon.run("status", name) == (1, "", f"status: Unknown job: {name}\n"),
               f"{name} to be forgotten")


def wait_usage(daemon, name, usage):
    wait_until(lambda: daemon.run("initctl", "usage", name).out == f"Usage: {usage}\n",
               f"{name} to have the usage {usage!r}")


def test_file_written_in_place(daemon):
    """It counts when it is closed, not when it is created."""
    with open(daemon.conf("web.conf"), "w", encoding="utf-8") as file:
        file.write("usage half\n")
        file.flush()
        daemon.job("other", SERVICE)  # noticed after the creation of web.conf
        assert daemon.run("status", "web").code == 1
        file.write(SERVICE)
    wait_known(daemon, "web")
    daemon.succeed("start", "web")


def test_file_renamed_in(daemon):
    write_file(daemon.path("web"), SERVICE)
    os.rename(daemon.path("web"), daemon.conf("web.conf"))
    wait_known(daemon, "web")


def test_file_deleted(daemon):
    daemon.job("web", SERVICE)
    os.unlink(daemon.conf("web.conf"))
    wait_unknown(daemon, "web")


def test_file_moved_out(daemon):
    daemon.job("web", SERVICE)
    os.rename(daemon.conf("web.conf"), daemon.path("web.conf"))
    wait_unknown(daemon, "web")


def test_file_renamed(daemon):
    daemon.job("old", SERVICE)
    os.rename(daemon.conf("old.conf"), daemon.conf("new.conf"))
    wait_known(daemon, "new")
    wait_unknown(daemon, "old")


def test_file_changed(daemon):
    daemon.job("web", "usage first\n" + SERVICE)
    wait_usage(daemon, "web", "first")
    write_file(daemon.conf("web.conf"), "usage second\n" + SERVICE)
    wait_usage(daemon, "web", "second")
    with open(daemon.conf("web.conf"), "w", encoding="utf-8") as file:
        file.write("usage third\n" + SERVICE)
    wait_usage(daemon, "web", "third")


def test_running_job_keeps_its_definition_until_it_stops(daemon):
    daemon.job("web", "usage first\n" + SERVICE)
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    write_file(daemon.conf("web.conf"), "usage second\n" + SERVICE)
    daemon.job("later", SERVICE)  # noticed after the change
    assert daemon.run("initctl", "usage", "web").out == "Usage: first\n"
    assert daemon.pid_of("web") == pid
    daemon.succeed("stop", "web")
    wait_usage(daemon, "web", "second")


def test_running_job_outlives_its_file(daemon):
    daemon.job("web", SERVICE)
    daemon.succeed("start", "web")
    pid = daemon.pid_of("web")
    os.unlink(daemon.conf("web.conf"))
    daemon.job("later", SERVICE)
    assert daemon.status("web") == f"web start/running, process {pid}\n"
    daemon.succeed("restart", "web")
    assert daemon.pid_of("web") not in (None, pid)
    daemon.run("stop", "web")
    wait_unknown(daemon, "web")


def test_file_broken_and_mended(daemon):
    daemon.job("web", SERVICE)
    write_file(daemon.conf("web.conf"), "bogus\n")
    wait_unknown(daemon, "web")
    write_file(daemon.conf("web.conf"), SERVICE)
    wait_known(daemon, "web")


def test_symbolic_link_made(daemon):
    """The guide links jobs into the directory. Seen without a reload, though two seconds later."""
    write_file(daemon.path("web"), SERVICE)
    os.symlink(daemon.path("web"), daemon.conf("web.conf"))
    wait_known(daemon, "web")
    daemon.succeed("start", "web")
    daemon.succeed("stop", "web")
    os.unlink(daemon.conf("web.conf"))
    wait_unknown(daemon, "web")


def test_symbolic_link_present_at_start():
    daemon = UserDaemon()
    write_file(daemon.path("web"), SERVICE)
    os.symlink(daemon.path("web"), daemon.conf("web.conf"))
    with daemon:
        assert daemon.status("web") == "web stop/waiting\n"


def test_hard_link_made(daemon):
    write_file(daemon.path("web"), SERVICE)
    os.link(daemon.path("web"), daemon.conf("web.conf"))
    wait_known(daemon, "web")


def test_directory_made(daemon):
    os.makedirs(daemon.conf("net/deep"))
    write_file(daemon.conf("net/eth.up.conf"), SERVICE)
    write_file(daemon.conf("net/deep/x.conf"), SERVICE)
    wait_known(daemon, "net/eth.up")
    wait_known(daemon, "net/deep/x")
    daemon.succeed("start", "net/eth.up")
    assert daemon.state("net/eth.up") == "start/running"


def test_directory_moved_in_with_its_files(daemon):
    os.mkdir(daemon.path("net"))
    write_file(daemon.path("net/x.conf"), SERVICE)
    os.rename(daemon.path("net"), daemon.conf("net"))
    wait_known(daemon, "net/x")
    write_file(daemon.conf("net/y.conf"), SERVICE)
    wait_known(daemon, "net/y")


def test_directory_removed(daemon):
    os.mkdir(daemon.conf("net"))
    write_file(daemon.conf("net/x.conf"), SERVICE)
    wait_known(daemon, "net/x")
    shutil.rmtree(daemon.conf("net"))
    wait_unknown(daemon, "net/x")


def test_names_that_do_not_count(daemon):
    for name in ("a.conf~", "b.conf.bak", "#c.conf#", "d.CONF", "e.txt", ".conf", "f.conf.dpkg-new"):
        write_file(daemon.conf(name), SERVICE)
    os.mkdir(daemon.conf(".git"))
    write_file(daemon.conf(".git/g.conf"), SERVICE)
    daemon.job("last", SERVICE)
    daemon.succeed("initctl", "reload-configuration")
    assert daemon.succeed("initctl", "list") == "last stop/waiting\n"


def test_hidden_file_counts(daemon):
    write_file(daemon.conf(".x.conf"), SERVICE)
    wait_known(daemon, ".x")


def test_empty_file_is_a_job(daemon):
    daemon.job("empty", "")
    assert daemon.succeed("start", "empty") == "empty start/running\n"


def test_reload_configuration_finds_everything():
    """Also where nothing is watched: the directory did not exist when the daemon started."""
    daemon = UserDaemon()
    os.rmdir(daemon.confdir)
    with daemon:
        os.mkdir(daemon.confdir)
        write_file(daemon.conf("web.conf"), SERVICE)
        daemon.succeed("initctl", "reload-configuration")
        assert daemon.status("web") == "web stop/waiting\n"
        os.unlink(daemon.conf("web.conf"))
        daemon.succeed("initctl", "reload-configuration")
        assert daemon.run("status", "web").code == 1


def test_many_files_at_once(daemon):
    for number in range(300):
        write_file(daemon.conf(f"job{number}.conf"), SERVICE)
    wait_until(lambda: len(daemon.succeed("initctl", "list").splitlines()) == 300, "300 jobs")


def test_new_job_announces_itself(daemon):
    connection = daemon.connection()
    connection.version()
    daemon.job("web", SERVICE)

    def added():
        connection.version()  # its reply comes behind the signals
        return any(one.member == "JobAdded" and one.body == ["/com/ubuntu/Upstart/jobs/web"]
                   for one in connection.signals)
    wait_until(added, "JobAdded")
