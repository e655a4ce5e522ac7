"""Counts the results in the junit files of several test tools, as one closing line.

Arguments: TOOL:EXIT_STATUS:FILE for each tool. Exit status 1 if a test failed, if a tool left no
readable report, or if a tool failed though its report names no failed test.
"""
import sys
import xml.etree.ElementTree as xml


def is_skip(case):
    """ctest writes tests it could not run as skipped too; those are failures."""
    reason = case.find("skipped")
    if reason is None:
        return case.get("status") == "disabled"
    if case.get("status") != "notrun":
        return True
    return reason.get("message", "").startswith("SKIP_")


def outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if is_skip(case):
        return "skipped"
    return "failed" if case.get("status") in ("fail", "notrun") else "passed"


def count(path):
    """Outcome -> number. A test that fails in its body and again in its teardown counts once."""
    worst = {}
    order = ["skipped", "passed", "failed"]
    for case in xml.parse(path).getroot().iter("testcase"):
        name = (case.get("classname"), case.get("name"))
        worst[name] = max(worst.get(name, "skipped"), outcome(case), key=order.index)
    return {key: sum(one == key for one in worst.values()) for key in order}


def main(arguments):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    complaints = []
    for argument in arguments:
        tool, status, path = argument.split(":", 2)
        try:
            counts = count(path)
        except (OSError, xml.ParseError) as error:
            complaints.append(f"{tool} left no report: {error}")
            continue
        if status != "0" and counts["failed"] == 0:
            complaints.append(f"{tool} exited with status {status}, though no test failed")
        for key, value in counts.items():
            total[key] += value
    for complaint in complaints:
        print(complaint)
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if complaints or total["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
