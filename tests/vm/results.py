"""What came back from a guest, as files and tables."""
import json
import re
import xml.etree.ElementTree as ElementTree

COLUMNS = {"event": 28, "alive": 22, "denied": 26, "flow": 24, "usage": 26}


def read(file):
    """({test: result}, facts of each boot, journal, after which test it reboots last); a line that was cut off by the
    guest's end is left out."""
    results, facts, journal, reboots = {}, [], "", 0
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "result" in record:
            results[record["result"]["name"]] = record["result"]
        if "facts" in record:
            facts.append(record["facts"])
        journal += record.get("journal", "")
        reboots = record.get("reboots", reboots)
    return results, facts, journal, reboots


def write_junit(path, tests, results):
    """The form that ctest writes. A test without a result is one that the guest did not live to run."""
    suite = ElementTree.Element("testsuite", name=path.stem, tests=str(len(tests)))
    for test in tests:
        result = results.get(test["name"], {"outcome": "missing", "seconds": 0, "output": "the guest ended before it ran"})
        status = "run" if result["outcome"] in ("passed", "skipped") else "fail"
        case = ElementTree.SubElement(suite, "testcase", name=test["name"], classname=test["name"], status=status,
                                      time="%.3f" % result["seconds"])
        if result["outcome"] == "skipped":
            ElementTree.SubElement(case, "skipped", message="SKIP_RETURN_CODE")
        elif status == "fail":
            ElementTree.SubElement(case, "failure", message=result["outcome"])
        printable = re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd]", "?", result["output"])
        ElementTree.SubElement(case, "system-out").text = printable
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)


def show_failures(tests, results):
    for test in tests:
        result = results.get(test["name"])
        if result and result["outcome"] in ("failed", "timeout"):
            print("--- %s: %s (status %s)\n%s" % (test["name"], result["outcome"], result["code"], result["output"][-6000:]))


def said(results, mark):
    """JSON after `mark: ` at the start of a line of any test's output, in order."""
    found = []
    for result in results.values():
        for line in result["output"].splitlines():
            if line.startswith(mark + ": "):
                found.append(json.loads(line[len(mark) + 2:]))
    return found


def show_matrix(name, results):
    """What each event in the life of the service did to tasks, as they and the kernel saw it."""
    rows, figures = said(results, "row"), said(results, "figure")
    if rows:
        print("\n%s: what each event did" % name)
        print("  ".join(column.ljust(width) for column, width in COLUMNS.items()).rstrip())
        for row in rows:
            print("  ".join(str(row.get(column, "")).ljust(width) for column, width in COLUMNS.items()).rstrip())
    for figure in figures:
        print("%s: %s: %s" % (name, figure["what"], figure["is"]))
