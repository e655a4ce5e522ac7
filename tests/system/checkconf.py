"""init-checkconf as its tests run it. The fixtures `check` and `bounded` are in conftest.py."""
import json
import os
import resource
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
        self.options = {}  # of Popen, beside those that each call may give
        self.options = {}  # of Popen, beside those that each call may give
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
                   "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **self.options,
                   **options}
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

    def limit_memory(self, size):
        """Sanitizers do not survive a limit on memory: the release build then."""
        if upkeep.is_sanitized(program="init-checkconf"):
            self.program = os.path.join(upkeep.RELEASE_BIN, "init-checkconf")
            if not os.path.exists(self.program):
                pytest.skip("needs the release build, for the limit on memory")
        self.limit(resource.RLIMIT_AS, size)

    def limit(self, what, value):
        """For whatever is started from now on."""
        self.options["preexec_fn"] = lambda: resource.setrlimit(what, (value, value))


def warnings(found):
    """Kind and place of each warning in an object."""
    return [(one["kind"], one["line"], one["column"]) for one in found["warnings"]]
