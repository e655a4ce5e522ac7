"""What only a kernel of our own shows: upkeepd boots it, and runs checks/NAME.sh as a job."""

import os
import platform
import shutil
from pathlib import Path

import machine
import pytest


@pytest.fixture(scope="session", name="console")
def booted(tmp_path_factory):
    """All that the machine said, from its start to its power-off."""
    if platform.machine() != "x86_64":
        pytest.skip("the virtual machine is an amd64 one")
    directory = tmp_path_factory.mktemp("machine")
    kernel = next(Path(os.environ["UPKEEP_KERNEL"]).glob("boot/vmlinuz-*"))
    image = machine.make_image(Path(os.environ["UPKEEP_BUILD"]), directory)
    yield machine.boot(kernel, image)
    shutil.rmtree(directory)


def test_the_machine_comes_up_and_powers_off(console):
    assert "@@ done" in console, console[-4000:]
    assert "Kernel panic" not in console, console[-4000:]
    assert "ended: no power-off" not in console, console[-4000:]


@pytest.mark.parametrize("name", sorted(path.stem for path in machine.HERE.glob("checks/*.sh")))
def test_check(console, name):
    outcome = machine.outcomes(console).get(name)
    assert outcome is not None, f"{name} did not end:\n{console[-4000:]}"
    assert outcome.status == 0, outcome.text


def test_no_unit_test_of_the_controllers_was_skipped(console):
    text = machine.outcomes(console)["controllers"].text
    skipped = [line for line in text.splitlines() if "SKIPPED" in line and "Unified" in line]
    assert not skipped, text
    assert "UnifiedControllersTest.LimitOfMemoryHolds" in text, text
