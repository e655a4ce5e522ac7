"""init-checkconf for a person: verdicts, texts, exit codes, and where they go."""
import grp
import os
import pty
import pwd
import re
import resource
import shutil
import signal
import stat
import subprocess
import textwrap

import pytest

import upkeep
from checkconf import DEADLINE, warnings
from upkeep import read_text


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


def test_among_several_a_wrong_name_is_told(check):
    check.write("a.txt", "")
    check.write("b\x1b.txt", "")
    assert check.run("a.txt", "-f", "b\x1b.txt") == (
        1, "", "ERROR: File b\\x1b.txt must end in .conf\nERROR: File a.txt must end in .conf\n")


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
    assert [(one["section"], one["kind"]) for one in found["shell_errors"]] == [
        ("pre-start", "Refused"), ("script", "Refused")]
    assert all(list(one) == ["section", "kind", "message"] for one in found["shell_errors"])
    assert all("yntax error" in one["message"] for one in found["shell_errors"])


def test_shell_is_heard_where_the_ends_of_children_are_ignored(check):
    check.write("a.conf", BAD_SCRIPTS)
    answer = check.run("a.conf", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith(
        "ERROR: File a.conf: shell syntax invalid in pre-start section:\n/bin/sh: ")


def test_shell_that_cannot_be_asked_has_refused_nothing(check):
    check.write("a.conf", BAD_SCRIPTS)
    check.limit(resource.RLIMIT_NOFILE, 4)
    reason = "cannot make a pipe: Too many open files"
    assert check.run("a.conf") == (1, "", "".join(
        f"ERROR: File a.conf: unable to check the shell syntax of the {section} section: {reason}\n"
        for section in ("pre-start", "script", "post-stop")))
    found = check.one("--scripts", "a.conf", code=1)
    assert found["ok"] is True
    assert found["shell_errors"] == [
        {"section": section, "kind": "SystemError", "message": reason}
        for section in ("pre-start", "script", "post-stop")]


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


def test_accounts_of_another_machine_are_not_asked_for(check):
    check.write("a.conf", "exec a\nsetuid nosuchuser\nsetgid nosuchgroup\n")
    assert check.run("--strict", "--no-accounts", "a.conf") == (
        0, "File a.conf: syntax ok\n", "")
    assert warnings(check.one("--no-accounts", "a.conf")) == []
    check.write("b.conf", "setuid nosuchuser\nexec a\nexec b\n")
    assert warnings(check.one("--no-accounts", "b.conf")) == [("DuplicateStanza", 3, 1)]


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
    assert warnings(found) == []  # what it is put onto is not known


def test_override_that_cures_a_warning(check):
    check.write("a.conf", "stop on x\nrespawn limit 3 4\nexec a\nexec b\n")
    check.write("a.override", "start on y\n")
    assert warnings(check.one("a.conf")) == [("LimitWithoutRespawn", 2, 1),
                                             ("DuplicateStanza", 4, 1)]
    check.write("a.override", "start on y\nbogus\n")  # which is ignored as a whole
    assert warnings(check.one("a.conf"))[0] == ("StopWithoutStart", 1, 1)


def test_override_that_says_what_is_expected(check):
    check.write("a.conf", "expect watchdog 5\nexpect timeout 5\nexec a\n")
    assert warnings(check.one("a.conf")) == [("WatchdogWithoutNotify", 1, 1),
                                             ("TimeoutWithoutExpect", 2, 1)]
    check.write("a.override", "expect notify\n")
    assert warnings(check.one("a.conf")) == []
    check.write("a.override", "expect stop\n")
    assert warnings(check.one("a.conf")) == [("WatchdogWithoutNotify", 1, 1)]
    assert warnings(check.one("a.override")) == [("WatchdogWithoutNotify", 1, 1)]


def test_broken_override(check):
    check.write("a.conf", "exec a\n")
    check.write("a.override", "\nnice x\n")
    answer = check.run("a.override")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("ERROR: File a.override: syntax invalid:\na.override:2:6: error: ")


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
        ERROR: File jobs/gone.conf: a symbolic link whose target does not exist
        ERROR: jobs/self.conf: the directory contains itself
        """))
    found = check.objects("jobs", code=1)
    assert [(one["file"], one["ok"]) for one in found] == [
        ("jobs/a.conf", True), ("jobs/fifo.conf", False), ("jobs/gone.conf", False),
        ("jobs/self.conf", False)]
    assert found[2]["errors"] == [
        {"line": 0, "column": 0, "kind": "SystemError",
         "message": "a symbolic link whose target does not exist"}]


def test_links_to_what_is_no_file_are_passed_over(check):
    check.write("jobs/a.conf", "exec a\n")
    os.mkfifo(check.path("jobs/fifo"))
    os.symlink("fifo", check.path("jobs/b.conf"))
    os.symlink("/dev/null", check.path("jobs/c.conf"))
    assert check.run("jobs") == (0, "File jobs/a.conf: syntax ok\n", "")


def test_directory_without_job_files(check):
    os.makedirs(check.path("jobs/.git"))
    check.write("jobs/readme.txt", "")
    check.write("a.conf", "exec a\n")
    assert check.run("jobs", "a.conf") == (
        0, "File a.conf: syntax ok\n", "jobs: no job files found\n")
    assert check.objects("jobs") == []


def test_directory_of_which_nothing_can_be_read_has_said_so(check):
    check.write("jobs/x", "")
    os.symlink(".", check.path("jobs/self.conf"))
    assert check.run("jobs") == (
        1, "", "ERROR: jobs/self.conf: the directory contains itself\n")


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
