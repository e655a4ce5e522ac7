"""Texts that look for the corners of the job language.

`Texts(seed)` makes random ones: whole job files, single stanzas with strange arguments, soup of
the words and bytes of the language, and all of these with a few bytes changed. `short_texts()` is
every short one: what matters to the lexer and to conditions shows within a few tokens.
"""
import itertools
import random

ARGUMENT_STANZAS = ("instance env description author version usage chroot chdir setuid setgid nice"
                    " umask console expect").split()
LIST_STANZAS = ("export", "emits", "normal exit", "import", "tmpfiles")
# Stanzas with numbers, and the words on both sides of what each accepts.
NUMBER_STANZAS = {
    "nice": "-21 -20 -19 19 20 +5 010",
    "umask": "0 22 022 777 0777 1000 01000 8 -1",
    "oom": "-18 -17 -16 -10 -1 7 14 15 16 never score",
    "oom score": "-1001 -1000 -999 999 1000 1001 never unlimited",
    "kill timeout": "0 5 2147483648 9223372036854775807 9223372036854775808 -1 never",
    "kill mode": "group main tree none never",
    "expect fd": "2 3 8 9 10 010 1023 1024 4294967299 -1 never",
    "expect timeout": "0 5 2147483647 2147483648 -1 never",
    "expect watchdog": "0 5 2147483647 2147483648 -1 never",
    "kill signal": "SIGNAL SIGNAL SIGNAL 0 9 64 65 2147483647 2147483648 -1",
    "reload signal": "SIGNAL SIGNAL SIGNAL 1 -18446744073709551615 2147483648",
    "normal exit": "SIGNAL SIGNAL 0 255 256 3840 2147483647 2147483648 -1",
    "normal exit 1": "SIGNAL SIGNAL 2 2147483647 2147483648",
    "respawn limit": "unlimited 0 5 2147483647 2147483648 4294967297 -1",
    "respawn limit 5": "unlimited 0 5 2147483648 9223372036854775807 9223372036854775808 -1",
    "limit core": "unlimited 0 1 -1 -2 18446744073709551614 18446744073709551615 never",
    "limit nofile 5": "unlimited 5 -1 18446744073709551615 18446744073709551616",
    "limit RESOURCE 1": "1 2",
}
SIGNALS = ("HUP INT QUIT ILL TRAP ABRT IOT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD"
           " CLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO POLL PWR SYS EMT LOST"
           " UNUSED RTMIN CLDX").split()
RESOURCES = ("as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime"
             " sigpending stack").split()
ROLES = ("pre-start", "post-start", "pre-stop", "post-stop")
KEYWORDS = (*ARGUMENT_STANZAS, *ROLES, "export", "emits", "import", "tmpfiles", "exec", "script",
            "end", "end script", "start", "stop", "on", "start on", "stop on", "manual", "debug",
            "task", "respawn", "limit", "unlimited", "never", "normal", "exit", "kill", "timeout",
            "signal", "reload", "oom", "score", "apparmor", "load", "switch", "cgroup", "and",
            "or", "none", "daemon", "fork", "auto", "notify", "fd", "watchdog", "mode", "group",
            "main", "tree", "output", "owner", "log", "core", "as", "stack",
            "rttime", "nofile", "service", "on", "TERM", "SIGHUP", "SIGIOT", "term", "UNUSED",
            "SIGSIGHUP", "SIG")
WORDS = ("a", "b", "K=v", "K!=v", "=", "x=", "=y", "and", "or", "AND", "a=b=c", "9", "-", "--",
         "it's", '"', "''", '""', '"a b"', "'a\tb'", '"(x)"', "\\(", "a\\b", "a\\ b", "\\\\", "\\#",
         "\\n", "\\$HOME", "$HOME", "${A:-b}", "'and'", '"or"', "\\and", "(", ")", "a(b)", "#",
         "a#b", '"#"', "'\n'", '"a\nb"', '" "', "/bin/sh", "\\\n", " \\\n ", "\\\r\n", "a\\\nb",
         "\n", "\r", "\f", "\v", "\xc3\xa9", "\xff", "\x80", "\xed\xa0\x80",
         "\x01", "\x7f", "\xef\xbf\xbd", "'\"'", '"\'"', '"\\""', "'\\''",
         "net/eth", "|", ";", "<", "%s", "\xef\xbb\xbf", '"a  \\\n  b"', "' \n\n '", "\\\t",
         "end", "script")
BLANKS = (" ",) * 50 + ("\t", "  ", " \t ", "\r", " \\\n", "\\\n ", " \\\n\\\n ", "\f", "", "\\ ")
ENDS = ("\n",) * 40 + (" # it's\n", "#\n", " \n", "\t# x \\\n", "\r\n", "\n\n", " x\n", "\\\n",
                       " \\\n", "")
EDGES = (0, 1, 7, 8, 15, 17, 19, 20, 64, 255, 256, 511, 512, 777, 778, 999, 1000, 1001, 2**31 - 1,
         2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1,
         2**64, 2**64 + 1, 10**30)
INDENTS = ("", "", " ", "  ", "\t", " \t", "\t ", "    ", "\r", " \r")
BLOCK_LINES = ("", "a", "echo it's", "a \\", "<<EOF", "#", "end", "endscript", "end script;",
               "end script x", "end  pre-start script", "end script \\", "End Script",
               "xend script", "end 'script'", "end script(", "\f", "\xff", " ", "end\\", "script",
               "end\fscript")
END_LINES = ("end script",) * 8 + ("end\tscript", " end  script ", "\rend\r script\r",
                                   "end script#x", "\tend script # it's", "end script\r",
                                   "end script x")
SPECIAL = "\\\\\\\n\n\n\"\"''##()()  \t\r=\f\v\x00\xff{}$-+:aE0"


class Texts:
    """Random texts, the same for the same seed. They are bytes, in Latin-1 while being made."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.pick = self.random.choice

    def job(self):
        """The text of a job file, more or less."""
        roll = self.random.random()
        if roll < 0.30:
            text = "".join(self.stanza() for _ in range(self.random.randint(1, 3)))
        elif roll < 0.50:
            text = self.condition()
        elif roll < 0.62:
            text = self.number()
        elif roll < 0.74:
            text = self.process() + self.pick(("", self.stanza()))
        elif roll < 0.86:
            text = self.soup()
        elif roll < 0.90:
            text = "".join(self.pick(SPECIAL) for _ in range(self.random.randint(1, 12)))
        else:
            text = self.service()
        if self.random.random() < 0.3:
            text = self.damaged(text)
        return text.encode("latin-1")

    def maybe(self, chance, text, otherwise=""):
        return text if self.random.random() < chance else otherwise

    def several(self, most):
        return range(self.random.randint(0, most))

    def blank(self):
        return self.pick(BLANKS)

    def end(self):
        return self.pick(ENDS)

    def word(self):
        roll = self.random.random()
        if roll < 0.6:
            return self.pick(WORDS)
        if roll < 0.8:
            return self.pick(KEYWORDS)
        if roll < 0.85:
            return self.number_word()
        return self.pick(WORDS) + self.pick(WORDS)

    def number_word(self):
        number = self.pick((self.pick(EDGES), self.random.randint(0, 40)))
        digits = self.pick((str(number), str(number), f"{number:o}", f"0{number}", f"{number:x}"))
        text = self.maybe(0.1, self.pick((" ", "\f", "\v", "  ", "\t", "\n")))
        text += self.maybe(0.35, self.pick("+-"), self.maybe(0.03, "--")) + digits
        text += self.maybe(0.1, self.pick((" ", "s", ".", "\f", "k", "\\", "-")))
        return f'"{text}"' if self.random.random() < 0.15 or text.strip() != text else text

    def stanza(self):
        roll = self.random.random()
        text = self.maybe(0.1, self.blank())
        if roll < 0.35:
            name = self.pick(ARGUMENT_STANZAS)
            arguments = self.random.choices((1, 0, 2), (8, 1, 1))[0]
        elif roll < 0.5:
            name = self.pick(LIST_STANZAS)
            arguments = self.random.randint(0, 4)
        elif roll < 0.6:
            return text + self.cgroups()
        elif roll < 0.7:
            name = self.pick(("task", "respawn", "manual", "debug", "apparmor load",
                              "apparmor switch", "limit"))
            arguments = self.random.randint(0, 3)
        elif roll < 0.8:
            return text + self.number()
        elif roll < 0.9:
            return text + self.condition()
        elif roll < 0.95:
            return text + self.process()
        else:
            name = self.word()
            arguments = self.random.randint(0, 3)
        text += self.name(name)
        for _ in range(arguments):
            text += self.blank() + self.word()
        return text + self.end()

    def cgroups(self):
        """Several of few names, since they are merged."""
        text = ""
        for _ in range(self.random.randint(1, 4)):
            text += "cgroup"
            for _ in range(self.random.choices(range(6), (1, 4, 6, 6, 6, 2))[0]):
                text += self.blank() + self.random.choices(
                    (self.pick("ab"), "$UPSTART_CGROUP", self.word()), (20, 4, 1))[0]
            text += self.end()
        return text

    def name(self, name):
        """Stanza name and second word, now and then with more than a blank between them."""
        if " " in name and self.random.random() < 0.2:
            name = name.replace(" ", self.blank(), 1)
        return name

    def number(self):
        name = self.pick(tuple(NUMBER_STANZAS))
        text = self.name(name).replace("RESOURCE", self.pick(RESOURCES)) + self.blank()
        text += self.number_argument(name)
        if self.random.random() < (0.7 if name in ("respawn limit", "limit core") else 0.2):
            text += self.blank() + self.number_argument(name)
        return text + self.end()

    def number_argument(self, stanza):
        word = self.pick(NUMBER_STANZAS[stanza].split())
        if word == "SIGNAL":
            word = self.maybe(0.3, "SIG") + self.maybe(0.05, "SIG") + self.pick(SIGNALS)
            return self.maybe(0.95, word, word.lower())
        return self.random.choices((word, f'"{word}"', self.number_word(), self.word()),
                                   (10, 1, 6, 2))[0]

    def condition(self):
        text = self.name(self.pick(("start on", "stop on"))) + self.blank()
        if self.random.random() < 0.35:
            return text + self.operand(3) + self.end()
        depth = 0
        for _ in range(self.random.randint(0, 9)):
            token = self.random.choices(
                (self.pick(("a", "b", "ev", "K=v")), self.word(), self.pick(("and", "or")), "(",
                 ")"),
                (6, 2, 5, 2.5, 2.5))[0]
            depth += (token == "(") - (token == ")")
            text += token + self.maybe(0.8, self.blank())
            if depth > 0 and self.random.random() < 0.25:
                text += self.pick(("\n", "\n ", " # it's\n", "\n\n", "\n#\n", "\n\\\n", "\r\n\t"))
        if depth > 0:
            text += self.maybe(0.7, ")" * depth)
        return text + self.end() + self.maybe(0.15, "x", self.maybe(0.15, "task\n"))

    def operand(self, depth):
        """A condition that is right, but for blanks and words."""
        if depth == 0 or self.random.random() < 0.3:
            words = [self.pick(("a", "b", '"c d"', "K=v"))]
            words += [self.maybe(0.95, self.pick(("x", '"y z"', "'and'")), self.word())
                      for _ in self.several(2)]
            words += [self.pick(("K=v", "K!=v", 'X="(y)"')) for _ in self.several(2)]
            return self.blank().join(words)
        text = self.operand(depth - 1)
        for _ in self.several(2):
            line = self.maybe(0.2, self.pick(("\n", " # x\n", "\n\t")), self.blank())
            text += line + self.maybe(0.97, self.pick(("and", "or"))) + self.blank()
            text += self.operand(depth - 1)
        return f"({text})" if self.random.random() < 0.7 else text

    def process(self):
        text = self.maybe(0.5, self.pick(ROLES) + self.blank())
        if self.random.random() < 0.4:
            text += "exec" + self.blank()
            for _ in self.several(5):
                text += self.maybe(0.85, self.word(), self.pick(SPECIAL)) + self.blank()
            return text + self.end()
        text += "script" + self.end()
        indent = self.pick(INDENTS)
        for _ in self.several(5):
            text += self.maybe(0.7, indent, self.pick(INDENTS))
            text += self.maybe(0.7, self.pick(BLOCK_LINES), self.word())
            text += self.maybe(0.9, "\n", "\r\n")
        return text + self.pick(INDENTS) + self.maybe(0.95, self.pick(END_LINES)) + self.end()

    def soup(self):
        """Words of the language in any order."""
        text = ""
        for _ in range(self.random.randint(1, 12)):
            text += self.maybe(0.5, self.pick(KEYWORDS), self.word())
            text += self.maybe(0.75, self.blank(), self.end())
        return text

    def service(self):
        """A job file as people write them."""
        lines = ['description "a server"\n', "author 'A <a@b>'\n",
                 "start on (local-filesystems and net-device-up IFACE!=lo)\n",
                 "start on runlevel [2345] or\\\n   started x\n", "stop on runlevel [!2345]\n",
                 "stop on (stopping a\n  or (stopping b JOB=c # why\n  and d))\n",
                 "respawn\n", "respawn limit 10 5\n", "limit nofile 1024 unlimited\n",
                 "env HOME=/root\n", 'env OPTS="-a -b"\n', "export A B\n", "instance $N\n",
                 "kill timeout 20\n", "console log\n", "umask 027\n", "nice -5\n",
                 "oom score -900\n",
                 "expect fork\n", "expect fd 4\n", "expect timeout 60\n", "kill mode tree\n", "\n", "# a comment\n", "   \n", "normal exit 0 1 TERM\n",
                 "pre-start script\n  mkdir -p /run/x\n\n  test -x /x || exit 0\nend script\n",
                 "exec /usr/bin/x --flag=\"a  b\" \\\n   --more # end\n",
                 "script\n\t. /etc/default/x\n\t  exec x\nend script\n", "chdir /tmp\n",
                 "post-stop exec rm -f /run/x\n", "cgroup memory\n",
                 "cgroup memory $UPSTART_CGROUP l 5\n",
                 "manual\n", "task\n", "setuid nobody\n", "emits a b-c\n", "usage 'N=x'\n"]
        text = "".join(self.pick(lines) for _ in range(self.random.randint(2, 9)))
        return text.replace("\n", "\r\n") if self.random.random() < 0.1 else text

    def damaged(self, text):
        """With a few bytes changed."""
        for _ in range(self.random.choices((1, 2, 3, 6), (6, 3, 1, 1))[0]):
            at = self.random.randint(0, len(text))
            roll = self.random.random()
            if roll < 0.4:
                text = text[:at] + self.special() + text[at:]
            elif roll < 0.6:
                text = text[:at] + text[at + self.random.randint(1, 4):]
            elif roll < 0.75:
                text = text[:at] + self.special() + text[at + 1:]
            elif roll < 0.85:
                text = text[:at]
            elif roll < 0.93:
                to = self.random.randint(at, min(len(text), at + 20))
                text = text[:to] + text[at:to] + text[to:]
            else:
                text = text[:at] + self.word() + text[at:]
        return text

    def special(self):
        # NUL makes all the rest of a text meaningless: rarely.
        if self.random.random() < 0.01:
            return "\0"
        byte = chr(self.random.randint(1, 255))
        return self.maybe(0.9, self.pick(SPECIAL.replace("\0", "")), byte)

    def expansion(self):
        """A text with references; of their variables some are empty and some unset."""
        text = "".join(self.reference(3) for _ in range(self.random.randint(1, 3)))
        if self.random.random() < 0.4:
            for _ in range(self.random.randint(1, 2)):
                at = self.random.randint(0, len(text))
                left_out = self.random.randint(0, 1)
                text = text[:at] + self.pick("${}:-+AU=\\x") + text[at + left_out:]
        return text.encode("latin-1")

    def reference(self, depth):
        roll = self.random.random()
        if depth == 0 or roll < 0.2:
            return self.pick(("$", "$$", "${}", "x", " ", ":", "-", "+", "}", "{", "\\", "\xff",
                              "\n", "1", "A", "U", "=", "?", "#"))
        odd_name = self.pick(("_1", "1", "x ", "", "K=v", "$"))
        name = self.random.choices((self.pick("ABEUKW"), odd_name, self.reference(depth - 1)),
                                   (6, 1, 2))[0]
        if roll < 0.35:
            return "$" + name
        text = "".join(self.reference(depth - 1) for _ in self.several(2))
        operator = self.pick(("", "", ":-", "-", ":+", "+", ":", ":="))
        return "${" + name + operator + (text if operator else "") + self.maybe(0.95, "}")


def short_texts():
    """Every text of a few tokens, for each of the places where a rule of its own holds."""
    quoting = ("a", "\\", '"', "'", " ", "\n", "#")
    yield from sequences("author ", quoting, 4, "\n")
    yield from sequences("exec ", quoting, 4, "")
    yield from sequences("emits x", ("a", "\\", " ", "\n", "#", "\r", '""'), 3, "\ntask\n")
    yield from sequences("", ("task", "manual", "\\", " ", "\n", "#", "\r", "\f", "\v"), 3, "")
    yield from sequences("start on ",
                         ("a ", "K=v ", "and ", "(", ")", "\n", "\\\n", '"" ', "#x\n"), 4, "\n")
    yield from sequences("stop on (", ("a ", "or ", "(", ")", "\n ", '"x\n" '), 4, "")
    yield from sequences("script\n", (" ", "\n", "end", " script", "\t", "#x", "\r", "\\"), 3,
                         "\nend script")
    yield from sequences("pre-stop script\n",
                         (" a\n", "  b\n", "\t c\n", "\n", " \n", " \tx\r\n", "  \t\n", "\r\n"), 3,
                         "end script\n")
    for stanza, words in NUMBER_STANZAS.items():
        for word in words.split():
            yield f"{stanza} {word}\n".encode()
            yield f"{stanza} {word} 5\n".encode()
    for signal in SIGNALS:
        yield f"kill signal {signal}\nreload signal SIG{signal}\nnormal exit {signal}\n".encode()


def sequences(before, pieces, most, after):
    for length in range(most + 1):
        for middle in itertools.product(pieces, repeat=length):
            yield f"{before}{''.join(middle)}{after}".encode("latin-1")
