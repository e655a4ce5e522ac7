"""A program that does what its arguments say, one after the other, and then waits for a signal.

deaf       ignores TERM from now on
fork       forks; the parent exits 0, the child goes on
helper     forks a process that exits at once, and waits for its end
setsid     becomes the leader of a session
stop       raises SIGSTOP
exec       executes itself anew for the words that follow
exit=N     exits with status N
log=FILE   adds a line with its pid to the file

It ends after two minutes, should a test leave it behind.
"""
import os
import signal
import sys


def log(path):
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")


def fork():
    if os.fork() != 0:
        os._exit(0)


def helper():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def act(word, rest):
    name, _, value = word.partition("=")
    {"deaf": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
     "fork": fork,
     "helper": helper,
     "setsid": os.setsid,
     "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
     "exec": lambda: os.execv(sys.executable, [sys.executable, "-BS", __file__, *rest]),
     "exit": lambda: os._exit(int(value)),
     "log": lambda: log(value)}[name]()


for place, one in enumerate(sys.argv[1:], 2):
    act(one, sys.argv[place:])
signal.alarm(120)
while True:
    signal.pause()
