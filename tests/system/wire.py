"""A small D-Bus client for the daemon's private socket, and a monitor of its signals.

Only what the tests need: EXTERNAL authentication, little-endian messages, method calls and
signals, no bus (so no Hello). Written against the D-Bus specification, independent of the
libraries that the daemon and its tools use.
"""
import os
import socket
import struct
import subprocess
import time

MANAGER_PATH = "/com/ubuntu/Upstart"
MANAGER = "com.ubuntu.Upstart0_6"
JOB = MANAGER + ".Job"
INSTANCE = MANAGER + ".Instance"
METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4
_FIXED = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "h": "I",
          "x": "q", "t": "Q", "d": "d"}
_HEADER = "yyyyuua(yv)"


def split_signature(signature):
    """'sa(yv)u' -> ['s', 'a(yv)', 'u']."""
    parts, start, depth = [], 0, 0
    for place, letter in enumerate(signature):
        depth += (letter in "({") - (letter in ")}")
        if depth == 0 and letter != "a":
            parts.append(signature[start:place + 1])
            start = place + 1
    return parts


def _alignment(kind):
    if kind[0] in "({":
        return 8
    if kind[0] in "sao":
        return 4
    return struct.calcsize(_FIXED[kind]) if kind in _FIXED else 1


class Writer:
    def __init__(self):
        self.data = bytearray()

    def align(self, to):
        self.data += bytes(-len(self.data) % to)

    def put(self, kind, value):
        self.align(_alignment(kind))
        if kind in _FIXED:
            self.data += struct.pack("<" + _FIXED[kind], value)
        elif kind in "so":
            text = value.encode("utf-8", "surrogateescape")
            self.data += struct.pack("<I", len(text)) + text + b"\0"
        elif kind == "g":
            self.data += bytes([len(value)]) + value.encode() + b"\0"
        elif kind == "v":
            self.put("g", value[0])
            self.put(*value)
        elif kind[0] == "a":
            self._put_array(kind[1:], value)
        else:
            for part, one in zip(split_signature(kind[1:-1]), value):
                self.put(part, one)
        return self

    def _put_array(self, kind, values):
        place = len(self.data)
        self.data += bytes(4)
        self.align(_alignment(kind))
        start = len(self.data)
        for one in values:
            self.put(kind, one)
        struct.pack_into("<I", self.data, place, len(self.data) - start)


class Reader:
    def __init__(self, data):
        self.data = data
        self.place = 0

    def align(self, to):
        self.place += -self.place % to

    def take(self, kind):
        self.align(_alignment(kind))
        if kind in _FIXED:
            return self._unpack(_FIXED[kind])
        if kind in "so":
            return self._text(self._unpack("I"))
        if kind == "g":
            return self._text(self._unpack("B"))
        if kind == "v":
            return self.take(self.take("g"))
        if kind[0] == "a":
            return self._array(kind[1:])
        return tuple(self.take(part) for part in split_signature(kind[1:-1]))

    def _unpack(self, letter):
        (value,) = struct.unpack_from("<" + letter, self.data, self.place)
        self.place += struct.calcsize(letter)
        return value

    def _text(self, size):
        text = self.data[self.place:self.place + size].decode("utf-8", "surrogateescape")
        self.place += size + 1
        return text

    def _array(self, kind):
        size = self._unpack("I")
        self.align(_alignment(kind))
        end, values = self.place + size, []
        while self.place < end:
            values.append(self.take(kind))
        return values


class DBusError(Exception):
    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


class Message:
    def __init__(self, kind, serial, fields, body):
        self.kind = kind
        self.serial = serial
        self.path = fields.get(1)
        self.interface = fields.get(2)
        self.member = fields.get(3)
        self.error = fields.get(4)
        self.reply_to = fields.get(5)
        self.body = body


_CONNECT = """
import socket, sys
peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
peer.connect(chr(0) + sys.argv[1])
with socket.socket(fileno=int(sys.argv[2])) as parent:
    socket.send_fds(parent, [b"x"], [peer.fileno()])
"""


def _connect(address, pid=None):
    """A socket connected to `unix:abstract=NAME`, from the namespaces of `pid` if given.

    Then a helper process connects, and hands the socket over: sd-bus turns away a peer that has no
    pid in its own namespace.
    """
    name = address.removeprefix("unix:abstract=")
    if pid is None:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        peer.connect("\0" + name)
    else:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            done = subprocess.run(
                ["nsenter", "--target", str(pid), "--net", "--pid", "--", "/usr/bin/python3", "-c",
                 _CONNECT, name, str(theirs.fileno())],
                pass_fds=[theirs.fileno()], capture_output=True, text=True, timeout=20)
            if done.returncode != 0:
                raise ConnectionError(done.stderr.strip().splitlines()[-1])
            (number,) = socket.recv_fds(ours, 1, 1)[1]
        peer = socket.socket(fileno=number)
    peer.settimeout(10)
    return peer


class Connection:
    """One authenticated connection. `address` is as in UPSTART_SESSION."""

    def __init__(self, address, pid=None):
        self.socket = _connect(address, pid)
        self.pending = bytearray()
        self.serial = 0
        self.signals = []
        self.replies = {}  # by serial number, those that nobody has waited for yet
        self._authenticate()

    def close(self):
        self.socket.close()

    def _authenticate(self):
        uid = str(os.getuid()).encode().hex()
        self.socket.sendall(b"\0AUTH EXTERNAL " + uid.encode() + b"\r\n")
        while b"\r\n" not in self.pending:
            self._fill()
        line, _, rest = bytes(self.pending).partition(b"\r\n")
        if not line.startswith(b"OK ") or rest:
            raise DBusError("authentication", line.decode(errors="replace"))
        self.pending.clear()
        self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        while b"\r\n" not in self.pending:
            self._fill()
        if bytes(self.pending) != b"AGREE_UNIX_FD\r\n":
            raise DBusError("authentication", bytes(self.pending).decode(errors="replace"))
        self.pending.clear()
        self.socket.sendall(b"BEGIN\r\n")

    def _fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the daemon closed the connection")
        self.pending += data

    def call(self, path, interface, member, signature="", *values, timeout=30, files=()):
        """Returns the reply's values; raises DBusError. Signals that come meanwhile are kept."""
        return self.answer(
            self.ask(path, interface, member, signature, *values, files=files), timeout)

    def ask(self, path, interface, member, signature="", *values, files=()):
        """Sends a call with these file descriptors; an `h` is an index of them. Returns its serial
        number, for `answered` and `answer`."""
        data = self.encode(path, interface, member, signature, *values, files=len(files))
        sent = socket.send_fds(self.socket, [data], list(files))
        if sent < len(data):  # else the daemon may have answered and gone by now
            self.socket.sendall(data[sent:])
        return self.serial

    def answered(self, serial):
        """Whether a call has been answered, once the daemon has seen to all that was sent."""
        self.version()
        return serial in self.replies

    def encode(self, path, interface, member, signature="", *values, reply=True, files=0):
        """The bytes of a method call, with the next serial number."""
        self.serial += 1
        fields = [(1, ("o", path)), (2, ("s", interface)), (3, ("s", member))]
        if signature:
            fields.append((8, ("g", signature)))
        if files:
            fields.append((9, ("u", files)))
        body = Writer()
        for kind, value in zip(split_signature(signature), values):
            body.put(kind, value)
        head = Writer()
        for kind, value in zip(split_signature(_HEADER), (
                ord("l"), METHOD_CALL, 0 if reply else 1, 1, len(body.data), self.serial, fields)):
            head.put(kind, value)
        head.align(8)
        return bytes(head.data + body.data)

    def manager(self, member, signature="", *values, timeout=30, files=()):
        return self.call(MANAGER_PATH, MANAGER, member, signature, *values, timeout=timeout,
                         files=files)

    def emit_with_file(self, event, file, *variables, wait=True):
        """EmitEventWithFile; `file` is a descriptor of ours."""
        return self.manager("EmitEventWithFile", "sasbh", event, list(variables), wait, 0,
                            files=[file])

    def version(self):
        (value,) = self.call(MANAGER_PATH, "org.freedesktop.DBus.Properties", "Get", "ss",
                             MANAGER, "version")
        return value

    def answer(self, serial, timeout=30):
        """Waits for the reply to a call; returns its values or raises DBusError."""
        deadline = time.monotonic() + timeout
        while serial not in self.replies:
            message = self.receive(deadline)
            if message is None:
                raise TimeoutError(f"no reply in {timeout} s")
            if message.kind == SIGNAL:
                self.signals.append(message)
            else:
                self.replies[message.reply_to] = message
        message = self.replies.pop(serial)
        if message.kind == ERROR:
            raise DBusError(message.error, message.body[0] if message.body else "")
        return message.body

    def receive(self, deadline):
        """The next message, or None when the deadline has passed."""
        while True:
            message = self._parse()
            if message is not None:
                return message
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                self._fill()
            except TimeoutError:
                return None

    def _parse(self):
        if len(self.pending) < 16:
            return None
        body_size, _, fields_size = struct.unpack_from("<III", self.pending, 4)
        head_size = (16 + fields_size + 7) // 8 * 8
        if len(self.pending) < head_size + body_size:
            return None
        reader = Reader(bytes(self.pending[:head_size + body_size]))
        del self.pending[:head_size + body_size]
        _, kind, _, _, _, serial, fields = [reader.take(k) for k in split_signature(_HEADER)]
        fields = dict(fields)
        reader.place = head_size
        body = [reader.take(k) for k in split_signature(fields.get(8, ""))]
        return Message(kind, serial, fields, body)


class Event:
    """One EventEmitted: a name and its variables, in order."""

    def __init__(self, name, variables):
        self.name = name
        self.variables = variables
        self.env = dict(one.split("=", 1) for one in variables)

    def __repr__(self):
        return " ".join([self.name, *self.variables])


class EventMonitor:
    """Collects the events and state changes of a daemon from now on, in order.

    An event is announced when it ends, not when it is emitted: `started db` comes late where it
    starts a job that takes its time. `states` holds (job, state) pairs as they are entered.
    """

    def __init__(self, address, pid=None):
        self.connection = Connection(address, pid)
        # An answer shows that the daemon knows this connection, so no event can be missed.
        self.connection.version()
        self.events = []
        self.states = []

    def close(self):
        self.connection.close()

    def _take(self, message):
        if message.kind != SIGNAL:
            return
        if message.member == "EventEmitted":
            self.events.append(Event(*message.body))
        elif message.member == "StateChanged":
            job = message.path.removeprefix(MANAGER_PATH + "/jobs/").split("/")[0]
            self.states.append((job, message.body[0]))

    def wait(self, wanted, timeout=20):
        """The first event, old or new, for which `wanted(event)` holds."""
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            for event in self.events[seen:]:
                if wanted(event):
                    return event
            seen = len(self.events)
            message = self.connection.receive(deadline)
            if message is None:
                raise AssertionError(f"no such event in {timeout} s; seen: {self.events}")
            self._take(message)

    def wait_for(self, name, job=None, timeout=20):
        return self.wait(
            lambda event: event.name == name and job in (None, event.env.get("JOB")), timeout)

    def of_job(self, job):
        """The events of one job so far, as text."""
        return [repr(event) for event in self.events if event.env.get("JOB") == job]
