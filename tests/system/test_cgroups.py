"""The `cgroup` stanza, for a manager that may write control groups (spec/runtime.md 4.3)."""
import os

import pytest

import processes
from processes import wait_until
from upkeep import UserDaemon, need_root, read_text

MEMORY = "/sys/fs/cgroup/memory"
LIMIT = 64 * 1024 * 1024


@pytest.fixture(autouse=True)
def hierarchy():
    need_root()
    if not os.path.exists(f"{MEMORY}/memory.limit_in_bytes"):
        pytest.skip("no memory controller of cgroup v1 here")


def group_of(pid, controller="memory"):
    """The process's group in a v1 hierarchy."""
    lines = read_text(f"/proc/{pid}/cgroup").splitlines()
    return next(line.split(":", 2)[2] for line in lines if line.split(":")[1] == controller)


def test_a_job_is_in_its_group_with_its_limit():
    with UserDaemon() as daemon:
        daemon.job("web", f"cgroup memory limit_in_bytes {LIMIT}\nexec sleep 1000\n")
        daemon.succeed("start", "web")
        pid = daemon.pid_of("web")
        group = group_of(pid)
        assert group.endswith("/upstart/web")
        assert read_text(f"{MEMORY}{group}/memory.limit_in_bytes") == f"{LIMIT}\n"
        assert group_of(daemon.process.pid) + "/upkeep/upstart/web" == group
        daemon.succeed("stop", "web")
        wait_until(lambda: not os.path.exists(MEMORY + group), "the group to be removed")


def test_the_limit_is_the_jobs_and_not_the_managers():
    """Who takes more than it may is killed, alone."""
    with UserDaemon() as daemon:
        daemon.job("hungry", f"cgroup memory limit_in_bytes {LIMIT}\n"
                   "exec python3 -c 'bytearray(200 << 20)'\n")
        daemon.job("web", "exec sleep 1000\n")
        daemon.succeed("start", "web")
        web = daemon.pid_of("web")
        daemon.run("start", "hungry")
        daemon.wait_message(r"hungry main process \(\d+\) killed by signal KILL")
        assert daemon.pid_of("web") == web and processes.is_running(web)


def test_what_the_kernel_does_not_have_fails_the_start():
    with UserDaemon() as daemon:
        daemon.job("web", "cgroup nonesuch\nexec sleep 1000\n")
        assert daemon.run("start", "web").code == 1
        assert "nonesuch" in daemon.messages()
        assert daemon.status("web") == "web stop/waiting\n"


def test_no_cgroups_leaves_jobs_where_the_manager_is():
    with UserDaemon("--no-cgroups") as daemon:
        daemon.job("web", f"cgroup memory limit_in_bytes {LIMIT}\ncgroup nonesuch\n"
                   "kill mode tree\nexec sleep 1000\n")
        daemon.succeed("start", "web")
        assert group_of(daemon.pid_of("web")) == group_of(daemon.process.pid)
        daemon.succeed("stop", "web")
