"""A second reading of the job language, written from the specification alone.

`read_job(bytes)` is what the specification of the job language says about the text of one job
file: the first error (its kind and line), or the job in the shape of `init-checkconf --json`.
`expansion.expand(text, variables)` is the expansion of `$NAME` and `${NAME}`. The sections named in
these files are those of the specification. The model is written to be compared with the parser of
src/conf, with which it shares no line; it is slow and knows nothing of good messages.

Where the specification leaves a choice, the answer carries the names of the choices met
(`Reading.choices`): the reading is then one of several right ones.
"""
import collections
import re

from condition import Condition
from lexer import JobError, Lexer, text_of

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
ULONG_MAX = 2**64 - 1

SIGNALS = {name: number for number, names in enumerate(
    "HUP INT QUIT ILL TRAP ABRT/IOT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD/CLD CONT"
    " STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO/POLL PWR SYS".split(), start=1)
    for name in names.split("/")}
UNCOMMON_SIGNALS = {"EMT", "LOST", "UNUSED"}  # where the C library has them (3.2)

RESOURCES = ("as core cpu data fsize memlock msgqueue nice nofile nproc rss rtprio sigpending"
             " stack").split()

# `job` or `error` is None; `error` is (kind, line); `choices` is a set of words.
Reading = collections.namedtuple("Reading", "job error choices")


def read_job(data):
    """The meaning of the text of one job file."""
    if 0 in data:  # 2.9
        return Reading(None, ("NulByte", 1 + data[:data.index(0)].count(b"\n")), frozenset())
    reader = JobReader(data)
    try:
        reader.read()
    except JobError as error:
        return Reading(None, (error.kind, error.line), frozenset(reader.choices))
    return Reading(reader.job, None, frozenset(reader.choices))


class JobReader(Lexer):
    """The stanzas (3)."""

    def __init__(self, data):
        super().__init__(data)
        self.job = {}

    def read(self):
        while True:
            self.skip_ws()
            if not self.has_argument():
                if self.ended():
                    return
                self.drop_line()
                continue
            name, _ = self.word()
            stanza = STANZAS.get(name)
            if stanza is None:
                raise JobError("UnknownStanza", self.line)
            stanza(self, text_of(name))

    def second_word(self, *wanted):
        """The WORD that follows a stanza name."""
        word, line = self.word()
        if text_of(word) not in wanted:
            raise JobError("UnknownStanza", line)
        return text_of(word)

    # Stanzas. Each is called with the name by which it was found.

    def string(self, name):
        value, _ = self.argument()
        self.end_stanza()
        self.job[name] = text_of(value)

    def strings(self, name):
        for value, _ in self.arguments():
            self.job.setdefault(name, []).append(text_of(value))
        self.end_stanza()

    def env(self, name):
        value, _ = self.argument()
        self.end_stanza()
        self.job.setdefault(name, []).append(text_of(value))

    def main_exec(self, _):
        self.process("main", "exec")

    def main_script(self, _):
        self.process("main", "script")

    def other_process(self, name):
        self.process(name, self.second_word("exec", "script"))

    def process(self, role, kind):
        if kind == "exec":
            text = self.command()
        else:
            self.end_stanza()
            text = self.block()
        self.job.setdefault("processes", {})[role] = {kind: text_of(text)}

    def on(self, name):
        self.second_word("on")
        self.job[f"{name}_on"] = Condition(self).read()

    def manual(self, _):
        self.job.pop("start_on", None)
        self.note_words_behind()

    def debug(self, name):
        self.job[name] = True
        self.note_words_behind()

    def note_words_behind(self):
        """3.3 a: the line goes on as a new stanza, or it is an error."""
        if self.has_argument():
            self.choices.add("words behind manual or debug")

    def task(self, name):
        self.end_stanza()
        self.job[name] = True

    def respawn(self, name):
        if not self.has_argument():
            self.end_stanza()
            self.job[name] = True
            return
        self.second_word("limit")
        count, line = self.argument()
        if count == b"unlimited":
            limit = {"count": 0, "interval": 0}
        else:
            limit = {"count": signed(count, 0, INT_MAX, JobError("BadLimit", line))}
            interval, line = self.argument()
            limit["interval"] = signed(interval, 0, LONG_MAX, JobError("BadInterval", line))
        self.end_stanza()
        self.job["respawn_limit"] = limit

    def normal(self, _):
        self.second_word("exit")
        for value, line in self.arguments():
            signal = self.signal(value)
            status = signal * 256 if signal else unsigned(value, INT_MAX,
                                                          JobError("BadExitStatus", line))
            self.job.setdefault("normal_exit", []).append(status)
        self.end_stanza()

    def expect(self, name):
        """Of these words the specification has only those of Upstart."""
        value, line = self.argument()
        what = text_of(value)
        if what == "fd":
            self.expect_fd(name)
        elif what in ("timeout", "watchdog"):
            value, line = self.argument()
            seconds = signed(value, 0, INT_MAX, JobError("BadInterval", line))
            self.end_stanza()
            self.job["expect_timeout" if what == "timeout" else what] = seconds
            if what == "watchdog" and seconds == 0:
                del self.job[what]
        elif what in ("stop", "daemon", "fork", "none", "auto", "notify"):
            self.end_stanza()
            self.job[name] = what
            self.job.pop("expect_fd", None)
        else:
            raise JobError("UnknownStanza", line)

    def expect_fd(self, name):
        value, line = self.argument()
        bad = JobError("BadDescriptor", line)
        descriptor = signed(value, 3, 1023, bad)
        if descriptor == 9:  # the script's own
            raise bad
        self.end_stanza()
        self.job[name] = "fd"
        self.job["expect_fd"] = descriptor

    def console(self, name):
        self.choice(name, "none", "output", "owner", "log")

    def choice(self, name, *values):
        value, line = self.argument()
        if text_of(value) not in values:
            raise JobError("UnknownStanza", line)
        self.end_stanza()
        self.job[name] = text_of(value)

    def kill(self, _):
        what = self.second_word("timeout", "signal", "mode")
        if what == "signal":
            self.signal_stanza("kill_signal")
            return
        if what == "mode":
            self.choice("kill_mode", "group", "main", "tree")
            return
        value, line = self.argument()
        seconds = signed(value, 0, LONG_MAX, JobError("BadInterval", line))
        self.end_stanza()
        self.job["kill_timeout"] = seconds

    def reload(self, _):
        self.second_word("signal")
        self.signal_stanza("reload_signal")

    def signal_stanza(self, member):
        value, line = self.argument()
        signal = self.signal(value) or unsigned(value, INT_MAX, JobError("BadSignal", line))
        self.end_stanza()
        self.job[member] = signal

    def signal(self, value):
        """The number of a signal name, or None."""
        name = text_of(value).removeprefix("SIG")
        if name in UNCOMMON_SIGNALS:
            self.choices.add("signal that not every C library knows")
        return SIGNALS.get(name)

    def umask(self, name):
        value, line = self.argument()
        mask = signed(value, 0, 0o777, JobError("BadUmask", line), base=8)
        self.end_stanza()
        self.job[name] = f"{mask:03o}"

    def nice(self, name):
        value, line = self.argument()
        nice = signed(value, -20, 19, JobError("BadNice", line))
        self.end_stanza()
        self.job[name] = nice

    def oom(self, _):
        value, line = self.argument()
        is_score = value == b"score"
        if is_score:
            value, line = self.argument()
        bad = JobError("BadOom", line)
        if value == b"never":
            score = -1000
        elif is_score:
            score = signed(value, -1000, 1000, bad)
        else:
            legacy = signed(value, -17, 15, bad)
            score = -(-legacy * 1000 // 17) if legacy < 0 else legacy * 1000 // 15
        self.end_stanza()
        self.job["oom_score"] = score

    def limit(self, _):
        resource, line = self.argument()
        if text_of(resource) not in RESOURCES:
            raise JobError("UnknownStanza", line)
        limit = {"soft": self.limit_value(), "hard": self.limit_value()}
        self.end_stanza()
        self.job.setdefault("limits", {})[text_of(resource)] = limit

    def limit_value(self):
        value, line = self.argument()
        if value == b"unlimited":
            return "unlimited"
        number = unsigned(value, ULONG_MAX, JobError("BadLimit", line))
        return "unlimited" if number == ULONG_MAX else number

    def apparmor(self, _):
        if self.second_word("load", "switch") == "switch":
            self.string("apparmor_switch")
            return
        profile, _ = self.argument()
        self.end_stanza()
        command = "/sbin/apparmor_parser -r -W " + text_of(profile)
        self.job.setdefault("processes", {})["security"] = {"exec": command}

    def cgroup(self, _):
        values = [text_of(self.argument()[0])]
        while self.has_argument() and len(values) < 4:
            values.append(text_of(self.argument()[0]))
        self.end_stanza()
        controller, *rest = values
        name = rest.pop(0) if len(rest) in (1, 3) else "$UPSTART_CGROUP"
        names = self.job.setdefault("cgroups", {}).setdefault(controller, {})
        settings = names.setdefault(name, {})
        if rest:
            key, value = rest
            settings[key] = value


STANZAS = {
    b"exec": JobReader.main_exec,
    b"script": JobReader.main_script,
    **dict.fromkeys((b"pre-start", b"post-start", b"pre-stop", b"post-stop"),
                    JobReader.other_process),
    **dict.fromkeys((b"start", b"stop"), JobReader.on),
    b"manual": JobReader.manual,
    b"debug": JobReader.debug,
    b"env": JobReader.env,
    **dict.fromkeys((b"export", b"emits", b"import", b"tmpfiles"), JobReader.strings),
    **dict.fromkeys((b"instance", b"description", b"author", b"version", b"usage", b"chroot",
                     b"chdir", b"setuid", b"setgid"), JobReader.string),
    b"task": JobReader.task,
    b"respawn": JobReader.respawn,
    b"normal": JobReader.normal,
    b"expect": JobReader.expect,
    b"kill": JobReader.kill,
    b"reload": JobReader.reload,
    b"console": JobReader.console,
    b"umask": JobReader.umask,
    b"nice": JobReader.nice,
    b"oom": JobReader.oom,
    b"limit": JobReader.limit,
    b"apparmor": JobReader.apparmor,
    b"cgroup": JobReader.cgroup,
}

# What the C conversions take for a number (3.2), after blanks as isspace() knows them.
DECIMAL = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-9]+)")
OCTAL = re.compile(rb"[ \t\n\v\f\r]*([+-]?)([0-7]+)")


def signed(text, low, high, bad, base=10):
    """The number in `text`, or the exception `bad` if there is none or if it is out of range."""
    number = sign_and_size(text, bad, base)
    if number is None:
        return 0
    sign, size = number
    value = -size if sign == b"-" else size
    if not -LONG_MAX - 1 <= value <= LONG_MAX or not low <= value <= high:
        raise bad
    return value


def unsigned(text, high, bad):
    """Likewise, for the unsigned conversion: a negative number wraps."""
    number = sign_and_size(text, bad, 10)
    if number is None:
        return 0
    sign, size = number
    value = -size % (ULONG_MAX + 1) if sign == b"-" else size
    if size > ULONG_MAX or value > high:
        raise bad
    return value


def sign_and_size(text, bad, base):
    if not text:
        return None
    match = (DECIMAL if base == 10 else OCTAL).fullmatch(text)
    if not match:
        raise bad
    return match[1], int(match[2], base)
