"""Tokens and blocks of a job file, for the model: see job_language.py (section 2)."""
import re

WS = b" \t\r"
LF = 10
BACKSLASH = ord("\\")
QUOTES = b"'\""

TOKEN_END = WS + b"#\n"
EVENT_END = b"()" + TOKEN_END
COMMAND_END = b"#\n"

# The end line of a block (2.6).
END_SCRIPT = re.compile(rb"[ \t\r]*end[ \t\r]+script[ \t\r]*(#.*)?", re.DOTALL)


class JobError(Exception):
    """The first error of a text (7.3)."""

    def __init__(self, kind, line):
        super().__init__(kind, line)
        self.kind = kind
        self.line = line


def text_of(data):
    return data.decode("utf-8", "surrogateescape")


class Lexer:
    """Tokens and blocks of a text (2)."""

    def __init__(self, data):
        self.data = data
        self.at = 0
        self.line = 1
        self.choices = set()

    def ended(self):
        return self.at == len(self.data)

    def step(self):
        """Takes the next byte."""
        byte = self.data[self.at]
        self.at += 1
        self.line += byte == LF
        return byte

    def next_is(self, wanted):
        """Whether the next byte is one of these."""
        return not self.ended() and self.data[self.at] in wanted

    def skip_ws(self):
        while self.next_is(WS):
            self.step()

    def skip_blanks(self):
        """What is skipped between tokens: blanks and continuations (2.4)."""
        while True:
            self.skip_ws()
            if not self.data.startswith(b"\\\n", self.at):
                return
            self.step()
            self.step()

    def has_argument(self):
        return not self.ended() and not self.next_is(b"#\n")

    def drop_line(self):
        while not self.ended() and self.step() != LF:
            pass

    def token(self, ends, strip):
        """One token, read by the rules of 2.3."""
        out = bytearray()
        blanks = bytearray()
        fold = escape = False
        quote = None

        def flush():
            nonlocal fold
            out.extend(b" " if fold else blanks)
            blanks.clear()
            fold = False

        while not self.ended():
            byte = self.data[self.at]
            if not escape and quote is None and byte in ends:
                break
            self.step()
            if escape:
                escape = False
                if byte == LF:
                    fold = True
                    continue
                flush()
                if not strip or (byte != BACKSLASH and byte not in WS):
                    out.append(BACKSLASH)
                out.append(byte)
            elif byte == BACKSLASH:
                escape = True
            elif byte == quote or (quote is None and byte in QUOTES):
                flush()
                quote = None if quote else byte
                if not strip:
                    out.append(byte)
            elif byte == LF:  # in quotes: elsewhere it ends every token
                fold = True
            elif byte in WS:
                blanks.append(byte)
            else:
                flush()
                out.append(byte)

        if escape:
            raise JobError("DanglingBackslash", self.line)
        if quote:
            raise JobError("OpenQuote", self.line)
        if not out:
            if not fold:
                raise JobError("MissingToken", self.line)
            self.choices.add("empty token before a continuation")
        return bytes(out)

    def word(self):
        """A WORD and the blanks behind it: the word and its line."""
        line = self.line
        word = self.token(TOKEN_END, strip=False)
        self.skip_blanks()
        return word, line

    def argument(self):
        """An ARG and the blanks behind it: the argument and its line."""
        line = self.line
        argument = self.token(TOKEN_END, strip=True)
        self.skip_blanks()
        return argument, line

    def arguments(self):
        """One or more ARGs."""
        yield self.argument()
        while self.has_argument():
            yield self.argument()

    def end_stanza(self):
        """The stanza is complete: nothing but a comment may follow."""
        if self.has_argument():
            raise JobError("ExtraToken", self.line)
        self.drop_line()

    def command(self):
        """The COMMAND of an `exec` (2.5)."""
        command = self.token(COMMAND_END, strip=False)
        self.drop_line()
        return command

    def block(self):
        """The lines of a block without their common indent (2.6)."""
        lines = []
        while not self.ended():
            start = self.at
            self.drop_line()
            line = self.data[start:self.at]
            if END_SCRIPT.fullmatch(line.removesuffix(b"\n")):
                return b"".join(without_indent(lines))
            lines.append(line)
        raise JobError("OpenBlock", self.line)


def without_indent(lines):
    if not lines:
        return lines
    first = lines[0]
    indent = first[:len(first) - len(first.lstrip(WS))]
    for line in lines:
        while not line.startswith(indent):
            indent = indent[:-1]
    return [line[len(indent):] for line in lines]
