"""A program that does what its arguments say, one after the other, and then waits for a signal.

deaf       ignores TERM from now on
fork       forks; the parent exits 0, the child goes on when it has gone: a child that ends before
           its parent looks like a helper
helper     forks a process that exits at once, and waits for its end
setsid     becomes the leader of a session
stop       raises SIGSTOP
exec       executes itself anew for the words that follow
exit=N     exits with status N
signal=N   sends itself the signal
log=FILE   adds a line with its pid to the file
wait=FILE  waits until the file exists
child=W,W  forks a process that goes on with these words (a comma between them) and then waits;
           this one goes on at once
escape=W,W the same in a process that has cut all ties: forked twice, with a session of its own,
           no descriptor and no variable
notify=TEXT    sends the text to $NOTIFY_SOCKET; %p is its pid, and a + starts a line
junk           sends there whatever makes no sense, and much of it
write=N:TEXT   writes the text and a newline to descriptor N
private=DIR    from now on the folder is an empty one of its own (needs root)
run            executes the words that follow

It ends after two minutes, should a test leave it behind.
"""
import ctypes
import os
import signal
import socket
import sys
import time

CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 0x40000


def log(path):
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")


def fork():
    parent = os.getpid()
    if os.fork() != 0:
        os._exit(0)
    while os.getppid() == parent:
        time.sleep(0.001)


def helper():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def wait_for_file(path):
    while not os.path.exists(path):
        time.sleep(0.02)


def child(words):
    if os.fork() == 0:
        go_on(words.split(","))


def escape(words):
    if os.fork() != 0:
        return
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    os.closerange(0, 1 << 16)
    os.execve(sys.executable, [sys.executable, "-BS", __file__, *words.split(",")], {})


def notify_socket():
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
    address = os.environ["NOTIFY_SOCKET"]
    sender.connect("\0" + address[1:] if address.startswith("@") else address)
    return sender


def notify(text):
    with notify_socket() as sender:
        sender.send(text.replace("+", "\n").replace("%p", str(os.getpid())).encode())


def junk():
    with notify_socket() as sender:
        for data in (b"", b"\0", b"\n" * 4096, bytes(range(256)) * 256, b"READY", b"=1", b"READY=2",
                     b"MAINPID=-1", b"MAINPID=1", b"MAINPID=99999999999999999999", b"x" * 65536,
                     b"WATCHDOG_USEC=1e9", b"STATUS=" + b"\xff\x1b[2J" * 8000):
            sender.send(data)
        for _ in range(50):
            socket.send_fds(sender, [b"FDSTORE=1"], [0] * 200)
        for _ in range(5000):
            sender.send(b"STATUS=busy")


def write(value):
    number, _, text = value.partition(":")
    os.write(int(number), text.encode() + b"\n")


def make_private(path):
    libc = ctypes.CDLL(None, use_errno=True)
    for done in (libc.unshare(CLONE_NEWNS),
                 libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None),
                 libc.mount(b"tmpfs", path.encode(), b"tmpfs", 0, None)):
        if done != 0:
            sys.exit(os.strerror(ctypes.get_errno()))


def act(word, rest):
    name, _, value = word.partition("=")
    {"deaf": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
     "fork": fork,
     "helper": helper,
     "setsid": os.setsid,
     "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
     "exec": lambda: os.execv(sys.executable, [sys.executable, "-BS", __file__, *rest]),
     "exit": lambda: os._exit(int(value)),
     "signal": lambda: os.kill(os.getpid(), int(value)),
     "log": lambda: log(value),
     "wait": lambda: wait_for_file(value),
     "child": lambda: child(value),
     "escape": lambda: escape(value),
     "notify": lambda: notify(value),
     "junk": junk,
     "write": lambda: write(value),
     "private": lambda: make_private(value),
     "run": lambda: os.execvp(rest[0], rest)}[name]()


def go_on(words):
    for place, one in enumerate(words, 1):
        act(one, words[place:])
    signal.alarm(120)
    while True:
        signal.pause()


go_on(sys.argv[1:])
