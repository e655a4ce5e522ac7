"""Processes as /proc shows them, and the ending of those a test has left behind, by pid."""
import ctypes
import os
import signal
import time

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    """Orphans of a daemon that died come to this process, so that it can end them."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_until(condition, what, timeout=20, pause=0.02):
    """Returns the first true value of condition(); fails, naming `what`, after `timeout` s."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s for {what}")
        time.sleep(pause)


def _stat(pid):
    """(state, ppid) or None. The name, which stands before them in parentheses, may hold both."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return fields[0], int(fields[1])
    except (OSError, IndexError):
        return None


def is_running(pid):
    found = _stat(pid)
    return found is not None and found[0] not in "ZX"


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children_of(pid):
    return [one for one in all_pids() if (_stat(one) or ("", 0))[1] == pid]


def descendants_of(pid):
    parents = {one: (_stat(one) or ("", 0))[1] for one in all_pids()}
    found, fresh = [], [pid]
    while fresh:
        fresh = [one for one, parent in parents.items() if parent in fresh]
        found += fresh
    return found


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [word.decode(errors="replace") for word in file.read().split(b"\0")[:-1]]
    except OSError:
        return []


def program_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def environment_of(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        words = file.read().split(b"\0")
    return dict(word.decode(errors="replace").split("=", 1) for word in words if b"=" in word)


def status_field(pid, field):
    """The words after `field:` in /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name == field:
                return value.split()
    raise KeyError(field)


def kill_quietly(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def reap(pid):
    """Collects the exit status of a child of ours, if it is one and has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def end_orphans(known):
    """Ends every descendant of this process that is not in or below `known`; returns them."""
    ended = []
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        strays = [pid for pid in children_of(os.getpid()) if pid not in known and not reap(pid)]
        if not strays:
            return ended
        for stray in strays:
            below = [pid for pid in descendants_of(stray) if is_running(pid)]
            for pid in [stray, *below]:
                ended.append((pid, command_of(pid)))
                kill_quietly(pid)
        time.sleep(0.01)
    raise AssertionError(f"could not end {ended}")
