"""`$NAME` and `${NAME}`, for the model: see job_language.py (section 5.2)."""
import re


class ExpansionError(Exception):
    """An error of expansion: its kind (7.3), and the name for an unknown variable."""

    def __init__(self, kind, name=None):
        super().__init__(kind, name)
        self.kind = kind
        self.name = name


NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")


def expand(text, variables):
    """`text` with the values of `variables` (a dict of bytes) in it (5.2)."""
    return Expansion(text, variables).until(b"")


class Expansion:
    """A text being expanded from left to right."""

    def __init__(self, text, variables):
        self.text = text
        self.variables = variables
        self.at = 0

    def until(self, ends):
        """Expands up to the first of the bytes in `ends` outside a reference, or to the end."""
        out = bytearray()
        while self.at < len(self.text) and self.text[self.at] not in ends:
            if self.text[self.at] == ord("$"):
                out += self.reference()
            else:
                out.append(self.text[self.at])
                self.at += 1
        return bytes(out)

    def next_byte(self):
        byte = self.text[self.at:self.at + 1]
        self.at += len(byte)
        return byte

    def reference(self):
        """The value of the reference at a dollar sign, or the dollar sign."""
        self.at += 1
        if self.text.startswith(b"{}", self.at):
            self.at += 2
            return b"$"
        if self.text.startswith(b"{", self.at):
            self.at += 1
            return self.braces()
        match = NAME.match(self.text, self.at)
        if not match:
            return b"$"
        self.at = match.end()
        return self.value(match[0])

    def value(self, name):
        if name not in self.variables:
            raise ExpansionError("UnknownVariable", name)
        return self.variables[name]

    def braces(self):
        """What stands behind `${`."""
        name = self.until(b"}:-+")
        operator = self.next_byte()
        if operator == b"":
            raise ExpansionError("OpenBrace")
        if operator == b"}":
            return self.value(name)
        test_empty = operator == b":"
        if test_empty:
            operator = self.next_byte()
            if operator not in (b"-", b"+"):
                raise ExpansionError("BadExpansionOperator")
        text = self.until(b"}")
        if self.next_byte() == b"":
            raise ExpansionError("OpenBrace")
        value = self.variables.get(name)
        there = value is not None and not (test_empty and not value)
        if operator == b"+":
            return text if there else b""
        return value if there else text
