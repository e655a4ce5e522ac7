"""init-checkconf: verdicts, texts and exit codes, JSON, and what no input may do to it."""
import grp
import json
import os
import pty
import pwd
import re
import resource
import shutil
import stat
import subprocess
import textwrap

import pytest

import upkeep
from upkeep import Answer, read_text, sanitizer_options

DEADLINE = 60
MEMORY = 256 << 20


class Checker:
    """init-checkconf in a folder of its own, which is its working directory."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.reports = os.path.join(self.directory, "reports.d~")  # a name that is not searched
        os.mkdir(self.reports)
        os.chmod(self.reports, 0o777)
        self.program = os.path.join(upkeep.BIN, "init-checkconf")
        if not os.path.exists(self.program):
            pytest.fail(f"{self.program}: build it, or set UPKEEP_BIN", pytrace=False)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        path = os.path.join(os.fsencode(self.directory), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return name

    def environment(self):
        return {"PATH": upkeep.SYSTEM_PATH, "LC_ALL": "C", "TERM": "xterm",
                **sanitizer_options(self.reports, leaks=True)}

    def start(self, *words, **options):
        options = {"env": self.environment(), "cwd": self.directory, "stdin": subprocess.DEVNULL,
                   "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([self.program, *words], **options)

    def run_bytes(self, *words, **options):
        with self.start(*words, **options) as process:
            try:
                out, err = process.communicate(timeout=DEADLINE)
            except BaseException:
                process.kill()
                raise
        return Answer(process.returncode, out, err)

    def run(self, *words, **options):
        code, out, err = self.run_bytes(*words, **options)
        return Answer(code, out.decode(), err.decode())

    def objects(self, *words, code=0, **options):
        """What --json prints, as Python sees it; standard error has to be empty."""
        answer = self.run_bytes("--json", *words, **options)
        assert answer.err == b"", answer
        assert answer.code == code, answer
        return [json.loads(line) for line in answer.out.decode().splitlines()]

    def one(self, *words, code=0):
        objects = self.objects(*words, code=code)
        assert len(objects) == 1
        return objects[0]

    def sanitizer_text(self):
        return "".join(read_text(os.path.join(self.reports, name))
                       for name in sorted(os.listdir(self.reports)))


@pytest.fixture
def check(tmp_path):
    checker = Checker(tmp_path)
    yield checker
    text = checker.sanitizer_text()
    assert text == "", text


@pytest.fixture
def bounded(check):
    """The same with a limit on memory, which sanitizers do not survive: the release build then."""
    if upkeep.is_sanitized(program="init-checkconf"):
        check.program = os.path.join(upkeep.RELEASE_BIN, "init-checkconf")
        if not os.path.exists(check.program):
            pytest.skip("needs the release build, for the limit on memory")
    start = check.start

    def start_bounded(*words, **options):
        return start(*words, **options, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_AS, (MEMORY, MEMORY)))
    check.start = start_bounded
    return check


# --- For a person --------------------------------------------------------------------------------

def test_valid_file(check):
    check.write("a.conf", "exec a\n")
    assert check.run("a.conf") == (0, "File a.conf: syntax ok\n", "")
    path = check.path("a.conf")
    assert check.run(path) == (0, f"File {path}: syntax ok\n", "")


def test_all_errors_of_a_file(check):
    check.write("a.conf", """\
        decription "x"
        exec a
        nice 42
        kill timeout 2s
        task now
        """)
    assert check.run("a.conf") == (1, "", textwrap.dedent("""\
        ERROR: File a.conf: syntax invalid:
        a.conf:1:1: error: unknown stanza "decription", did you mean "description"?
            1 | decription "x"
              | ^
        a.conf:3:6: error: expected a number from -20 to 19 after "nice", found "42"
            3 | nice 42
              |      ^
        a.conf:4:14: error: expected a whole number of seconds after "kill timeout", found "2s"
            4 | kill timeout 2s
              |              ^
        a.conf:5:6: error: unexpected "now": "task" takes no argument
            5 | task now
              |      ^
        """))


def test_several_files_in_their_order(check):
    check.write("a.conf", "exec a\n")
    check.write("b.conf", "exec\n")
    answer = check.run("b.conf", "a.conf", "nosuch.conf", "a.conf")
    assert answer.code == 1
    assert answer.out == "File a.conf: syntax ok\n" * 2
    assert [line for line in answer.err.splitlines() if line.startswith("ERROR")] == [
        "ERROR: File b.conf: syntax invalid:", "ERROR: File nosuch.conf does not exist"]


def test_both_streams_to_one_place_read_in_order(check):
    check.write("a.conf", "exec a\nexec b\n")
    check.write("b.conf", "nice x\n")
    check.write("c.conf", "exec a\n")
    with open(check.path("all"), "wb") as both:
        check.run_bytes("a.conf", "b.conf", "c.conf", stdout=both, stderr=both)
    assert [line[:22] for line in read_text(check.path("all")).splitlines()
            if " | " not in line] == [
        "File a.conf: syntax ok", "a.conf:2:1: warning: \"", "ERROR: File b.conf: sy",
        "b.conf:1:6: error: exp", "File c.conf: syntax ok"]


def test_warnings_follow_the_verdict(check):
    check.write("a.conf", "exec a\nstop on x\n")
    answer = check.run("a.conf")
    assert (answer.code, answer.out) == (0, "File a.conf: syntax ok\n")
    assert answer.err.startswith('a.conf:2:1: warning: "stop on" without "start on"'), answer
    assert answer.err.endswith("    2 | stop on x\n      | ^\n")


def test_strict(check):
    check.write("a.conf", "exec a\nexec b\n")
    check.write("b.conf", "exec a\n")
    answer = check.run("--strict", "a.conf", "b.conf")
    assert (answer.code, answer.out) == (1, "File b.conf: syntax ok\n")
    assert answer.err == textwrap.dedent("""\
        ERROR: File a.conf: refused because of warnings:
        a.conf:2:1: warning: "exec" replaces the "exec" at line 1, which has no effect
            2 | exec b
              | ^
        """)
    assert check.run("--strict", "b.conf") == (0, "File b.conf: syntax ok\n", "")
    # The verdict of the language stays; the exit status says the rest.
    refused, accepted = check.objects("--strict", "a.conf", "b.conf", code=1)
    assert refused["ok"] is True and len(refused["warnings"]) == 1
    assert accepted == {"file": "b.conf", "ok": True, "warnings": [],
                        "job": {"processes": {"main": {"exec": "a"}}}}


@pytest.mark.parametrize("words, message", [
    ((), "Must specify configuration file"),
    (("nosuch.conf",), "File nosuch.conf does not exist"),
    (("nosuch",), "File nosuch does not exist"),
    (("a.conf/b.conf",), "File a.conf/b.conf does not exist"),
    (("a.txt",), "File must end in .conf"),
    ((".conf",), "File must end in .conf"),
    (("/dev/null",), "File must end in .conf"),
    (("fifo.conf",), "File fifo.conf: not a regular file"),
    (("null.conf",), "File null.conf: not a regular file"),
    (("sp\x1b[2Jace.conf",), r"File sp\x1b[2Jace.conf does not exist"),
    (("socket.conf",), "File socket.conf: unable to read: No such device or address"),
])
def test_what_is_no_job_file(check, words, message):
    check.write("a.conf", "")
    check.write("a.txt", "")
    check.write(".conf", "")
    os.mkfifo(check.path("fifo.conf"))
    os.symlink("/dev/null", check.path("null.conf"))
    os.mknod(check.path("socket.conf"), stat.S_IFSOCK | 0o600)
    assert check.run(*words) == (1, "", f"ERROR: {message}\n")


def test_unknown_option(check):
    assert check.run("--nosuch", "a.conf") == (
        1, "", "ERROR: invalid option: --nosuch\nTry `init-checkconf --help' for more information.\n")


def test_unreadable_file(check):
    check.write("a.conf", "exec a\n")
    os.chmod(check.path("a.conf"), 0)
    options = {}
    if os.geteuid() == 0:
        options = {"user": upkeep.need_user("nobody").pw_uid}
        for directory in (check.directory, os.path.dirname(check.directory),
                          os.path.dirname(os.path.dirname(check.directory))):
            os.chmod(directory, 0o755)
        # The folder that it was built in may be closed to others.
        check.program = shutil.copy2(check.program, check.path("program"))
    assert check.run("a.conf", **options) == (
        1, "", "ERROR: File a.conf: unable to read: Permission denied\n")
    assert check.objects("a.conf", code=1, **options) == [
        {"file": "a.conf", "ok": False, "errors": [
            {"line": 0, "column": 0, "kind": "SystemError",
             "message": "unable to read: Permission denied"}]}]


def test_options_of_the_original(check):
    check.write("a.conf", "exec a\n")
    ok = (0, "File a.conf: syntax ok\n", "")
    for words in (["-f", "a.conf"], ["-file", "a.conf"], ["--file=a.conf"], ["-d", "a.conf"],
                  ["-debug", "a.conf"], ["-s", "a.conf"], ["-noscript", "a.conf"],
                  ["-i", "/nosuch", "a.conf"], ["-initctl-path", "/nosuch", "a.conf"],
                  ["-x", "/nosuch", "--upstart-path=/nosuch", "a.conf"], ["--", "a.conf"]):
        assert check.run(*words) == ok, words


def test_help_and_version(check):
    for option in ("--help", "-h", "-help"):
        answer = check.run(option)
        assert answer.code == 0 and answer.err == ""
        assert answer.out.startswith("Usage: init-checkconf [OPTION]... FILE|DIR...\n")
    answer = check.run("--version")
    assert answer.code == 0
    assert re.fullmatch(r"init-checkconf \(upstart 1\.13\.2\)\nupkeep \d+\.\d+\.\d+\n", answer.out)


def test_needs_no_d_bus(check):
    with open(check.program, "rb") as file:
        assert b"libsystemd" not in file.read()


# --- Scripts -------------------------------------------------------------------------------------

BAD_SCRIPTS = """\
    pre-start script
        if true
    end script
    script
        case x in
    end script
    post-stop script
        true
    end script
    pre-stop exec 'not looked at
    '
    """


def test_shell_syntax_of_a_single_file(check):
    check.write("a.conf", BAD_SCRIPTS)
    answer = check.run("a.conf")
    assert (answer.code, answer.out) == (1, "")
    lines = answer.err.splitlines()
    assert lines[0] == "ERROR: File a.conf: shell syntax invalid in pre-start section:"
    assert "yntax error" in lines[1]
    assert lines[2] == "ERROR: File a.conf: shell syntax invalid in script section:"
    assert "yntax error" in lines[3]
    assert len(lines) == 4


def test_every_section_is_looked_at_in_the_order_of_the_original(check):
    sections = ("pre-start", "post-start", "script", "pre-stop", "post-stop")
    check.write("a.conf", "".join(
        f"{one if one == 'script' else one + ' script'}\n(\nend script\n"
        for one in reversed(sections)))
    errors = [line for line in check.run("a.conf").err.splitlines() if line.startswith("ERROR")]
    assert errors == [f"ERROR: File a.conf: shell syntax invalid in {one} section:"
                      for one in sections]


def test_no_shell_for_many_files_unless_asked(check):
    check.write("a.conf", BAD_SCRIPTS)
    ok = (0, "File a.conf: syntax ok\n", "")
    assert check.run("-s", "a.conf") == ok
    assert check.run("--scripts", "-s", "a.conf") == ok  # the last one counts
    assert check.run("a.conf", "a.conf") == (0, ok[1] * 2, "")
    assert check.run(".").code == 0
    assert check.run("-s", "--scripts", "a.conf", "a.conf").code == 1
    assert check.run("--scripts", ".").code == 1
    assert "shell_errors" not in check.one("a.conf")
    found = check.one("--scripts", "a.conf", code=1)
    assert found["ok"] is True
    assert [one["section"] for one in found["shell_errors"]] == ["pre-start", "script"]
    assert all("yntax error" in one["message"] for one in found["shell_errors"])


def test_shell_sees_what_an_override_itself_sets(check):
    check.write("a.conf", BAD_SCRIPTS)
    check.write("a.override", "post-stop script\n  true\nend script\n")
    assert check.run("a.override") == (0, "File a.override: syntax ok\n", "")


def test_scripts_are_not_run(check):
    check.write("a.conf", f"script\n  touch {check.path('ran')}\nend script\n")
    assert check.run("a.conf").code == 0
    assert not os.path.exists(check.path("ran"))


def test_scripts_of_any_bytes_and_size(check):
    junk = bytes(range(1, 256)).replace(b"\n", b"").replace(b"'", b"")
    check.write("a.conf", b"script\n : '" + junk + b"'\n" + b" echo x\n" * 400_000 + b"end script\n")
    assert check.run("a.conf") == (0, "File a.conf: syntax ok\n", "")
    check.write("b.conf", b"script\n case " + junk + b"\x1b[31m\nend script\n")
    answer = check.run_bytes("b.conf")
    assert answer.code == 1
    assert answer.err.startswith(b"ERROR: File b.conf: shell syntax invalid in script section:\n")
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", answer.err)


# --- Users and groups ----------------------------------------------------------------------------

def warnings(found):
    return [(one["kind"], one["line"], one["column"]) for one in found["warnings"]]


def test_unknown_user_and_group(check):
    check.write("a.conf", "exec a\nsetuid root\n  setuid nosuchuser\nsetgid nosuchgroup\n")
    found = check.one("a.conf")
    assert warnings(found) == [("UnknownUser", 3, 3), ("UnknownGroup", 4, 1)]
    assert found["warnings"][0]["message"] == (
        'no user "nosuchuser" on this machine: the job could not start here')
    assert found["warnings"][1]["message"] == (
        'no group "nosuchgroup" on this machine: the job could not start here')
    assert check.run("--strict", "a.conf").code == 1


def test_known_user_and_group(check):
    user = pwd.getpwuid(os.geteuid()).pw_name
    group = grp.getgrgid(os.getegid()).gr_name
    check.write("a.conf", f"exec a\nsetuid {user}\nsetgid {group}\n")
    check.write("b.conf", "exec a\nsetuid 0\n")  # names only
    assert [warnings(one) for one in check.objects("a.conf", "b.conf")] == [
        [], [("UnknownUser", 2, 1)]]


def test_users_inside_a_chroot_are_not_known_here(check):
    check.write("a.conf", "exec a\nsetuid nosuchuser\nsetgid nosuchgroup\nchroot /srv\n")
    check.write("b.conf", "exec a\nchroot /srv\n")
    check.write("b.override", "setuid nosuchuser\n")
    assert [warnings(one) for one in check.objects("a.conf", "b.override")] == [[], []]


def test_account_warnings_stand_in_their_places(check):
    check.write("a.conf", "exec a\nsetuid nosuchuser\nexec b\n")
    assert [kind for kind, _, _ in warnings(check.one("a.conf"))] == [
        "UnknownUser", "DuplicateStanza"]


# --- Overrides -----------------------------------------------------------------------------------

def test_override_on_its_conf(check):
    check.write("a.conf", "start on x\nscript\n:\nend script\nsetuid nosuchuser\nenv A=1\n")
    check.write("a.override", "stop on y\nexpect fork\nenv B=2\n")
    found = check.one("a.override")
    assert found["job"] == {"env": ["B=2"], "expect": "fork",
                            "stop_on": {"event": "y", "args": []}}
    assert warnings(found) == [("ExpectWithScript", 2, 1)]  # and "stop on" has its "start on"


@pytest.mark.parametrize("conf", [None, "nice x\n"])
def test_override_by_itself(check, conf):
    if conf:
        check.write("a.conf", conf)
    check.write("a.override", "stop on y\nexpect fork\n")
    found = check.one("a.override")
    assert found["job"] == {"stop_on": {"event": "y", "args": []}, "expect": "fork"}
    assert warnings(found) == [("StopWithoutStart", 1, 1)]


def test_broken_override(check):
    check.write("a.conf", "exec a\n")
    check.write("a.override", "\nnice x\n")
    answer = check.run("a.override")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("ERROR: File a.override: syntax invalid:\na.override:2:6: error: ")


# --- JSON ----------------------------------------------------------------------------------------

def test_every_member_of_a_job(check):
    check.write("a.conf", """\
        instance $N
        description "a \\"quoted\\" text"
        author 'me'
        version 1.0
        usage "N - number"
        chroot /srv/root
        chdir /srv
        setuid nosuchuser
        setgid nosuchgroup
        apparmor switch profile
        apparmor load /etc/apparmor.d/profile
        env A=1
        env B
        env C="x  y"
        export A B
        export C
        emits one two*
        import D E
        tmpfiles a.conf b.conf
        start on (one A=1 and two) or three B!=2 "C=x y"
        stop on four 4 5
        exec run $A
        pre-start script
          one
            two
        end script
        post-start exec after
        pre-stop script
        end script
        post-stop exec last
        expect daemon
        task
        respawn
        respawn limit 3 60
        debug
        kill timeout 20
        kill signal INT
        reload signal 10
        normal exit 0 1 TERM 256
        console output
        umask 22
        nice -5
        oom score -999
        limit nofile 100 200
        limit core unlimited -1
        cgroup cpu
        cgroup memory limit 5
        cgroup blkio name key value
        """)
    found = check.one("a.conf")
    assert found["ok"] is True and found["file"] == "a.conf"
    expected = {
        "instance": "$N", "description": 'a \\"quoted\\" text', "author": "me", "version": "1.0",
        "usage": "N - number", "chroot": "/srv/root", "chdir": "/srv", "setuid": "nosuchuser",
        "setgid": "nosuchgroup", "apparmor_switch": "profile",
        "env": ["A=1", "B", "C=x  y"], "export": ["A", "B", "C"], "emits": ["one", "two*"],
        "start_on": {"or": [{"and": [{"event": "one", "args": ["A=1"]},
                                     {"event": "two", "args": []}]},
                            {"event": "three", "args": ["B!=2", "C=x y"]}]},
        "stop_on": {"event": "four", "args": ["4", "5"]},
        "processes": {"main": {"exec": "run $A"}, "pre-start": {"script": "one\n  two\n"},
                      "post-start": {"exec": "after"}, "pre-stop": {"script": ""},
                      "post-stop": {"exec": "last"},
                      "security": {"exec": "/sbin/apparmor_parser -r -W /etc/apparmor.d/profile"}},
        "expect": "daemon", "task": True, "respawn": True, "debug": True, "kill_timeout": 20,
        "kill_signal": 2, "reload_signal": 10, "respawn_limit": {"count": 3, "interval": 60},
        "normal_exit": [0, 1, 15 * 256, 256], "console": "output", "umask": "022", "nice": -5,
        "oom_score": -999,
        "limits": {"nofile": {"soft": 100, "hard": 200},
                   "core": {"soft": "unlimited", "hard": "unlimited"}},
        "cgroups": [{"controller": "cpu", "name": "$UPSTART_CGROUP"},
                    {"controller": "memory", "name": "$UPSTART_CGROUP", "key": "limit",
                     "value": "5"},
                    {"controller": "blkio", "name": "name", "key": "key", "value": "value"}],
        "import": ["D", "E"], "tmpfiles": ["a.conf", "b.conf"]}
    assert found["job"] == expected
    assert list(found["job"]) == list(expected), "the order of the members"
    assert list(found) == ["file", "ok", "job", "warnings"]


def test_an_empty_file_sets_nothing(check):
    check.write("a.conf", "")
    assert check.run_bytes("--json", "a.conf") == (
        0, b'{"file":"a.conf","ok":true,"job":{},"warnings":[]}\n', b"")


def test_errors_in_json(check):
    check.write("a.conf", "exec a\nnice x\n\nconsole tty\nscript\n")
    found = check.one("a.conf", code=1)
    assert list(found) == ["file", "ok", "errors"]
    assert found["ok"] is False
    assert [(one["line"], one["column"], one["kind"]) for one in found["errors"]] == [
        (2, 6, "BadNice"), (4, 9, "UnknownStanza"), (6, 1, "OpenBlock")]
    assert all(list(one) == ["line", "column", "kind", "message"] for one in found["errors"])
    assert found["errors"][0]["message"] == (
        'expected a number from -20 to 19 after "nice", found "x"')


def test_system_errors_in_json(check):
    os.mkfifo(check.path("fifo.conf"))
    check.write("a.txt", "")
    found = check.objects("fifo.conf", "nosuch.conf", "nosuch", "a.txt", code=1)
    assert [(one["file"], one["ok"], [(error["line"], error["column"], error["kind"])
                                      for error in one["errors"]]) for one in found] == [
        (name, False, [(0, 0, "SystemError")])
        for name in ("fifo.conf", "nosuch.conf", "nosuch", "a.txt")]


def test_any_bytes_come_back(check):
    value = b"a\xffb\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80\xc0\xaf\xe2\x82\x01\x1b\x7f\\n/\"q\""
    name = check.write(b"n\xfe\xc3\xbc \n.conf", b"env 'A=" + value + b"'\nexec x" + value + b"\n")
    answer = check.run_bytes("--json", name)
    assert answer.code == 0 and answer.err == b""
    answer.out.decode("utf-8")  # strictly
    found = json.loads(answer.out)
    assert found["file"].encode("utf-8", "surrogateescape") == name
    assert found["file"] == os.fsdecode(name)
    assert found["job"]["env"][0].encode("utf-8", "surrogateescape") == b"A=" + value
    assert found["job"]["processes"]["main"]["exec"].encode("utf-8", "surrogateescape") == (
        b"x" + value)


# --- Directories ---------------------------------------------------------------------------------

def test_directory_in_the_order_of_bytes(check):
    for name in ("b.conf", "a.override", "a.conf", "a/z.conf", "B.conf", ".x.conf", ".git/a.conf",
                 "CVS/a.conf", "c.conf.dpkg-new", "d.conf/e.conf", "#f#/a.conf", "g.txt"):
        check.write("jobs/" + name, "exec a\n")
    os.symlink("../jobs/b.conf", check.path("jobs/link.conf"))
    os.symlink("b.conf", check.path("jobs/link.override"))
    for operand in ("jobs", "jobs/"):
        answer = check.run(operand)
        assert answer.code == 0
        assert answer.out == "".join(
            f"File jobs/{name}: syntax ok\n"
            for name in (".x.conf", "B.conf", "a/z.conf", "a.conf", "a.override", "b.conf",
                         "d.conf/e.conf", "link.conf"))


def test_directory_says_what_it_cannot_read(check):
    check.write("jobs/a.conf", "exec a\n")
    os.mkfifo(check.path("jobs/fifo.conf"))
    os.symlink("nowhere", check.path("jobs/gone.conf"))
    os.symlink(".", check.path("jobs/self.conf"))
    assert check.run("jobs") == (1, "File jobs/a.conf: syntax ok\n", textwrap.dedent("""\
        ERROR: File jobs/fifo.conf: not a regular file
        ERROR: File jobs/gone.conf does not exist
        ERROR: jobs/self.conf: the directory contains itself
        """))
    found = check.objects("jobs", code=1)
    assert [(one["file"], one["ok"]) for one in found] == [
        ("jobs/a.conf", True), ("jobs/fifo.conf", False), ("jobs/gone.conf", False),
        ("jobs/self.conf", False)]


def test_empty_directory(check):
    os.mkdir(check.path("jobs"))
    assert check.run("jobs") == (0, "", "")


def test_corpus(check):
    shared = upkeep.shared_folder()
    if not shared or not os.path.exists(os.path.join(shared, "corpus", "VERDICTS.tsv")):
        pytest.skip("needs the corpus, in ../shared or $UPKEEP_SHARED")
    corpus = os.path.join(shared, "corpus")
    with open(os.path.join(corpus, "VERDICTS.tsv"), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file][1:]
    expected = {name: (verdict == "ok", line) for name, verdict, line in rows}
    found = {os.path.basename(one["file"]):
             (one["ok"], "" if one["ok"] else str(one["errors"][0]["line"]))
             for one in check.objects(corpus, code=1)}
    assert len(found) > 200
    assert found == expected


# --- Hostile input -------------------------------------------------------------------------------

def test_huge_file_is_refused_unread(bounded):
    with open(bounded.path("a.conf"), "wb") as file:
        file.truncate(100 << 20)
    assert bounded.run("a.conf") == (
        1, "", "ERROR: File a.conf: file too large (more than 4194304 bytes)\n")
    assert bounded.one("a.conf", code=1)["errors"] == [
        {"line": 1, "column": 1, "kind": "FileTooLarge",
         "message": "file too large (more than 4194304 bytes)"}]


@pytest.mark.parametrize("text, kinds", [
    (b"start on " + b"(" * 1_000_000, {"TooDeep", "ParenMismatch"}),
    (b"start on " + b"(" * 1_000_000 + b"a" + b")" * 1_000_000 + b"\n", {"TooDeep"}),
    (b"start on a" + b" or a" * 500_000 + b"\n", {"TooDeep"}),
    (b"env A=1\n" * 1_000_000, {"FileTooLarge"}),
    (b"exec a\n\0\n", {"NulByte"}),
    (b"\0" * 1_000_000, {"NulByte"}),
    (b"\xff\xfe\x80\n" * 500_000, {"UnknownStanza"}),
    (b"nice x\n" * 500_000, {"BadNice"}),
    (b'author "' + b"\n" * 4_000_000, {"OpenQuote"}),
    (b"script\n" + b"x\n" * 2_000_000, {"OpenBlock"}),
], ids=["open", "parentheses", "operators", "env", "nul", "nuls", "bytes", "errors", "quote",
        "block"])
def test_hostile_files_are_errors(bounded, text, kinds):
    bounded.write("a.conf", text)
    found = bounded.one("a.conf", code=1)
    assert {one["kind"] for one in found["errors"]} <= kinds
    assert 1 <= len(found["errors"]) <= 1000
    answer = bounded.run("a.conf")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("ERROR: File a.conf: ")
    assert len(answer.err) < 1 << 20


@pytest.mark.parametrize("text", [
    b"env A\n" * 690_000,
    b"exec a\n" * 590_000,
    b"exec " + b"x" * 4_000_000,
    b"start on a " + b"b " * 1_000_000,
    b"normal exit" + b" 1" * 1_000_000,
    b"cgroup a b\n" * 380_000,
    b"env \xff=\xfe\n" * 500_000,
], ids=["env", "exec", "command", "arguments", "statuses", "cgroups", "bytes"])
def test_hostile_files_that_are_valid(bounded, text):
    bounded.write("a.conf", text)
    assert bounded.one("a.conf")["ok"] is True
    assert bounded.run("a.conf")[:2] == (0, "File a.conf: syntax ok\n")


def test_many_errors_at_the_end_of_a_long_file(bounded):
    bounded.write("a.conf", b"env A\n" * 100_000 + b"nice x\n" * 2000)
    answer = bounded.run("a.conf")
    assert answer.code == 1
    assert answer.err.count(": error: ") == 1000
    assert answer.err.count(" | nice x\n") == 1000


def test_the_line_that_is_meant_is_shown_wherever_it_begins(check):
    names = [check.write(f"{length}.conf", "#" * length + "\nnice x\n\n" + "#" * 5000)
             for length in (*range(4085, 4100), *range(8185, 8200))]
    assert check.run(*names).err.count("    2 | nice x\n      |      ^\n") == len(names)


# --- Streams -------------------------------------------------------------------------------------

def errors_on_terminal(check, **variables):
    """What stands on standard error if it is a terminal."""
    master, slave = pty.openpty()
    try:
        check.run_bytes("a.conf", stderr=slave, env={**check.environment(), **variables})
    finally:
        os.close(slave)
    said = b""
    try:
        while part := os.read(master, 65536):
            said += part
    except OSError:  # the other side is closed
        pass
    os.close(master)
    return said.decode()


def test_colour_on_a_terminal_only(check):
    check.write("a.conf", "nice x\n")
    assert "\x1b[1;31merror:\x1b[0m" in errors_on_terminal(check)
    assert "\x1b" not in errors_on_terminal(check, TERM="dumb")
    assert "\x1b" not in errors_on_terminal(check, NO_COLOR="1")
    assert "\x1b[" in errors_on_terminal(check, NO_COLOR="")
    assert "\x1b" not in check.run("a.conf").err


@pytest.mark.parametrize("words", [["a.conf"], ["--json", "a.conf"], ["--help"]])
def test_nobody_reads_the_output(check, words):
    check.write("a.conf", "exec a\n")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        code, _, err = check.run_bytes(*words, stdout=writer)
    finally:
        os.close(writer)
    assert (code, err) == (1, b"")


def test_reader_that_leaves_early_ends_a_long_run(check):
    check.write("a.conf", "exec a\n")
    with check.start("--json", *["a.conf"] * 20_000) as process:
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(DEADLINE) == 1
        assert process.stderr.read() == b""


@pytest.mark.parametrize("words", [["a.conf"], ["--json", "a.conf"], ["--help"]])
def test_output_that_cannot_be_written(check, words):
    check.write("a.conf", "exec a\n")
    with open("/dev/full", "wb") as full:
        code, _, err = check.run_bytes(*words, stdout=full)
    assert (code, err) == (1, b"ERROR: unable to write: No space left on device\n")


def test_closed_output(check):
    check.write("a.conf", "exec a\n")
    done = subprocess.run(["/bin/sh", "-c", f"exec {check.program} a.conf >&-"],
                          cwd=check.directory, env=check.environment(), stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stderr) == (
        1, b"ERROR: unable to write: Bad file descriptor\n")


def test_errors_that_cannot_be_written(check):
    check.write("a.conf", "exec a\nexec b\n")
    with open("/dev/full", "wb") as full:
        assert check.run_bytes("a.conf", stderr=full)[0] == 1


# --- The manual ----------------------------------------------------------------------------------

def test_manual_names_every_kind():
    with open(os.path.join(upkeep.ROOT, "src", "conf", "diagnostic.h"), encoding="utf-8") as file:
        body = re.search(r"enum class DiagnosticKind \{(.*?)\};", file.read(), re.DOTALL)[1]
    kinds = re.findall(r"^  (\w+),", body, re.MULTILINE)
    assert len(kinds) > 25
    with open(os.path.join(upkeep.ROOT, "docs", "man", "init-checkconf.8"),
              encoding="utf-8") as file:
        manual = file.read()
    assert [kind for kind in [*kinds, "SystemError"] if f".It {kind}\n" not in manual] == []
