"""The daemon under test, in each of its roles, and the words to talk about it.

`UserDaemon` runs `upkeepd --user`, `SystemDaemon` a supervisor below another init, `Pid1` the init
of fresh namespaces. All three are context managers with the same methods (see `Daemon`); leaving
one ends everything it started and fails the test if a sanitizer had something to say.
"""
import collections
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import textwrap
import threading

import pytest

import processes
from processes import wait_until
from wire import Connection, EventMonitor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("UPKEEP_BIN") or os.path.join(ROOT, "build", "asan", "bin")
RELEASE_BIN = os.path.join(ROOT, "build", "release", "bin")
PROGRAMS = ("upkeepd", "upkeep-logger", "initctl", "start", "stop", "restart", "reload", "status")
SYSTEM_ADDRESS = "unix:abstract=/com/ubuntu/upstart"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Answer = collections.namedtuple("Answer", "code out err")


def shared_folder():
    """Test input kept beside the repository, or None."""
    for place in (os.environ.get("UPKEEP_SHARED"), os.path.join(ROOT, "..", "shared")):
        if place and os.path.isdir(place):
            return os.path.realpath(place)
    return None


def is_sanitized(directory=None, program="upkeepd"):
    """Whether the programs are built with a sanitizer, which makes them several times slower."""
    with open(os.path.join(directory or BIN, program), "rb") as file:
        return b"__asan_init" in file.read()


def need_root():
    if os.geteuid() != 0:
        pytest.skip("needs root")


def need_program(*names):
    for name in names:
        if not shutil.which(name, path=SYSTEM_PATH):
            pytest.skip(f"needs {name}")


def need_user(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return pytest.skip(f"needs the user {name}")


def sanitizer_options(directory, leaks):
    """Reports go to files, since PID 1 has no standard error of its own."""
    common = f"log_path={directory}/sanitizer:print_stacktrace=1"
    return {"ASAN_OPTIONS": f"{common}:detect_leaks={int(leaks)}:abort_on_error=0",
            "UBSAN_OPTIONS": common}


def write_file(path, text, mode=0o644):
    """Writes beside the place and renames, so that a watcher sees the whole file at once."""
    data = text if isinstance(text, bytes) else text.encode()
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)


def read_text(path):
    """The text as it is, CR LF included; empty if there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""


# The processes that the harness itself has started and will end: not orphans of any daemon.
started = set()


def end_what_is_left():
    started.difference_update([one for one in started if one.poll() is not None])
    processes.end_orphans({one.pid for one in started})


class Daemon:
    """What the three roles have in common. Subclasses start and end the process.

    `options` are added to the daemon's command line; `bin` is the folder of the programs.
    """

    leaks = True

    def __init__(self, *options, bin=None):
        self.bin = bin or BIN
        for name in PROGRAMS:
            if not os.path.exists(os.path.join(self.bin, name)):
                pytest.fail(f"{self.bin} has no {name}: build it, or set UPKEEP_BIN", pytrace=False)
        self.options = list(options)
        self.directory = tempfile.mkdtemp(prefix="upkeep-test.", dir="/tmp")
        os.chmod(self.directory, 0o755)
        self.confdir = self.make_directory("init")
        self.reports = self.make_directory("reports", 0o777)
        self.clients = []
        self.monitors = []
        self.process = None
        self.exit_expected = False

    # Life of the daemon

    def __enter__(self):
        try:
            self.start()
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.close()
        if kind is None:
            self.check_health()

    def start(self):
        raise NotImplementedError

    def end(self):
        """Ends the daemon and all that it started."""
        raise NotImplementedError

    def close(self):
        for monitor in self.monitors:
            monitor.close()
        self.died = self.process is not None and self.process.poll() is not None
        self.end()
        for client in self.clients:
            if client.poll() is None:
                client.kill()
            client.communicate()
        self.sanitizer_text = "".join(
            read_text(os.path.join(self.reports, name)) for name in sorted(os.listdir(self.reports)))
        text = self.messages()
        if text:
            print(f"--- what the daemon said\n{text[-20000:]}")
        if self.sanitizer_text:
            print(f"--- what the sanitizers said\n{self.sanitizer_text[:20000]}")
        shutil.rmtree(self.directory, ignore_errors=True)

    def check_health(self):
        if self.sanitizer_text:
            pytest.fail("a sanitizer made a report; see the output", pytrace=False)
        if self.died and not self.exit_expected:
            pytest.fail(f"the daemon ended by itself, status {self.process.returncode}",
                        pytrace=False)

    def wait_ready(self, timeout=20):
        def answers():
            if self.process.poll() is not None:
                pytest.fail(f"the daemon ended at once, status {self.process.returncode}",
                            pytrace=False)
            return self.run("initctl", "version").code == 0
        wait_until(answers, "the daemon to answer", timeout)

    # Files

    def make_directory(self, name, mode=0o755):
        path = os.path.join(self.directory, name)
        os.mkdir(path)
        os.chmod(path, mode)
        return path

    def path(self, *names):
        """A path in the test's own folder."""
        return os.path.join(self.directory, *names)

    def conf(self, name):
        return os.path.join(self.confdir, name)

    def job(self, name, text):
        """Writes NAME.conf; if the daemon runs, waits until it knows the job."""
        write_file(self.conf(name + ".conf"), textwrap.dedent(text))
        if self.process is not None:
            wait_until(lambda: self.run("status", name).err != f"status: Unknown job: {name}\n",
                       f"job {name} to be known")

    def log_path(self, job):
        raise NotImplementedError

    def log(self, job):
        return read_text(self.log_path(job))

    def wait_log(self, job, text, timeout=20):
        wait_until(lambda: text in self.log(job), f"{text!r} in the log of {job}", timeout)
        return self.log(job)

    def messages(self):
        """What the daemon itself has said."""
        raise NotImplementedError

    def wait_message(self, pattern, timeout=20):
        """Waits for a line of the daemon that the regular expression matches; returns the line."""
        def find():
            return next((line for line in self.messages().splitlines()
                         if re.search(pattern, line)), None)
        return wait_until(find, f"the daemon to say {pattern!r}", timeout)

    # Commands

    def client_command(self, words, env):
        """The command line and environment that run a client where it reaches this daemon."""
        raise NotImplementedError

    def run(self, *words, env=None, timeout=60):
        """Runs a tool to its end: ("start", "web") -> Answer(code, out, err)."""
        command, environment = self.client_command(words, env or {})
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=timeout, errors="replace")
        return Answer(done.returncode, done.stdout, done.stderr)

    def succeed(self, *words, env=None, timeout=60):
        """Runs a tool that has to succeed; returns what it printed."""
        answer = self.run(*words, env=env, timeout=timeout)
        assert answer.code == 0, f"{' '.join(words)}: {answer}"
        assert answer.err == "", f"{' '.join(words)}: {answer}"
        return answer.out

    def background(self, *words, env=None):
        """Starts a tool and returns its Popen; `finish` collects it."""
        command, environment = self.client_command(words, env or {})
        client = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.clients.append(client)
        started.add(client)
        return client

    def finish(self, client, timeout=30):
        out, err = client.communicate(timeout=timeout)
        return Answer(client.returncode, out, err)

    # State

    def status(self, job, *variables):
        return self.run("status", job, *variables).out

    def state(self, job, *variables):
        """`start/running`, `stop/waiting`, ...; empty if the job is not known."""
        match = re.match(r"\S+(?: \(.*\))? (\w+/[\w-]+)", self.status(job, *variables))
        return match[1] if match else ""

    def wait_status(self, job, wanted, *variables, timeout=20):
        try:
            wait_until(lambda: self.state(job, *variables) == wanted, wanted, timeout)
        except AssertionError:
            raise AssertionError(
                f"waited {timeout} s for {wanted}; it is: {self.run('status', job, *variables)}"
            ) from None
        return self.status(job, *variables)

    def pid_of(self, job, *variables, role="main"):
        """The pid as the status line gives it, or None."""
        text = self.status(job, *variables)
        if role == "main":
            match = re.search(r", process (\d+)", text)
        else:
            match = re.search(rf"(?:\({role}\)|\t{role}) process (\d+)", text)
        return int(match[1]) if match else None

    def monitor(self):
        monitor = EventMonitor(self.address(), self.namespace_pid())
        self.monitors.append(monitor)
        return monitor

    def connection(self):
        connection = Connection(self.address(), self.namespace_pid())
        self.monitors.append(connection)
        return connection

    def address(self):
        return SYSTEM_ADDRESS

    def namespace_pid(self):
        """A process in whose namespaces clients have to be, or None for our own."""
        return None


class UserDaemon(Daemon):
    """`upkeepd --user` on private folders. `user` runs it as another user (needs root); `preexec`
    is called in the child before it becomes the daemon."""

    def __init__(self, *options, bin=None, user=None, env=None, startup_event=False, preexec=None):
        super().__init__(*options, bin=bin)
        self.logdir = self.make_directory("log")
        self.runtime = self.make_directory("run", 0o700)
        self.user = pwd.getpwnam(user) if user else None
        self.extra_env = env or {}
        self.preexec = preexec
        if not startup_event:
            self.options.append("--no-startup-event")
        if self.user:
            for path in (self.confdir, self.logdir, self.runtime):
                os.chown(path, self.user.pw_uid, self.user.pw_gid)
            self.bin = self.copy_programs()

    def copy_programs(self):
        """The other user may not be able to enter the folder that the programs were built in."""
        target = self.make_directory("bin")
        for name in PROGRAMS:
            shutil.copy2(os.path.join(self.bin, name), target, follow_symlinks=False)
        return target

    def environment(self):
        return {"PATH": f"{self.bin}:{SYSTEM_PATH}", "HOME": self.directory, "LC_ALL": "C",
                "XDG_RUNTIME_DIR": self.runtime, "TERM": "dumb",
                **sanitizer_options(self.reports, self.leaks), **self.extra_env}

    def start(self):
        as_user = {}
        if self.user:
            as_user = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        with open(self.path("stderr"), "ab") as output:
            self.process = subprocess.Popen(
                [os.path.join(self.bin, "upkeepd"), "--user", "--no-dbus",
                 "--confdir", self.confdir, "--logdir", self.logdir, *self.options],
                env=self.environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.directory, start_new_session=True, preexec_fn=self.preexec, **as_user)
        started.add(self.process)

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                print("the daemon did not end on SIGTERM")
                self.process.kill()
                self.process.wait()
        end_what_is_left()

    def terminate(self, timeout=30):
        """SIGTERM, as at the end of a session; returns the exit status."""
        self.exit_expected = True
        self.process.terminate()
        return self.process.wait(timeout)

    def address(self):
        uid = self.user.pw_uid if self.user else os.getuid()
        return f"unix:abstract=/com/ubuntu/upstart-session/{uid}/{self.process.pid}"

    def client_command(self, words, env):
        environment = {**self.environment(), "UPSTART_SESSION": self.address(), **env}
        environment = {key: value for key, value in environment.items() if value is not None}
        return [os.path.join(self.bin, words[0]), *words[1:]], environment

    def log_path(self, job):
        return os.path.join(self.logdir, job + ".log")

    def messages(self):
        return read_text(self.path("stderr"))


class Namespaced(Daemon):
    """A daemon in namespaces of its own: pids, mounts, network, hostname, IPC, cgroups.

    /etc and /home are overlays, so that a test may change them; /run and /var/log are empty;
    /dev holds the usual nodes, a console that is kept in `console_text`, and a kmsg that is a file.
    Nothing outside the namespaces changes, and all of it goes when process 1 ends.
    """

    leaks = False  # ended by SIGKILL, so no leak check would run
    SETUP = textwrap.dedent(r"""
        set -eu
        work=$1 console=$2 log_size=$3
        shift 3
        mount --make-rprivate /
        ip link set lo up
        mount -t tmpfs -o mode=755 tmpfs "$work/layers"
        for name in etc home; do
          mkdir "$work/layers/$name" "$work/layers/$name.work"
          mount -t overlay overlay "/$name" -o \
            "lowerdir=/$name,upperdir=$work/layers/$name,workdir=$work/layers/$name.work"
        done
        mkdir -p /etc/init
        mount --bind "$work/init" /etc/init
        mount -t tmpfs -o mode=755 tmpfs /run
        mount -t tmpfs -o "mode=755,size=$log_size" tmpfs /var/log
        mkdir /var/log/upstart
        mount -t tmpfs -o mode=755 tmpfs "$work/dev"
        for node in null zero full random urandom tty; do
          : > "$work/dev/$node"
          mount --bind "/dev/$node" "$work/dev/$node"
        done
        : > "$work/dev/console"
        mount --bind "$console" "$work/dev/console"
        : > "$work/dev/kmsg"
        mount --bind "$work/kmsg" "$work/dev/kmsg"
        mkdir "$work/dev/pts" "$work/dev/shm"
        mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$work/dev/pts"
        ln -s pts/ptmx "$work/dev/ptmx"
        ln -s /proc/self/fd "$work/dev/fd"
        mount --move "$work/dev" /dev
        cd /
        """)

    def __init__(self, *options, bin=None, log_size="64m", prepare=""):
        need_root()
        need_program("unshare", "nsenter", "ip")
        super().__init__(*options, bin=bin)
        self.log_size = log_size
        self.prepare = prepare  # shell commands run inside, before process 1 becomes the daemon
        self.console_text = ""
        self.console_ends = ()
        self.init_pid = None
        for name in ("layers", "dev"):
            self.make_directory(name)
        write_file(self.path("kmsg"), "")

    def init_command(self):
        """What process 1 of the namespaces runs."""
        raise NotImplementedError

    def environment(self):
        return {"PATH": SYSTEM_PATH, "TERM": "linux", "LC_ALL": "C",
                **sanitizer_options(self.reports, self.leaks)}

    def start(self):
        # Both ends stay open: without a writer, reading the master would fail.
        self.console_ends = master, slave = os.openpty()
        self.console_reader = threading.Thread(target=self._drain_console, args=(master,))
        self.console_reader.start()
        write_file(self.path("setup"), self.SETUP + self.prepare + '\n: > "$work/ready"\nexec "$@"\n')
        command = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--uts",
                   "--ipc", "--net", "--cgroup", "/bin/sh", self.path("setup"), self.directory,
                   os.ttyname(slave), self.log_size, *self.init_command()]
        with open(self.path("stderr"), "ab") as output:
            self.process = subprocess.Popen(
                command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True)
        started.add(self.process)

        def find_init():
            if self.process.poll() is not None:
                pytest.fail("could not set up the namespaces: " + self.messages(), pytrace=False)
            return processes.children_of(self.process.pid)
        (self.init_pid,) = wait_until(find_init, "process 1 of the namespaces")

        wait_until(lambda: find_init() and os.path.exists(self.path("ready")),
                   "the namespaces to be set up", timeout=60)

    def _drain_console(self, master):
        while True:
            try:
                data = os.read(master, 4096)
            except OSError:
                return
            self.console_text += data.decode(errors="replace")

    def end(self):
        if self.process is not None and self.process.poll() is None:
            processes.kill_quietly(self.init_pid or self.process.pid)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        end_what_is_left()
        if self.console_ends:
            master, slave = self.console_ends
            self.console_ends = ()
            os.close(slave)  # the last writer, so the reader ends
            self.console_reader.join()
            os.close(master)

    def namespace_pid(self):
        return self.init_pid

    def inside(self, *command):
        """The command line that runs `command` in the namespaces."""
        return ["nsenter", "--target", str(self.init_pid), "--mount", "--uts", "--ipc", "--net",
                "--pid", "--cgroup", "--wd=/", "--", *command]

    def shell(self, script, timeout=60):
        """Runs a shell script inside; returns what it printed. It has to succeed."""
        done = subprocess.run(self.inside("/bin/sh", "-ec", script), env=self.environment(),
                              stdin=subprocess.DEVNULL, text=True, capture_output=True,
                              timeout=timeout)
        assert done.returncode == 0, f"{script}: {done}"
        return done.stdout

    def client_command(self, words, env):
        environment = {key: value for key, value in {**self.environment(), **env}.items()
                       if value is not None}
        return self.inside(os.path.join(self.bin, words[0]), *words[1:]), environment

    def file(self, path):
        """Where a file of the namespaces is to be found from outside."""
        return f"/proc/{self.init_pid}/root{path}"

    def log_path(self, job):
        return self.file(f"/var/log/upstart/{job}.log")

    def messages(self):
        return read_text(self.path("stderr")) + read_text(self.path("kmsg")) + self.console_text

    def host_pid(self, pid):
        """Our name for the process that is `pid` inside, or None."""
        for one in processes.descendants_of(self.init_pid) + [self.init_pid]:
            try:
                if processes.status_field(one, "NSpid")[-1] == str(pid):
                    return one
            except (OSError, KeyError):
                continue
        return None

    def host_pid_of(self, job, *variables):
        pid = self.pid_of(job, *variables)
        return self.host_pid(pid) if pid else None


class Pid1(Namespaced):
    """upkeepd as process 1. The system's `startup` event is off unless `startup_event`."""

    def __init__(self, *options, startup_event=False, **others):
        super().__init__(*options, **others)
        if not startup_event:
            self.options.append("--no-startup-event")

    def init_command(self):
        return [os.path.join(self.bin, "upkeepd"), "--no-dbus", *self.options]


class SystemDaemon(Namespaced):
    """`upkeepd --system` as a child of another init, here a shell."""

    def __init__(self, *options, startup_event=False, **others):
        super().__init__(*options, **others)
        if not startup_event:
            self.options.append("--no-startup-event")

    def init_command(self):
        return ["/bin/sh", "-c", '"$@" & wait', "init", os.path.join(self.bin, "upkeepd"),
                "--system", "--no-dbus", *self.options]

    def daemon_pid(self):
        """The daemon's pid as seen from outside."""
        return next(pid for pid in processes.children_of(self.init_pid)
                    if processes.program_of(pid).endswith("/upkeepd"))
