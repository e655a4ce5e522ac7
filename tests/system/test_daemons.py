"""Real services, in the foreground and in the background, with the `expect` that fits and with each
that does not: nothing ever hangs, and whatever can be found is found.

All the jobs of one service run at the same time, since most of their time is waiting.
"""
import pytest

import processes
from processes import wait_until
from services import NOTIFIERS, PREPARE, SERVICES, members
from upkeep import need_program, read_text

# s; what never ends takes longer. A wrong `expect` costs up to 5 s of rest, and those here obey TERM
# in much less than their kill timeout; the rest is for a busy machine.
LONG = 30
EXPECTS = ["none", "stop", "fork", "daemon", "auto"]


def outcome(service, expect):
    """right: it is found. settled: found, with a warning. ended: the job ends with the process
    that it followed. child, settled child: one that the service has forked is taken for it.
    halted, settled halted: nobody lets it go on after its SIGSTOP."""
    if expect in (service.right, "auto", "notify"):
        return "right"
    if service.right == "stop":
        return "halted" if expect == "none" else "settled halted"
    wanted = {"none": 0, "stop": 0, "fork": 1, "daemon": 2}[expect]
    if service.forks > wanted:
        return "ended"
    if service.workers and wanted > service.forks:
        return "child" if wanted == service.forks + 1 else "settled child"
    return "settled"


class Case:
    """One job: a service with one `expect`."""

    def __init__(self, daemon, service, expect, number, more="kill mode tree\n"):
        self.daemon = daemon
        self.service = service
        self.expect = expect
        self.number = number
        self.name = f"web-{expect}"
        self.outcome = outcome(service, expect)
        self.folder = daemon.make_directory(self.name)
        daemon.job(self.name, service.job(self.folder, number, expect, more))

    def members(self):
        return members(self.number, processes.descendants_of(self.daemon.init_pid))

    def run(self, verb):
        """Starts the command; `answer` waits for it."""
        self.client = self.daemon.background(verb, self.name)

    def answer(self):
        return self.daemon.finish(self.client, timeout=LONG)

    def service_pid(self):
        """The service's pid in the namespaces, as it has written it down itself."""
        path = self.service.pid_file.format(folder=self.folder)
        if not path.startswith(self.folder):  # in a folder that only its own processes can see
            path = f"/proc/{self.daemon.host_pid_of(self.name)}/root{path}"
        return int(wait_until(lambda: read_text(path).strip(), f"the pid file of {self.name}"))

    def warnings(self):
        return [line for line in self.daemon.messages().splitlines()
                if self.name in line and "expect" in line]

    def is_found(self):
        """The service, in spite of a wrong `expect`: which of several processes looks like a helper
        depends on who comes first."""
        if self.daemon.state(self.name) != "start/running":
            return False
        found = read_text(f"{self.folder}/pid").strip()
        return found != "" and self.daemon.pid_of(self.name) == int(found)

    def check_started(self):
        if self.outcome == "ended":
            self.answer()
            if wait_until(lambda: self.daemon.state(self.name) == "stop/waiting" or
                          (self.is_found() and "found"), f"{self.name} to end", LONG) == "found":
                self.outcome = "found"
                return
            assert self.warnings(), f"nothing was said of {self.name}"
            assert not self.members()
            return
        assert self.answer().code == 0, self.name
        assert self.daemon.state(self.name) == "start/running", self.name
        pid = self.daemon.pid_of(self.name)
        if "settled" in self.outcome:
            assert self.warnings(), f"nothing was said of {self.name}"
        if "halted" in self.outcome:
            wait_until(lambda: processes.status_field(self.daemon.host_pid(pid), "State")[0] == "T",
                       f"{self.name} to stop itself")
        if "child" in self.outcome or "halted" in self.outcome:
            assert self.daemon.host_pid(pid) in self.members(), self.name
            return
        assert pid == self.service_pid(), self.name
        if self.outcome == "settled":
            assert any(f"expect {self.service.right}" in line for line in self.warnings()), (
                self.name, self.warnings())
        else:
            assert not self.warnings()

    def check_stopped(self):
        found = self.answer()
        assert not self.members(), self.name
        if self.outcome == "ended":
            assert found.code == 1 and "Unknown instance" in found.err
            return
        assert found == (0, f"{self.name} stop/waiting\n", "")
        killed = any("KILL" in line and self.name in line
                     for line in self.daemon.messages().splitlines())
        # Who had stopped itself may have gone on when its tree was looked through, and heard TERM.
        assert not killed or "halted" in self.outcome, self.name


def run_cases(name, expects):
    service = SERVICES[name]
    need_program(*service.programs)
    daemon = service.role(prepare=PREPARE + service.prepare)
    cases = [Case(daemon, service, expect, number) for number, expect in enumerate(expects)]
    with daemon:
        for verb, check in (("start", Case.check_started), ("stop", Case.check_stopped)):
            for case in cases:
                case.run(verb)
            for case in cases:
                check(case)


@pytest.mark.parametrize("name", SERVICES)
def test_each_expect(name):
    run_cases(name, EXPECTS)


@pytest.mark.parametrize("name", NOTIFIERS)
def test_those_that_notify(name):
    """They have 90 seconds to say that they are ready; one that never does is seen by its deadline,
    not taken as started."""
    run_cases(name, ["notify"])
