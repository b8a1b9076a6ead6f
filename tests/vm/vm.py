"""Runs test tiers of a build inside a Debian guest: systemd as PID 1, unified cgroup v2, an older kernel than the host's.

The tests are what ctest knows of the build folder, called the same way, from the same paths, with longer patience: there is
no KVM here, the guest is emulated, so it is several times slower. Results lie in build/vm/NAME: junit-TIER.xml, console.log,
journal.txt. Exits 0 only if every test passed or said why it was skipped.
"""
import argparse
import json
import os
import pathlib
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

import image
import lifecycle

ROOT = image.HERE.parents[1]
TIERS = ["contract", "bpf", "kernel", "e2e"]
LIFECYCLE = "lifecycle"  # of the package as a service; needs ./dev package
SLOWER = 10  # a guard against hangs, never a measure
BOOT_SECONDS = 600
NOT_SOURCES = {"build", ".git", ".cache", "__pycache__"}


# --- what to run --------------------------------------------------------------------------------------------------------

def run_list(build, tiers, pattern):
    """The tests that ctest has for these tiers, in its order, tier by tier."""
    tests = [_event(name) for name in lifecycle.EVENTS]
    if tiers != [LIFECYCLE]:
        command = ["ctest", "--test-dir", str(build), "--show-only=json-v1", "-L", "^(%s)$" % "|".join(tiers)]
        done = subprocess.run(command + (["-R", pattern] if pattern else []), stdout=subprocess.PIPE, check=True)
        tests += [_test(entry) for entry in json.loads(done.stdout)["tests"]]
    return [test for tier in tiers for test in tests if test["tier"] == tier]


def _test(entry):
    properties = {item["name"]: item["value"] for item in entry.get("properties", [])}
    if "command" not in entry:
        raise SystemExit("vm: %s is not built; run ./dev build" % entry["name"])
    return {"name": entry["name"], "tier": properties["LABELS"][0], "command": entry["command"],
            "directory": properties.get("WORKING_DIRECTORY", str(ROOT)), "timeout": properties.get("TIMEOUT", 120) * SLOWER,
            "skip_code": properties.get("SKIP_RETURN_CODE", -1),
            "environment": {**dict(item.split("=", 1) for item in properties.get("ENVIRONMENT", [])),
                            "BULKHEAD_PATIENCE": str(20 * SLOWER)}}


def _event(name):
    script = str(image.HERE / "lifecycle.py")
    return {"name": "%s/%s" % (LIFECYCLE, name), "tier": LIFECYCLE, "command": ["/usr/bin/python3", "-B", script, name],
            "directory": str(ROOT), "timeout": 120 * SLOWER, "skip_code": -1,
            "environment": {"DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_COLORS": "0"}}


def built_packages():
    """What ./dev package left."""
    found = sorted((ROOT / "build/package").glob("bulkhead*.deb"))
    if not found:
        raise SystemExit("vm: there is no package in build/package; run ./dev package")
    return [path for path in found if "-dbgsym_" not in path.name]


def unpacked(debs, folder):
    """The programs in these packages."""
    for deb in debs:
        subprocess.run(["dpkg-deb", "-x", deb, folder], check=True)
    return [path for path in pathlib.Path(folder).rglob("*") if path.is_file() and _is_program(path)]


def executables(build, tests):
    """Programs of the build: those that the tests are, and all that are not tests themselves (a test may call them)."""
    wanted = {pathlib.Path(test["command"][0]) for test in tests if test["command"][0].startswith(str(build))}
    for folder in ("agent", "controller", "tests/e2e"):
        for where, folders, files in os.walk(build / folder):
            folders[:] = [name for name in folders if name != "CMakeFiles"]
            wanted |= {pathlib.Path(where) / name for name in files if _is_program(pathlib.Path(where) / name)}
    return sorted(wanted)


def _is_program(path):
    if path.is_symlink() or not os.access(path, os.X_OK):
        return False
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


# --- the second disk ----------------------------------------------------------------------------------------------------

def make_disk(disk, build, tests, programs, debs, carried):
    """Sources, programs and descriptor sets under the paths they have below ROOT, the run list, libraries."""
    with tempfile.TemporaryDirectory(dir=disk.parent, prefix="stage-") as scratch:
        stage, size = pathlib.Path(scratch), 0
        for where, folders, files in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in NOT_SOURCES]
            for name in files:
                size += _place(pathlib.Path(where) / name, stage / pathlib.Path(where).relative_to(ROOT) / name)
        for path in [*programs, *debs, *build.glob("proto/*.binpb")]:
            size += _place(path, stage / path.relative_to(ROOT))
        for library in carried:
            size += _place(pathlib.Path(os.path.realpath(library)), stage / "carried" / pathlib.Path(library).name)
        for test in tests:
            (stage / pathlib.Path(test["directory"]).relative_to(ROOT)).mkdir(parents=True, exist_ok=True)
        (stage / "vm-run.json").write_text(json.dumps(tests), encoding="utf-8")
        megabytes = int(size * 1.1 / 1e6) + 64
        disk.unlink(missing_ok=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-d", stage, disk, "%dM" % megabytes],
                       stdout=subprocess.DEVNULL, check=True)


def _place(source, target):
    if source.is_symlink() or not source.is_file():
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    return source.stat().st_size


# --- the guest ----------------------------------------------------------------------------------------------------------

def qemu(guest, images, disk, results):
    kernel = "root=/dev/vda rw console=ttyS0 panic=-1 oops=panic mitigations=off systemd.firstboot=off " \
             "systemd.show_status=1 bulkhead.root=%s" % ROOT
    return ["nice", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", guest["cpu"], "-smp", "2", "-m", "2048",
            "-nodefaults", "-display", "none", "-nic", "none", "-no-reboot", "-serial", "stdio",
            "-kernel", str(images / "vmlinuz"), "-initrd", str(images / "initrd.img"), "-append", kernel,
            "-drive", "file=%s,format=raw,if=virtio,snapshot=on" % (images / "root.ext4"),
            "-drive", "file=%s,format=raw,if=virtio,read-only=on" % disk,
            "-device", "virtio-rng-pci", "-device", "virtio-serial-pci", "-chardev", "file,id=results,path=%s" % results,
            "-device", "virtserialport,chardev=results,name=bulkhead.results"]


def boot(command, console, limit):
    """Runs the guest to its end, keeps its console and shows what the tests say. Returns None, or why it was ended."""
    environment = {**os.environ, "TMPDIR": str(console.parent)}  # the overlay of snapshot=on
    guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    start, started = time.monotonic(), False
    try:
        with open(console, "wb") as log, selectors.DefaultSelector() as selector:
            selector.register(guest.stdout, selectors.EVENT_READ)
            partial = b""
            while True:
                left = start + (limit if started else min(limit, BOOT_SECONDS)) - time.monotonic()
                if left <= 0 or not selector.select(left):
                    return "gave up after %d s" % limit if started else "no test started within %d s of boot" % BOOT_SECONDS
                piece = os.read(guest.stdout.fileno(), 65536)
                if not piece:
                    return None if guest.wait() == 0 else "qemu ended with status %d" % guest.returncode
                log.write(piece)
                log.flush()
                *lines, partial = (partial + piece).split(b"\n")
                for line in lines:
                    shown = line.decode("utf-8", errors="replace").partition("[vm] ")[2].rstrip()
                    if shown:
                        started = True
                        print("  " + shown, flush=True)
    finally:
        guest.kill()
        guest.wait()


# --- what came back -----------------------------------------------------------------------------------------------------

def read_results(file):
    """{test: result}, facts and journal; a line that was cut off by the guest's end is left out."""
    results, facts, journal = {}, None, ""
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "result" in record:
            results[record["result"]["name"]] = record["result"]
        facts = record.get("facts", facts)
        journal = record.get("journal", journal)
    return results, facts, journal


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
            print("--- %s: %s (status %s)\n%s" % (test["name"], result["outcome"], result["code"], result["output"][-4000:]))


# --- the whole ----------------------------------------------------------------------------------------------------------

def run_guest(name, options):
    guest, folder = image.GUESTS[name], ROOT / "build/vm" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tests = run_list(options.build, options.tier or TIERS, options.regex)
    if not tests:
        raise SystemExit("vm: ctest has no such test in %s" % options.build)
    programs = executables(options.build, tests)
    debs = built_packages() if any(test["tier"] == LIFECYCLE for test in tests) else []
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        libraries = image.shared_libraries([*programs, *unpacked(debs, scratch)])
    same_suite = "VERSION_CODENAME=%s\n" % guest["suite"] in pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    packages = image.packages_of(libraries) if same_suite else set()
    images = image.image(name, packages, ROOT / "build/vm/images", options.fresh)
    disk, results_file, console = folder / "run.ext4", folder / "results.jsonl", folder / "console.log"
    make_disk(disk, options.build, tests, programs, debs, [] if same_suite else libraries)
    print("==> %s (%s): %d tests" % (name, guest["what"], len(tests)), flush=True)
    results_file.touch()
    start = time.monotonic()
    problem = boot(qemu(guest, images, disk, results_file), console, options.timeout)
    disk.unlink()
    results, facts, journal = read_results(results_file)
    (folder / "journal.txt").write_text(journal, encoding="utf-8")
    show_failures(tests, results)
    if len(results) < len(tests):
        tail = console.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]
        print("--- %s: the guest ended early%s; the end of %s:\n%s" % (
            name, ": " + problem if problem else "", console, "\n".join(tail)))
    rows = []
    for tier in ["unit", *TIERS, LIFECYCLE]:
        mine = [test for test in tests if test["tier"] == tier]
        if mine:
            junit = folder / ("junit-%s.xml" % tier)
            write_junit(junit, mine, results)
            seconds = sum(results[test["name"]]["seconds"] for test in mine if test["name"] in results)
            rows.append("tier\t%s %s\t%s\t0\t%d\n" % (name, tier, junit, seconds))
    print("%s: %s, in %d s" % (name, facts["kernel"] if facts else "did not boot", time.monotonic() - start))
    return rows


def main():
    parser = argparse.ArgumentParser(prog="./dev vm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="debian12", choices=[*image.GUESTS, "all"], help="which guest (default: debian12)")
    parser.add_argument("--tier", action="append", choices=["unit", *TIERS, LIFECYCLE], help="only this tier; may be repeated")
    parser.add_argument("-R", "--regex", help="only tests whose name matches")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/dev", help="build folder (default: build/dev)")
    parser.add_argument("--timeout", type=int, default=3600, metavar="SECONDS", help="end a guest after this (default: 3600)")
    parser.add_argument("--fresh", action="store_true", help="make the image again, with today's packages")
    options = parser.parse_args()
    options.build = options.build.resolve()
    if ROOT not in options.build.parents:
        parser.error("--build must lie below %s" % ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the guest is ended, too
    rows = []
    for name in (image.GUESTS if options.name == "all" else [options.name]):
        rows += run_guest(name, options)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as table:
        table.writelines(rows)
        table.flush()
        return subprocess.run([sys.executable, ROOT / "tests/dev/summary.py", table.name], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
