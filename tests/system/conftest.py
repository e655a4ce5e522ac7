"""Fixtures of the system tests. The daemons themselves are in upkeep.py."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import checkconf  # noqa: E402
import processes  # noqa: E402
from upkeep import Pid1, SystemDaemon, UserDaemon  # noqa: E402


def pytest_sessionstart():
    processes.become_subreaper()


@pytest.fixture
def daemon():
    """A running `upkeepd --user` without jobs."""
    with UserDaemon() as one:
        yield one


@pytest.fixture
def pid1():
    """upkeepd as process 1 of namespaces, without jobs."""
    with Pid1() as one:
        yield one


@pytest.fixture
def system_daemon():
    """`upkeepd --system` below another init, without jobs."""
    with SystemDaemon() as one:
        yield one


@pytest.fixture
def check(tmp_path):
    """init-checkconf in an empty folder."""
    checker = checkconf.Checker(tmp_path)
    yield checker
    text = checker.sanitizer_text()
    assert text == "", text


@pytest.fixture
def bounded(check):
    """The same with a limit on memory."""
    check.limit_memory(checkconf.MEMORY)
    return check
