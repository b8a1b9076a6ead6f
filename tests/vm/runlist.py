"""What a guest runs: the tests that ctest knows of a build folder, called as ctest would, and the life of the service."""
import json
import pathlib
import re
import subprocess

import image
import lifecycle

ROOT = image.HERE.parents[1]
LIFECYCLE = "lifecycle"
TIERS = ["contract", "bpf", "kernel", "e2e", LIFECYCLE]  # the last purges the package
SLOWER = 10  # a guard against hangs, never a measure

# `./dev test vm` runs these in a guest: what another kernel, unified cgroup v2 or systemd can change. Left out is what takes
# minutes in an emulated guest and asks the same of every kernel: random crashes, the controller, roles, clients.
QUICK = re.compile(r"^(contract|bpf)/|^kernel/(?!.*(Crash|FailAtStep))|^e2e/(walls|run)_test|^lifecycle/")


def run_list(build, tiers, pattern, quick):
    """The tests of these tiers, in ctest's order, tier by tier."""
    tests = []
    if set(tiers) != {LIFECYCLE}:
        command = ["ctest", "--test-dir", str(build), "--show-only=json-v1", "-L", "^(%s)$" % "|".join(tiers)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        tests = [_test(entry) for entry in json.loads(done.stdout)["tests"]]
    tests += [_event(name) for name in lifecycle.EVENTS]
    wanted = [test for tier in tiers for test in tests if test["tier"] == tier]
    if quick:
        wanted = [test for test in wanted if QUICK.search(test["name"])]
    # An event builds on those before it: they are run all or none.
    return [test for test in wanted if test["tier"] == LIFECYCLE or re.search(pattern or "", test["name"])]


def _test(entry):
    properties = {item["name"]: item["value"] for item in entry.get("properties", [])}
    if "command" not in entry:
        raise SystemExit("vm: %s is not built; run ./dev build" % entry["name"])
    return {"name": entry["name"], "tier": properties["LABELS"][0], "command": entry["command"],
            "directory": properties.get("WORKING_DIRECTORY", str(ROOT)), "timeout": properties.get("TIMEOUT", 120) * SLOWER,
            "skip_code": properties.get("SKIP_RETURN_CODE", -1), "reboots": False,
            "environment": {**dict(item.split("=", 1) for item in properties.get("ENVIRONMENT", [])),
                            "BULKHEAD_PATIENCE": str(20 * SLOWER)}}


def _event(name):
    script = str(image.HERE / "lifecycle.py")
    return {"name": "%s/%s" % (LIFECYCLE, name), "tier": LIFECYCLE, "command": ["/usr/bin/python3", "-B", script, name],
            "directory": str(ROOT), "timeout": 120 * SLOWER, "skip_code": -1, "reboots": name in lifecycle.REBOOTS,
            "environment": {"DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_COLORS": "0"}}


def built_packages(suite, host_suite):
    """(new, older) packages that ./dev package left for this suite of Debian."""
    folders = ["package" + ("" if suite == host_suite else "-" + suite)]
    folders.append(folders[0] + "-previous")
    found = []
    for folder in folders:
        debs = [path for path in sorted((ROOT / "build" / folder).glob("bulkhead*.deb")) if "-dbgsym_" not in path.name]
        if not debs:
            raise SystemExit("vm: there is no package in build/%s; run ./dev vm, which builds it" % folder)
        found.append(debs)
    return found


def dependencies(debs):
    """Names of the packages that these depend on."""
    names = set()
    for deb in debs:
        said = subprocess.run(["dpkg-deb", "-f", str(deb), "Depends"], stdout=subprocess.PIPE, text=True, check=True).stdout
        names |= {re.split(r"[ (:|]", term.strip())[0] for term in said.split(",") if term.strip()}
    return names


def programs(build, tests):
    """Programs of the build: those that the tests are, and all that are not tests themselves (a test may call them)."""
    wanted = {pathlib.Path(test["command"][0]) for test in tests if test["command"][0].startswith(str(build))}
    if any(test["tier"] == "e2e" for test in tests):
        wanted |= {path for path in (build / "tests/e2e").glob("*") if _is_program(path)}
    return sorted(wanted)


def _is_program(path):
    if path.is_symlink() or not path.is_file() or not path.stat().st_mode & 0o111:
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"
