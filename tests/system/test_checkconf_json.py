"""init-checkconf --json: a public format, described in docs/man/init-checkconf.8."""
import json
import os

import pytest

import upkeep


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
        expect timeout 60
        expect watchdog 30
        task
        respawn
        respawn limit 3 60
        debug
        kill timeout 20
        kill signal INT
        kill mode main
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
        "expect": "daemon", "expect_timeout": 60, "watchdog": 30, "task": True, "respawn": True, "debug": True, "kill_timeout": 20,
        "kill_signal": 2, "kill_mode": "main", "reload_signal": 10, "respawn_limit": {"count": 3, "interval": 60},
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
    four = ["line", "column", "kind", "message"]
    assert [list(one) for one in found["errors"]] == [four, four, [*four, "opening"]]
    assert found["errors"][0]["message"] == (
        'expected a number from -20 to 19 after "nice", found "x"')


@pytest.mark.parametrize("text, kind, opening", [
    ("exec a\n  author 'me\n\n", "OpenQuote", (2, 10)),
    ("  script\n:\n", "OpenBlock", (1, 3)),
    ("start on a and (b\n  or (c)\n", "ParenMismatch", (1, 16)),
])
def test_where_it_was_opened(check, text, kind, opening):
    check.write("a.conf", text)
    error, = check.one("a.conf", code=1)["errors"]
    assert error["kind"] == kind
    assert error["opening"] == {"line": opening[0], "column": opening[1]}
    assert list(error["opening"]) == ["line", "column"]


def test_what_was_never_opened_has_no_opening(check):
    check.write("a.conf", "start on a)\n")
    error, = check.one("a.conf", code=1)["errors"]
    assert list(error) == ["line", "column", "kind", "message"]
    assert error["kind"] == "ParenMismatch"


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


def test_an_object_is_a_line_by_the_rules_of_unicode_too(check):
    ends = "\x0b\x0c\r\x1c\x1d\x1e\x85\u2028\u2029"
    check.write("a.conf", f"exec a '{ends}'\n")
    out = check.run("--json", "a.conf").out
    assert out.splitlines() == [out[:-1]]
    assert json.loads(out)["job"]["processes"]["main"]["exec"] == f"a '{ends}'"


def test_the_deepest_condition_nests_as_the_manual_says(check):
    check.write("a.conf", "start on " + "(" * 999 + "a" + " or b)" * 999 + " and c\n")
    out = check.run("--json", "a.conf").out
    depth = deepest = 0
    for character in out:
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(character, 0)
        deepest = max(deepest, depth)
    assert depth == 0
    assert 1990 < deepest <= 2010
    manual = upkeep.read_text(os.path.join(upkeep.ROOT, "docs", "man", "init-checkconf.8"))
    assert "2000 levels" in manual


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
