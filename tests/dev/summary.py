"""Prints what `./dev test` did as one table, from the JUnit files that ctest wrote; exit 1 if anything failed.

Input: a file of tab-separated rows: `build PRESET SECONDS`, `tier NAME JUNIT-FILE STATUS SECONDS`, `not-run NAME REASON`.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter


def skip_reason(case):
    """What a skipped test said: gtest prints it below "Skipped", unittest runners after "skipped:"."""
    output = case.findtext("system-out") or ""
    match = re.search(r": Skipped\n(.+?)\n\s*\n?\[", output, re.S) or re.search(r"^skipped: (.+)$", output, re.M)
    return " ".join(match.group(1).split()) if match else "no reason given"


def read_tier(path, status):
    """Numbers of passed and failed tests, reasons of the skipped ones, names of the failed ones."""
    passed, failed, skipped = 0, [], Counter()
    try:
        cases = ElementTree.parse(path).getroot().iter("testcase")
    except (OSError, ElementTree.ParseError):
        return 0, ["ctest wrote no results (exit status %s)" % status], skipped
    for case in cases:
        if case.find("skipped") is not None and not (case.find("skipped").get("message") or "").startswith("Unable"):
            skipped[skip_reason(case)] += 1
        elif case.get("status") == "run":
            passed += 1
        else:
            failed.append(case.get("name"))
    if status != "0" and not failed:
        failed.append("ctest itself (exit status %s)" % status)
    return passed, failed, skipped


def main():
    rows = [line.rstrip("\n").split("\t") for line in open(sys.argv[1], encoding="utf-8")]
    total_passed, total_skipped, failures, notes, not_run = 0, 0, [], [], []
    print("%-20s %8s %8s %8s %9s" % ("tier", "passed", "failed", "skipped", "seconds"))
    for kind, name, *rest in rows:
        if kind == "build":
            print("%-20s %8s %8s %8s %9s" % ("build " + name, "", "", "", rest[0]))
        elif kind == "not-run":
            not_run.append("tier %s: not run: %s" % (name, rest[0]))
        else:
            junit, status, seconds = rest
            passed, failed, skipped = read_tier(junit, status)
            count = sum(skipped.values())
            print("%-20s %8d %8d %8d %9s" % (name, passed, len(failed), count, seconds))
            total_passed += passed
            total_skipped += count
            failures += ["failed: %s: %s" % (name, test) for test in failed]
            notes += ["skipped: %s: %d: %s" % (name, n, reason) for reason, n in sorted(skipped.items())]
    for line in notes + not_run + failures:
        print(line)
    print("%d passed, %d failed" % (total_passed, len(failures)) + (", %d skipped" % total_skipped if total_skipped else ""))
    return 1 if failures or not total_passed else 0


if __name__ == "__main__":
    sys.exit(main())
