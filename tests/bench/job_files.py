#!/usr/bin/python3 -B
"""Measures what thousands of job files cost; run by hand, on a release build.

    cmake --preset release && cmake --build --preset release
    tests/bench/job_files.py

1. init-checkconf over 10,000 files of about 500 bytes, in both forms: under 0.5 s of CPU.
2. upkeepd --user loads 1,000 and then 10,000 such jobs: the latter in under 12 times the time of
   the former, so that nothing in it is quadratic. Loaded means that its socket answers. How long
   `initctl list` takes then is shown, too, but depends on what else the machine does.

UPKEEP_BIN names another folder of programs than build/release/bin. Exit status 1 if a target is missed. The files are made
anew each time, always the same ones, in a folder that goes in the end.
"""
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import upkeep  # noqa: E402

BIN = os.environ.get("UPKEEP_BIN") or upkeep.RELEASE_BIN
FILES = 10_000
CPU_LIMIT = 0.5
RATIO_LIMIT = 12
REPEATS = 5

WORDS = ("cache queue mail index proxy backup metrics search upload session feed billing report "
         "image chat login sensor gateway archive ticket").split()
EVENTS = ("runlevel [2345]", "filesystem", "local-filesystems and net-device-up IFACE!=lo",
          "started {other}", "(started {other} and runlevel [2345])",
          "stopped {other} RESULT=ok or {word}-requested KIND=full")


def job_text(number):
    """The text of one job, which depends on its number alone."""
    chance = random.Random(number)
    word = chance.choice(WORDS)
    values = {"word": word, "number": number, "other": f"{chance.choice(WORDS)}-{number // 2:05}",
              "port": 1024 + number % 60000, "home": f"/srv/{word}/{number % 97}"}

    lines = [f"# {word} service number {number}, kept by the operations team",
             f'description "{word} worker {number}"']
    if chance.random() < 0.5:
        lines.append('author "Operations <ops@example.org>"')
    lines += ["", "start on " + chance.choice(EVENTS).format(**values), "stop on runlevel [016]", ""]

    kind = chance.random()
    if kind < 0.6:
        lines += ["respawn", f"respawn limit {chance.randint(3, 20)} {chance.randint(5, 60)}"]
    elif kind < 0.75:
        lines += ["task"]
    else:
        lines += ["expect " + chance.choice(("fork", "daemon")), "kill timeout 30"]
    if chance.random() < 0.4:
        lines += ["instance $PORT", 'usage "PORT - where it listens"']
    if chance.random() < 0.5:
        lines += ["setuid nobody", f"chdir {values['home']}"]
    if chance.random() < 0.3:
        lines += ["limit nofile 4096 8192", "nice 5", "umask 027"]
    lines += [f"env PORT={values['port']}", f'env OPTIONS="--workers {chance.randint(1, 16)}"',
              "export PORT", "console log", ""]

    if chance.random() < 0.5:
        lines += ["pre-start script",
                  f"    mkdir -p /run/{word}",
                  f"    [ -r /etc/default/{word} ] && . /etc/default/{word}",
                  f"    chown nobody /run/{word} || true",
                  "end script", ""]
    if kind < 0.75 and chance.random() < 0.4:
        lines += ["script",
                  f"    cd {values['home']}",
                  '    if [ "$PORT" -lt 1024 ]; then',
                  '        echo "bad port $PORT" >&2',
                  "        exit 1",
                  "    fi",
                  f"    exec /usr/bin/{word} --port $PORT $OPTIONS",
                  "end script"]
    else:
        lines += [f"exec /usr/bin/{word} --port $PORT \\",
                  f"    --data {values['home']}/data --log-level info $OPTIONS"]
    if chance.random() < 0.2:
        lines += ["", f"post-stop exec rm -f /run/{word}/{number}.pid"]
    return "\n".join(lines) + "\n"


def make_files(directory, count):
    size = 0
    for number in range(count):
        text = job_text(number)
        size += len(text)
        with open(os.path.join(directory, f"job-{number:05}.conf"), "w", encoding="ascii") as file:
            file.write(text)
    return size / count


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def checking(directory, *options):
    """CPU seconds of one run over the directory; the files have to be valid."""
    before = children_cpu()
    done = subprocess.run([os.path.join(BIN, "init-checkconf"), *options, directory],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    cpu = children_cpu() - before
    if done.returncode != 0 or done.stderr or done.stdout.count(b"\n") != FILES:
        sys.exit(f"init-checkconf: status {done.returncode}, {done.stderr[:2000]!r}")
    return cpu


def check_speed():
    fast = True
    with tempfile.TemporaryDirectory(prefix="upkeep-bench.") as directory:
        print(f"{FILES} files of {make_files(directory, FILES):.0f} bytes on average")
        for options in ([], ["--json"]):
            cpu = min(checking(directory, *options) for _ in range(REPEATS))
            fast = fast and cpu < CPU_LIMIT
            print(f"init-checkconf {' '.join(options):7} {cpu:.3f} s of CPU, {FILES / cpu:8.0f} "
                  f"files a second (target: under {CPU_LIMIT} s)")
    return fast


def cpu_of(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


def loading(count):
    """Seconds until a daemon with so many jobs answers, its CPU seconds until then, and seconds
    until it has listed them."""
    daemon = upkeep.UserDaemon(bin=BIN)
    make_files(daemon.confdir, count)
    began = time.monotonic()
    with daemon:
        loaded = time.monotonic() - began
        cpu = cpu_of(daemon.process.pid)
        jobs = daemon.succeed("initctl", "list").count("\n")
        listed = time.monotonic() - began
    if jobs != count:
        sys.exit(f"upkeepd: {jobs} jobs of {count}")
    return loaded, cpu, listed


def load_speed():
    best = {}
    for count in (FILES // 10, FILES):
        runs = [loading(count) for _ in range(3)]
        *best[count], listed = (min(values) for values in zip(*runs))
        print(f"upkeepd with {count:5} jobs: loaded after {best[count][0]:.3f} s, "
              f"{best[count][1]:.3f} s of CPU; listed after {listed:.3f} s")
    ratios = [large / small for small, large in zip(*best.values())]
    print(f"ratio: {ratios[0]:.1f} in time, {ratios[1]:.1f} in CPU (target: under {RATIO_LIMIT})")
    return max(ratios) < RATIO_LIMIT


def main():
    reached = [check_speed(), load_speed()]
    if not all(reached):
        print("a target is missed")
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
