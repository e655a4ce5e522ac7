"""./quickstart as a person runs it. Only where the release is built: else it would build it here."""
import os
import signal
import subprocess
import time

import pytest

import processes
from processes import wait_until
from upkeep import RELEASE_BIN, ROOT, need_program

WARM_SECONDS = 30


def start(*arguments):
    if not os.path.exists(os.path.join(RELEASE_BIN, "upkeepd")):
        pytest.skip("the release is not built (./quickstart builds it)")
    need_program("gunicorn", "curl")
    return subprocess.Popen([os.path.join(ROOT, "quickstart"), *arguments], text=True, cwd="/",
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env={**os.environ, "TERM": "dumb"})


def left_over(text):
    """The private folder that the output names, if it still exists."""
    folders = {word for line in text.splitlines() for word in line.split()
               if word.startswith("/tmp/upkeep.") and word.endswith("/init")}
    assert len(folders) == 1, text
    return [folder for folder in folders if os.path.exists(folder)]


def test_shows_the_whole_story():
    begin = time.monotonic()
    process = start()
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    assert time.monotonic() - begin < WARM_SECONDS
    for words in ("guide start/running, process ", "Hello from worker ", "kill -9 ",
                  "Listening at: http://127.0.0.1:", "guide stop/waiting", "nothing is left running"):
        assert words in text
    assert left_over(text) == []
    assert processes.end_orphans(set()) == []


def test_interrupted_it_cleans_up():
    process = start()
    lines = []
    while not any("start/running, process" in line for line in lines):
        line = process.stdout.readline()
        assert line, "".join(lines)
        lines.append(line)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert left_over("".join(lines) + rest) == []
    assert processes.end_orphans(set()) == []


def test_keep_leaves_it_running():
    process = start("--keep")
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0, text
    ending = next(line.strip() for line in text.splitlines() if line.strip().startswith("kill "))
    pid = int(ending.split()[1].rstrip(";"))
    try:
        address = next(line for line in text.splitlines() if "export UPSTART_SESSION=" in line)
        done = subprocess.run([os.path.join(RELEASE_BIN, "status"), "guide"], text=True, timeout=20,
                              capture_output=True, check=False,
                              env={"UPSTART_SESSION": address.partition("=")[2]})
        assert done.stdout.startswith("guide start/running, process ")
        subprocess.run(ending, shell=True, check=True, timeout=20)
        wait_until(lambda: not processes.is_running(pid), "the daemon to end")
        assert left_over(text) == []
    finally:
        processes.end_orphans(set())
