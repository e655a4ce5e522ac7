"""A virtual machine that starts upkeepd as process 1: its image, its start, what its checks said."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
# Emulated, on a busy machine of two processors, the whole takes well under a minute.
DEADLINE_S = 300

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t securityfs security /sys/kernel/security
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tmpfs run /run
exec /sbin/upkeepd
"""

# What process 1 runs: each check between two marks, then the end of the machine.
RUN = """#!/bin/sh
for check in /checks/*.sh; do
  name=${check##*/}
  echo "@@ begin ${name%.sh}"
  sh -u "$check" 2>&1
  echo "@@ end ${name%.sh} $?"
done
echo "@@ done"
poweroff -f
"""

START = """start on startup
task
script
  exec /bin/sh /checks/run </dev/null >/dev/console 2>&1
end script
"""


@dataclass
class Outcome:
    """What one check printed, and its exit status."""

    text: str
    status: int


def _copy(program, root, to):
    """Copies a program without its debug information, and the libraries that it loads."""
    target = root / to.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["strip", "-o", target, program], check=True)
    target.chmod(0o755)
    loaded = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(/\S+) \(0x", loaded):
        copy = root / library.lstrip("/")
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(os.path.realpath(library), copy)


def _text(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def make_image(build, directory):
    """An initramfs with the programs of `build`, the checks and their jobs; its path."""
    root = directory / "root"
    for name in ("proc", "sys", "dev", "run", "tmp", "var/log/upstart", "var/cache/apparmor"):
        (root / name).mkdir(parents=True)
    for program in ("upkeepd", "upkeep-logger", "initctl"):
        _copy(build / "bin" / program, root, f"/sbin/{program}")
    _copy(build / "src/os/upkeep_os_test", root, "/checks/upkeep_os_test")
    _copy("/usr/sbin/apparmor_parser", root, "/sbin/apparmor_parser")
    _copy("/bin/busybox", root, "/bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    _text(root / "init", INIT, 0o755)
    _text(root / "etc/passwd", "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    _text(root / "etc/group", "root:x:0:\nnogroup:x:65534:\n")
    _text(root / "etc/init/checks.conf", START)
    _text(root / "checks/run", RUN)
    for check in HERE.glob("checks/*.sh"):
        shutil.copy(check, root / "checks")
    for job in HERE.glob("jobs/*.conf"):
        shutil.copy(job, root / "etc/init")
    for profile in HERE.glob("jobs/*.profile"):
        _text(root / "etc/apparmor.d" / profile.stem, profile.read_text())
    image = directory / "initrd"
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with image.open("wb") as output:
        subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"],
            cwd=root, input=names.encode(), stdout=output, check=True,
        )
    return image


def boot(kernel, image):
    """Runs the machine to its end; all that came over its serial line. Emulated: wants no /dev/kvm."""
    command = [
        "qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "max", "-m", "768",
        "-nographic", "-nodefaults", "-no-user-config", "-no-reboot", "-serial", "stdio",
        "-kernel", str(kernel), "-initrd", str(image),
        "-append", "console=ttyS0 quiet panic=-1 apparmor=1 security=apparmor",
    ]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as machine:
        try:
            output, _ = machine.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            machine.kill()
            output, _ = machine.communicate()
            output += f"\n(ended: no power-off within {DEADLINE_S} s)".encode()
        finally:
            machine.kill()
    return output.decode(errors="replace").replace("\r", "")


def outcomes(console):
    """What each check said, by its name."""
    found = re.findall(r"@@ begin (\S+)\n(.*?)@@ end \1 (\d+)\n", console, re.DOTALL)
    return {name: Outcome(text, int(status)) for name, text, status in found}
