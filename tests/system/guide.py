"""The guide's service, installed as a person would: a folder with the program and a virtualenv."""
import os
import shutil

from upkeep import ROOT, need_program, need_user

EXAMPLE = os.path.join(ROOT, "examples", "guide")
HOME = "/home/ditto/animeta"
PORT = 11000


def need_guide():
    need_program("gunicorn")
    need_user("www-data")


def job_text():
    with open(os.path.join(EXAMPLE, "guide.conf"), encoding="utf-8") as file:
        return file.read()


def install_commands(home=HOME):
    """Shell commands that install the program at `home`, with a virtualenv's env/bin/gunicorn."""
    gunicorn = shutil.which("gunicorn", path="/usr/local/bin:/usr/bin")
    return "\n".join([
        f"mkdir -p {home}/env/bin",
        f"cp -r '{EXAMPLE}/animeta' {home}/",
        f"ln -s {gunicorn} {home}/env/bin/gunicorn",
        f"chmod -R a+rX {home}",
    ])


def fetch(daemon, path="/", port=PORT, timeout=10):
    """GET inside the daemon's network; the text, or None if nobody answers well."""
    program = ("import sys, urllib.request as u; "
               f"sys.stdout.write(u.urlopen('http://127.0.0.1:{port}{path}', timeout={timeout})"
               ".read().decode())")
    try:
        return daemon.shell(f'/usr/bin/python3 -c "{program}" 2>/dev/null')
    except AssertionError:
        return None
