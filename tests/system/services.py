"""Real services of Debian, each ready to be run in the foreground or in the background, as often as
one likes at the same time: with folders, sockets and ports of its own."""
import dataclasses
import os
import subprocess
import textwrap
from typing import Callable

from programs import acting
from upkeep import Pid1, SystemDaemon, write_file

FIRST_PORT = 20000

# Inside the namespaces: what the services want to find, and nothing of the machine's to run.
PREPARE = """
mkdir -p /run/sshd
rm -rf /etc/crontab /etc/cron.d/* /etc/cron.hourly/*
if [ -d /var/spool/cron/crontabs ]; then mount -t tmpfs tmpfs /var/spool/cron/crontabs; fi
"""


def nginx(folder, port, background):
    temporary = " ".join(f"{name}_temp_path {folder}/tmp;" for name in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    write_file(f"{folder}/conf", textwrap.dedent(f"""\
        daemon {"on" if background else "off"};
        pid {folder}/pid;
        error_log stderr;
        worker_processes 2;
        events {{}}
        http {{
          access_log off;
          {temporary}
          server {{ listen unix:{folder}/socket; }}
        }}
        """))
    return f"nginx -e stderr -c {folder}/conf"


def redis(folder, port, background):
    write_file(f"{folder}/conf", textwrap.dedent(f"""\
        port 0
        unixsocket {folder}/socket
        pidfile {folder}/pid
        dir {folder}
        save ""
        daemonize {"yes" if background else "no"}
        """))
    return f"redis-server {folder}/conf"


def redis_with_helper(folder, port, background):
    """Goes to the background by the help of another program, which forks twice."""
    command = redis(folder, port, False).replace("redis-server", "-- ")
    return (f"start-stop-daemon --start --background --pidfile {folder}/pid"
            f" --startas /usr/bin/redis-server {command}")


def redis_supervised(folder, port, background):
    """It knows Upstart: raises SIGSTOP when it is ready."""
    return redis(folder, port, False) + " --supervised upstart"


def redis_for_systemd(folder, port, background):
    return redis(folder, port, False) + " --supervised systemd"


def cron(folder, port, background):
    """Its pid file has a fixed place."""
    return acting("private=/run", "run", "cron", *([] if background else ["-f"]))


def sshd(folder, port, background):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/key"],
                   stdin=subprocess.DEVNULL, check=True)
    write_file(f"{folder}/conf", textwrap.dedent(f"""\
        ListenAddress 127.0.0.1:{port}
        HostKey {folder}/key
        PidFile {folder}/pid
        UsePAM no
        """))
    return f"/usr/sbin/sshd {'' if background else '-D'} -f {folder}/conf"


def rsyslogd(folder, port, background):
    write_file(f"{folder}/conf", textwrap.dedent(f"""\
        global(workDirectory="{folder}")
        module(load="imuxsock" SysSock.Use="off")
        input(type="imuxsock" Socket="{folder}/socket")
        *.* action(type="omfile" file="{folder}/out")
        """))
    return f"rsyslogd {'' if background else '-n'} -f {folder}/conf -i {folder}/pid"


def dbus_daemon(folder, port, background):
    write_file(f"{folder}/conf", textwrap.dedent(f"""\
        <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
          "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig>
          <listen>unix:path={folder}/socket</listen>
          <pidfile>{folder}/pid</pidfile>
          <auth>EXTERNAL</auth>
        </busconfig>
        """))
    return f"dbus-daemon --config-file={folder}/conf {'--fork' if background else '--nofork'}"


MARIADB = ("--no-defaults --user=mysql --datadir={0}/db --socket={0}/socket --skip-networking"
           " --skip-log-bin --pid-file={0}/pid --innodb-buffer-pool-size=16M"
           " --innodb-log-file-size=4M --skip-grant-tables")
# The files of an empty database, made once in the namespaces and copied for each job.
MARIADB_PREPARE = """
mkdir /run/db
chown mysql: /run/db
mariadb-install-db --force --no-defaults --user=mysql --datadir=/run/db --skip-test-db \
  --innodb-buffer-pool-size=16M --innodb-log-file-size=4M \
  --auth-root-authentication-method=normal >/dev/null
"""


def mariadb(program):
    def make(folder, port, background):
        os.chmod(folder, 0o777)
        return f"{program} {MARIADB.format(folder)}"
    return make


@dataclasses.dataclass
class Service:
    """`right` is the `expect` that fits; `forks` how often it forks on its way to the background.

    `workers`: it forks others later, which an `expect` that counts too far takes for the service.
    `kill_timeout`: seconds that it may need to end. `background`: it is told to go there, even if it does not fork.
    """
    command: Callable
    programs: tuple
    right: str
    forks: int = 0
    workers: bool = False
    pid_file: str = "{folder}/pid"
    pre_start: str = ""
    prepare: str = ""
    background: bool = False
    kill_timeout: int = 2
    role: type = Pid1

    def job(self, folder, number, expect, more=""):
        """The text of a job that runs it. Its processes bear the number (see `members`)."""
        background = self.background or self.forks > 0
        command = self.command(folder, FIRST_PORT + number, background)
        pre_start = self.pre_start.format(folder=folder)
        return (f"expect {expect}\nkill timeout {self.kill_timeout}\n{more}{mark(number)}"
                f"{pre_start}exec {command}\n")


def mark(number):
    """A stanza that marks a process and all that ever comes from it: a limit without effect."""
    return f"limit rss {MARK + number} {MARK + number}\n"


MARK = 7_000_000


def members(number, pids):
    """Those of the pids that bear the mark."""
    found = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
                if f" {MARK + number} " in file.read():
                    found.append(pid)
        except OSError:
            continue
    return found


# These say READY=1 where NOTIFY_SOCKET is set; redis only if it is told to.
NOTIFIERS = ["redis-for-systemd", "sshd-foreground", "rsyslogd-foreground", "dbus-foreground",
             "mariadb-foreground"]

COPY_DATABASE = "pre-start exec cp -a /run/db {folder}/db\n"

SERVICES = {
    "nginx": Service(nginx, ("nginx",), "fork", forks=1, workers=True),
    "nginx-foreground": Service(nginx, ("nginx",), "none", workers=True),
    "redis": Service(redis, ("redis-server",), "fork", forks=1),
    "redis-foreground": Service(redis, ("redis-server",), "none"),
    "redis-supervised": Service(redis_supervised, ("redis-server",), "stop"),
    "redis-for-systemd": Service(redis_for_systemd, ("redis-server",), "none"),
    "redis-twice": Service(redis_with_helper, ("redis-server", "start-stop-daemon"), "daemon",
                           forks=2),
    "cron": Service(cron, ("cron",), "fork", forks=1, pid_file="/run/crond.pid"),
    "cron-foreground": Service(cron, ("cron",), "none", pid_file="/run/crond.pid"),
    "sshd": Service(sshd, ("sshd", "ssh-keygen"), "fork", forks=1, role=SystemDaemon),
    # A child of process 1 that leads its session takes itself for a daemon already.
    "sshd-of-process-1": Service(sshd, ("sshd", "ssh-keygen"), "none", background=True),
    "sshd-foreground": Service(sshd, ("sshd", "ssh-keygen"), "none"),
    "rsyslogd": Service(rsyslogd, ("rsyslogd",), "fork", forks=1),
    "rsyslogd-foreground": Service(rsyslogd, ("rsyslogd",), "none"),
    "dbus": Service(dbus_daemon, ("dbus-daemon",), "fork", forks=1),
    "dbus-foreground": Service(dbus_daemon, ("dbus-daemon",), "none"),
    "mariadb-foreground": Service(mariadb("mariadbd"), ("mariadbd", "mariadb-install-db"), "none",
                                  pre_start=COPY_DATABASE, prepare=MARIADB_PREPARE,
                                  kill_timeout=60),
}
