"""Runs test tiers inside a Debian guest: systemd as PID 1, unified cgroup v2, an older kernel than the host's.

The tests are what ctest knows of the build folder, called the same way, from the same paths, with longer patience: there is
no KVM here, the guest is emulated, so it is several times slower. The e2e tier tries the programs of the Debian packages; the
lifecycle tier installs the packages as a user would and causes every event in the life of the service, a reboot included.
Results lie in build/vm/NAME: junit-TIER.xml, console.log, journal.txt. Exits 0 only if every test passed or said why not.
"""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import disk
import image
import machine
import results
import runlist

ROOT = image.HERE.parents[1]


def host_suite():
    for line in pathlib.Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2]
    return ""


def prepare(name, options, tests, folder):
    """The machine of this guest, ready to boot."""
    guest, build = image.GUESTS[name], options.build
    packaged = [test for test in tests if test["tier"] in ("e2e", runlist.LIFECYCLE)]
    debs, older = runlist.built_packages(guest["suite"], host_suite()) if packaged else ([], [])
    programs = runlist.programs(build, tests)
    libraries = image.shared_libraries(programs)
    same = guest["suite"] == host_suite()
    packages = runlist.dependencies(debs + older) | (image.packages_of(libraries) if same else set())
    images = image.image(name, packages, ROOT / "build/vm/images", options.fresh)
    ready = machine.Machine(guest, images, folder)
    disk.make(ready.disk, build, tests, programs, debs, older, [] if same else libraries)
    return ready


def run(guest, tests, limit):
    """Boots, and boots again after every reboot that was asked for. What came back, and why it ended early."""
    end, reboots = time.monotonic() + limit, 0
    while True:
        problem = guest.boot(max(1, end - time.monotonic()))
        came = results.read(guest.results)
        if problem or len(came[0]) == len(tests) or came[3] == reboots:
            return came[:3], problem
        reboots = came[3]


def report(name, guest, tests, came, problem, seconds):
    """Files and tables; rows for tests/dev/summary.py."""
    found, facts, journal = came
    (guest.folder / "journal.txt").write_text(journal, encoding="utf-8")
    results.show_failures(tests, found)
    if len(found) < len(tests):
        tail = guest.console.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
        print("--- %s: the guest ended early%s; the end of %s:\n%s" % (
            name, ": " + problem if problem else "", guest.console, "\n".join(tail)))
    results.show_matrix(name, found)
    for boot, (after, fact) in enumerate(zip(guest.power_on, facts), 1):
        print("%s: boot %d: power-on to kernel %.1f s, kernel to tests %.1f s" % (
            name, boot, after - fact["boot_seconds"], fact["boot_seconds"]))
    print("%s: %s, in %d s" % (name, facts[0]["kernel"] if facts else "did not boot", seconds))
    rows = []
    for tier in ["unit", *runlist.TIERS]:
        mine = [test for test in tests if test["tier"] == tier]
        if mine:
            junit = guest.folder / ("junit-%s.xml" % tier)
            results.write_junit(junit, mine, found)
            took = sum(found[test["name"]]["seconds"] for test in mine if test["name"] in found)
            rows.append("tier\t%s %s\t%s\t0\t%d\n" % (name, tier, junit, took))
    return rows


def run_guest(name, options):
    folder = ROOT / "build/vm" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tests = runlist.run_list(options.build, options.tier or runlist.TIERS, options.regex, options.quick)
    if not tests:
        raise SystemExit("vm: ctest has no such test in %s" % options.build)
    guest = prepare(name, options, tests, folder)
    print("==> %s (%s): %d tests" % (name, image.GUESTS[name]["what"], len(tests)), flush=True)
    start = time.monotonic()
    try:
        came, problem = run(guest, tests, options.timeout)
    finally:
        guest.discard()
    return report(name, guest, tests, came, problem, time.monotonic() - start)


def main():
    parser = argparse.ArgumentParser(prog="./dev vm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="debian12", choices=[*image.GUESTS, "all"],
                        help="which guest (default: debian12)")
    parser.add_argument("--tier", action="append", choices=["unit", *runlist.TIERS], help="only this tier; may be repeated")
    parser.add_argument("-R", "--regex", help="only tests whose name matches; the life cycle is one test")
    parser.add_argument("--quick", action="store_true", help="what ./dev test vm runs: leaves out what every kernel answers alike")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/dev", help="build folder (default: build/dev)")
    parser.add_argument("--timeout", type=int, default=7200, metavar="SECONDS", help="end a guest after this (default: 7200)")
    parser.add_argument("--fresh", action="store_true", help="make the image again, with today's packages")
    parser.add_argument("--rows", type=pathlib.Path, metavar="FILE", help="no summary: its rows are appended to FILE")
    options = parser.parse_args()
    options.build = options.build.resolve()
    if ROOT not in options.build.parents:
        parser.error("--build must lie below %s" % ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the guest is ended, too
    rows = []
    for name in (image.GUESTS if options.name == "all" else [options.name]):
        try:
            rows += run_guest(name, options)
        except image.Unavailable as why:
            rows.append("not-run\tvm %s\t%s\n" % (name, why))
    if options.rows:
        with open(options.rows, "a", encoding="utf-8") as table:
            table.writelines(rows)
        return 0
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as table:
        table.writelines(rows)
        table.flush()
        return subprocess.run([sys.executable, ROOT / "tests/dev/summary.py", table.name], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
