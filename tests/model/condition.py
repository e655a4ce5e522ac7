"""`start on` and `stop on`, for the model: see job_language.py (sections 4.1 and 4.2)."""
from lexer import EVENT_END, JobError, text_of


class Open:
    """What stands between an open parenthesis (or the start) and now."""

    def __init__(self):
        self.left = None  # the tree of everything before `operator`
        self.operator = None
        self.operand = None  # the last event, or the tree of the last parentheses
        self.in_event = False  # whether arguments still go to `operand`
        self.named = False  # whether that event was given KEY=VALUE
        self.no_operator = False  # whether that event follows an operand without an operator

    def check(self, line):
        """The operand must be complete now, as the token at `line` says."""
        if self.no_operator:
            raise JobError("MissingOperator", line)
        if self.operand is None:
            raise JobError("MissingEvent", line)

    def tree(self):
        if self.operator is None:
            return self.operand
        return {self.operator: [self.left, self.operand]}


class Condition:
    """What follows `start on` and `stop on` (4.1, 4.2)."""

    def __init__(self, lexer):
        self.lexer = lexer
        self.open = [Open()]
        self.last_line = None

    def read(self):
        lexer = self.lexer
        if not lexer.has_argument():
            raise JobError("MissingToken", lexer.line)
        while self.next_token():
            line = self.last_line = lexer.line
            if lexer.next_is(b"("):
                lexer.step()
                lexer.skip_blanks()
                self.parenthesis(line)
            elif lexer.next_is(b")"):
                lexer.step()
                lexer.skip_blanks()
                self.close(line)
            else:
                self.event_word(line)

        top = self.open[-1]
        top.check(self.last_line)
        if len(self.open) > 1:
            raise JobError("ParenMismatch", lexer.line)
        lexer.drop_line()
        return top.tree()

    def next_token(self):
        """Goes to the next token; False at the end of the expression."""
        lexer = self.lexer
        if lexer.has_argument():
            return True
        if lexer.ended() or len(self.open) == 1:
            return False
        lexer.drop_line()
        lexer.skip_ws()
        if lexer.data.startswith(b"\\\n", lexer.at):
            lexer.choices.add("continuation at the start of a line in parentheses")
            lexer.skip_blanks()
        if lexer.ended():
            return False
        if not lexer.has_argument():
            raise JobError("MissingToken", lexer.line)
        return True

    def parenthesis(self, line):
        if self.open[-1].operand is not None:
            raise JobError("MissingOperator", line)
        self.open.append(Open())

    def close(self, line):
        top = self.open[-1]
        if len(self.open) == 1 and top.operand is None and top.operator is None:
            raise JobError("ParenMismatch", line)
        top.check(line)
        if len(self.open) == 1:
            raise JobError("ParenMismatch", line)
        self.open.pop()
        self.open[-1].operand = top.tree()
        self.open[-1].in_event = False

    def event_word(self, line):
        lexer = self.lexer
        start = lexer.at
        raw = lexer.token(EVENT_END, strip=False)
        if raw in (b"and", b"or"):
            lexer.skip_blanks()
            self.operator(text_of(raw), line)
            return
        lexer.at, lexer.line = start, line
        word = lexer.token(EVENT_END, strip=True)
        lexer.skip_blanks()
        self.word(word)

    def operator(self, name, line):
        top = self.open[-1]
        top.check(line)
        top.left = top.tree()
        top.operator = name
        top.operand = None
        top.in_event = False

    def word(self, word):
        top = self.open[-1]
        if not top.in_event:
            top.no_operator = top.operand is not None
            top.operand = {"event": text_of(word), "args": []}
            top.in_event = True
            top.named = False
            return
        if b"=" in word:
            top.named = True
        elif top.named:
            raise JobError("PositionalAfterNamed", self.lexer.line)
        top.operand["args"].append(text_of(word))
