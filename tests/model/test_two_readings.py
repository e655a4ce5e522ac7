"""Two readings of one text: the parser against a model of the specification.

The unit tests of src/conf say what its authors thought of, and they read the specification once.
job_language.py is a second reading, written from the specification without sight of the parser.
What both say of the same input is what the text says, or both misread it in the same way; where
they differ, at least one is wrong or the text is unclear. So every difference fails: decide by the
specification, and mend the one that is wrong.

The seed of the random inputs is printed; UPKEEP_SEED=N repeats a run, UPKEEP_TEXTS=N changes how
many there are. A difference is shown by the smallest input that still has it.
"""
import glob
import json
import os
import random
import re
import subprocess

import pytest

import upkeep
from expansion import ExpansionError, expand
from job_language import read_job
from lexer import text_of
from texts import Texts, short_texts

SEED = int(os.environ.get("UPKEEP_SEED") or random.randrange(1_000_000))
COUNT = int(os.environ.get("UPKEEP_TEXTS") or 20_000)
DEADLINE = 300

CHECKER = os.path.join(upkeep.BIN, "init-checkconf")
# Built for this test alone, so it is not among the programs.
EXPANDER = os.path.join(os.path.dirname(upkeep.BIN), "tests", "model", "expand_texts")

VARIABLES = (b"A=1", b"B=A", b"E=", b"K=v=w", b"W=x-y}$A", b"x-y}$A=odd", b"1=one", b"x =blank",
             b"_1=\xff")
MESSAGES = {"UnknownVariable": "Unknown parameter: ", "BadExpansionOperator": "Bad operator: ",
            "OpenBrace": "Missing closing brace"}
UNPRINTABLE = re.compile("[\x00-\x1f\x7f\udc80-\udcff]")


@pytest.fixture
def read_both(tmp_path):
    """A function from texts to their pairs of readings: ours and the model's."""
    return lambda texts: list(zip(parse_all(texts, tmp_path), map(model_of, texts), strict=True))


def parse_all(texts, folder):
    """What init-checkconf says of each text, in one run."""
    files = [folder / f"{number:07}.conf" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_bytes(text)
    try:
        lines = run(folder, [CHECKER, "--json", "--noscript", folder], may_fail=True)
    finally:
        for file in files:
            file.unlink()
    answers = [json.loads(line) for line in lines]
    assert [answer["file"] for answer in answers] == [str(file) for file in files]
    return [reading_of(answer) for answer in answers]


def run(folder, command, may_fail=False, **options):
    """The lines that a program prints, as bytes."""
    if not os.path.exists(command[0]):
        pytest.fail(f"{command[0]}: build it, or set UPKEEP_BIN", pytrace=False)
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            timeout=DEADLINE, check=False, **options,
                            env={**os.environ, **upkeep.sanitizer_options(folder, leaks=True)})
    reports = "".join(file.read_text() for file in folder.glob("sanitizer*"))
    assert not reports, reports
    assert answer.returncode == 0 or (may_fail and answer.returncode == 1), answer.stderr
    assert not answer.stderr, answer.stderr
    return answer.stdout.splitlines()


def reading_of(answer):
    """A line of init-checkconf as the model would say it, to compare as text: 1 is not true."""
    if not answer["ok"]:
        first = answer["errors"][0]
        return json.dumps([first["kind"], first["line"]])
    job = answer["job"]
    if "cgroups" in job:
        job["cgroups"] = merged_cgroups(job["cgroups"])
    return json.dumps(job, sort_keys=True)


def merged_cgroups(entries):
    """Controller, then name, then key, as the specification has them (note f)."""
    merged = {}
    for entry in entries:
        settings = merged.setdefault(entry["controller"], {}).setdefault(entry["name"], {})
        if "key" in entry:
            assert entry["key"] not in settings, f"twice: {entry}"
            settings[entry["key"]] = entry["value"]
    return merged


def model_of(text):
    """The model's reading, or None where the specification leaves a choice."""
    reading = read_job(text)
    if reading.choices:
        return None
    return json.dumps(reading.error or reading.job, sort_keys=True)


def differ(pair):
    ours, model = pair
    return model is not None and ours != model


def expect_no_difference(texts, read):
    """Fails with the smallest text of which `read` gets two readings."""
    different = [text for text, pair in zip(texts, read(texts)) if differ(pair)]
    if not different:
        return
    text = shrunk(min(different, key=len), read)
    [(ours, model)] = read([text])
    pytest.fail(f"{len(different)} of {len(texts)} texts are read differently "
                f"(UPKEEP_SEED={SEED}); the smallest is\n  {text!r}\n"
                f"  ours:  {ours}\n  model: {model}", pytrace=False)


def shrunk(text, read):
    """A smallest text with a difference that comes from `text` by leaving out bytes."""
    while True:
        smaller = sorted({text[:at] + text[at + size:] for size in (32, 8, 4, 2, 1)
                          for at in range(len(text))} - {text}, key=lambda one: (len(one), one))
        smaller = next((one for one, pair in zip(smaller, read(smaller)) if differ(pair)), None)
        if smaller is None:
            return text
        text = smaller


def test_random_jobs(read_both):
    print(f"UPKEEP_SEED={SEED}")
    texts = Texts(SEED)
    expect_no_difference([texts.job() for _ in range(COUNT)], read_both)


def test_short_jobs(read_both):
    expect_no_difference(list(short_texts()), read_both)


def test_stored_jobs(read_both):
    """The corpus of the fuzzer and, where it is there, that of real files; also damaged."""
    places = [os.path.join(upkeep.ROOT, "tests", "fuzz", "corpus", "parse_job", "*")]
    if shared := upkeep.shared_folder():
        places.append(os.path.join(shared, "corpus", "*.conf"))
    stored = []
    for path in sorted(path for place in places for path in glob.glob(place)):
        with open(path, "rb") as file:
            stored.append(file.read())
    assert len(stored) >= 10
    print(f"UPKEEP_SEED={SEED}")
    texts = Texts(SEED)
    damaged = [texts.damaged(texts.pick(stored).decode("latin-1")).encode("latin-1")
               for _ in range(COUNT // 20)]
    expect_no_difference(stored + damaged, read_both)


def test_random_expansions(tmp_path):
    """conf::expand and the model make the same of a text, or fail for the same reason."""
    variables = dict(item.split(b"=", 1) for item in VARIABLES)

    def read(texts):
        lines = run(tmp_path, [EXPANDER, *VARIABLES],
                    input=b"".join(text + b"\0" for text in texts))
        return list(zip(map(expansion_of, lines),
                        (model_expansion_of(text, variables) for text in texts), strict=True))

    print(f"UPKEEP_SEED={SEED}")
    texts = Texts(SEED)
    expect_no_difference([texts.expansion() for _ in range(COUNT)], read)


def expansion_of(line):
    """A line of expand_texts: the text, or the kind of the error and the name it tells."""
    answer = json.loads(line)
    if "text" in answer:
        return answer["text"]
    [kind] = [kind for kind, start in MESSAGES.items() if answer["error"].startswith(start)]
    name = answer["error"].removeprefix(MESSAGES[kind]) if kind == "UnknownVariable" else None
    return kind, name


def model_expansion_of(text, variables):
    try:
        return text_of(expand(text, variables))
    except ExpansionError as error:
        if error.name is None:
            return error.kind, None
        # Messages show what a terminal should not get as \xNN.
        return error.kind, UNPRINTABLE.sub(hexadecimal, text_of(error.name))


def hexadecimal(match):
    return f"\\x{ord(match[0]) & 0xff:02x}"
