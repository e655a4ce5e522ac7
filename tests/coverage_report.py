"""How much of a folder the tests run: a table by file of lines and branches, and what is left over.

    coverage_report.py FOLDER TARGET PROFILE PROGRAM...

FOLDER holds the sources; TARGET is the share of branches to reach, in per cent; PROFILE is what
llvm-profdata has merged; the PROGRAMs have made it. A branch is one outcome of one condition in the
source. Code from a template counts as run if any of its instances ran. Exit status 1 below TARGET.
"""
import json
import os
import subprocess
import sys

LLVM_COV = "llvm-cov-19"


def export(profile, programs):
    objects = [word for program in programs[1:] for word in ("-object", program)]
    done = subprocess.run([LLVM_COV, "export", "-skip-functions", "-instr-profile", profile,
                           programs[0], *objects], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)["data"][0]["files"]


def branches(entry):
    """(line, column, outcome) -> whether it was ever taken."""
    taken = {}
    for line, column, _, _, true, false, *_ in entry["branches"]:
        for outcome, count in ((True, true), (False, false)):
            key = (line, column, outcome)
            taken[key] = taken.get(key, False) or count > 0
    return taken


def share(covered, count):
    return f"{100 * covered / count:6.1f} %" if count else "        "


def main(folder, target, profile, *programs):
    folder = os.path.realpath(folder)
    lines_run = lines = branches_run = branches_all = 0
    missed = []
    print(f"{'file':24} {'lines':>7} {'run':>8} {'branches':>9} {'taken':>8}")
    for entry in sorted(export(profile, programs), key=lambda one: os.path.basename(one["filename"])):
        path = os.path.realpath(entry["filename"])
        name = os.path.basename(path)
        if os.path.dirname(path) != folder or name.endswith("_test.cc"):
            continue
        summary = entry["summary"]["lines"]
        taken = branches(entry)
        run = sum(taken.values())
        print(f"{name:24} {summary['count']:7} {share(summary['covered'], summary['count'])} "
              f"{len(taken):9} {share(run, len(taken))}")
        lines += summary["count"]
        lines_run += summary["covered"]
        branches_all += len(taken)
        branches_run += run
        with open(path, encoding="utf-8") as file:
            source = file.read().split("\n")
        missed += [f"{name}:{line}:{column} never {str(outcome).lower()}: {source[line - 1].strip()}"
                   for (line, column, outcome), ran in sorted(taken.items()) if not ran]
    if not branches_all:
        sys.exit(f"no counts for {folder}")
    print("\nNever taken:")
    print("\n".join(f"  {one}" for one in missed) or "  none")
    reached = 100 * branches_run / branches_all
    print(f"\n{os.path.relpath(folder)}: {share(lines_run, lines).strip()} of lines, "
          f"{reached:.1f} % of branches ({branches_run} of {branches_all}; target {target} %)")
    return 0 if reached >= float(target) else 1


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
