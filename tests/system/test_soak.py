"""Very many processes started and ended: nothing leaks, neither a descriptor nor a zombie nor a byte.
UPKEEP_SPAWNS says how many; ./run-tests --soak takes 100,000."""
import contextlib
import os

import pytest

import processes
from processes import wait_until
from upkeep import BIN, RELEASE_BIN, UserDaemon, is_sanitized
from wire import DBusError

SPAWNS = int(os.environ.get("UPKEEP_SPAWNS", "5000"))
WARM_UP = 1000  # spawns until allocators and tables have the size that they need
GROWTH = 256 * 1024  # bytes; what an allocator may come to need by chance
LOOPS = {
    "direct": "task\nexec /bin/true\n",
    "shell": "task\nexec true $UPSTART_JOB\n",
    "script": "task\nscript\n:\n:\nend script\n",
    "output": "task\nexec echo one line\n",
    "fails": "task\nexec /bin/false\n",
    "hooks": "task\npre-start exec /bin/true\nexec /bin/true\npost-stop exec /bin/true\n",
    "forks": "task\nexpect fork\nscript\n(exit 0) &\nwait\nend script\n",
    "daemon": "task\nexpect daemon\nscript\n( (exit 0) & )\nend script\n",
    "tree": "task\nkill mode tree\nscript\nsetsid true &\nend script\n",
    "cannot": "task\nexec /does/not/exist\n",
}


def tool_of_the_trade():
    """A build whose memory tells something; sanitizers keep what was freed."""
    if not is_sanitized(BIN):
        return BIN
    if not os.path.exists(os.path.join(RELEASE_BIN, "upkeepd")):
        pytest.skip("the release is not built")
    return RELEASE_BIN


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid):
    """The private bytes of a process."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private_"))


def logger_of(daemon):
    (pid,) = [pid for pid in processes.children_of(daemon.process.pid)
              if processes.program_of(pid).endswith("/upkeep-logger")]
    return pid


def test_nothing_leaks():
    with UserDaemon(bin=tool_of_the_trade()) as daemon:
        for name, text in LOOPS.items():
            daemon.job(name, "start on tick\n" + text)
        connection = daemon.connection()
        manager = daemon.process.pid

        def rest():
            """Waits until only the logger is left of what was started."""
            wait_until(lambda: len(processes.descendants_of(manager)) == 1,
                       "all processes to be reaped")

        def run(spawns):
            for _ in range(spawns // len(LOOPS)):
                with contextlib.suppress(DBusError):  # some of the jobs fail, and the event with them
                    connection.manager("EmitEvent", "sasb", "tick", [], True)
            rest()

        run(WARM_UP)
        parts = [manager, logger_of(daemon)]
        before = [(descriptors(pid), memory(pid)) for pid in parts]
        run(SPAWNS)
        for pid, (files, size) in zip(parts, before):
            assert descriptors(pid) == files
            assert memory(pid) < size + GROWTH, (memory(pid), size)
