"""What the jobs of the tests run: lines of shell, and a program that acts as its arguments say."""
import os

SERVICE = "exec sleep 1000\n"
ACTOR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "actor.py")


def released_by(path):
    """A script's lines that wait for a file to appear."""
    return f"while [ ! -e {path} ]; do sleep 0.02; done"


def release(path):
    """Ends the waiting of `released_by`."""
    open(path, "w", encoding="utf-8").close()


def acting(*words):
    """A command line: see actor.py for the words."""
    return f"/usr/bin/python3 -BS {ACTOR} {' '.join(words)}"
