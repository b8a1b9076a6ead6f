"""Runs inside a guest: every test of the run list, one after the other, as ctest would. What happened goes to a virtio port as
JSON lines at once, so that a guest that dies later loses nothing; the console shows a line per test. Then systemd powers off.
After a test that asks for it the guest reboots instead, and the next boot goes on behind that test.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

PORT = "/dev/virtio-ports/bulkhead.results"
OUTPUT_MAX = 200_000  # of one test; its end is kept
PROGRESS = pathlib.Path("/var/lib/bulkhead-vm/done")  # how many tests earlier boots have run
UNIT = "bulkhead-vm.service"


def run(test, environment):
    """The outcome as ctest decides it: an exit code, a skip code, gtest's own word for a skip, a timeout."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:  # no pipe: what a test leaves running would hold that open
        child = subprocess.Popen(test["command"], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                 cwd=test["directory"], env={**environment, **test["environment"]}, start_new_session=True)
        try:
            outcome = "passed" if child.wait(timeout=test["timeout"]) == 0 else "failed"
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            outcome = "timeout"
        output.seek(0)
        text = output.read().decode("utf-8", errors="replace")
    if child.returncode == test["skip_code"] or (outcome == "passed" and "[  SKIPPED ]" in text):
        outcome = "skipped"
    return {"name": test["name"], "outcome": outcome, "code": child.returncode, "seconds": time.monotonic() - start,
            "output": text[-OUTPUT_MAX:]}


def use_carried_libraries(root):
    """Libraries that came along because another suite of Debian has them in another version: only those are linked that the
    guest itself lacks."""
    carried = root / "carried"
    if not carried.is_dir():
        return
    known = subprocess.run(["/sbin/ldconfig", "-p"], stdout=subprocess.PIPE, text=True, check=True).stdout
    have = {line.split()[0] for line in known.splitlines() if "=>" in line}
    for library in carried.iterdir():
        if library.name not in have:
            os.symlink(library, "/usr/local/lib/" + library.name)
    subprocess.run(["/sbin/ldconfig"], check=True)


def facts():
    def said(*command):
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    cgroups = [line.split()[2] for line in pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
               if line.split()[2] in ("cgroup", "cgroup2")]
    return {"kernel": os.uname().release, "systemd": said("systemctl", "--version").splitlines()[0],
            "cgroups": " ".join(sorted(set(cgroups))), "boot_seconds": float(said("cut", "-d ", "-f1", "/proc/uptime"))}


def journal():
    return subprocess.run(["journalctl", "-b", "-o", "short-monotonic", "--no-pager"], stdout=subprocess.PIPE,
                          text=True, errors="replace", check=False).stdout


def reboot():
    """In order, as a machine of a user's would: what this unit's end stands for otherwise is to power off at once."""
    drop_in = pathlib.Path("/run/systemd/system/%s.d/reboot.conf" % UNIT)
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Unit]\nSuccessAction=none\nFailureAction=none\n", encoding="utf-8")
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    subprocess.run(["systemctl", "reboot"], check=True)
    signal.pause()


def main():
    root = pathlib.Path(sys.argv[1])
    tests = json.loads((root / "vm-run.json").read_text(encoding="utf-8"))
    subprocess.run(["modprobe", "virtio_console"], check=True)
    subprocess.run(["udevadm", "settle"], check=True)
    port = open(PORT, "w", encoding="utf-8")

    def report(**line):
        port.write(json.dumps(line) + "\n")
        port.flush()

    def show(text):
        print("[vm] " + text, flush=True)

    done = int(PROGRESS.read_text(encoding="utf-8")) if PROGRESS.exists() else 0
    if done == 0:
        use_carried_libraries(root)
    about = facts()
    report(facts=about)
    show("%(kernel)s, %(systemd)s, %(cgroups)s; up after %(boot_seconds).0f s" % about)
    for number, test in enumerate(tests[done:], done + 1):
        show("%d/%d %s" % (number, len(tests), test["name"]))
        result = run(test, dict(os.environ))
        report(result=result)
        if result["outcome"] != "passed":
            show("     %(outcome)s after %(seconds).1f s" % result)
            pathlib.Path("/dev/kmsg").write_text("bulkhead-vm: %s: %s\n" % (test["name"], result["outcome"]), encoding="utf-8")
        if test["reboots"] and result["outcome"] == "passed":
            PROGRESS.parent.mkdir(exist_ok=True)
            PROGRESS.write_text(str(number), encoding="utf-8")
            report(journal=journal())
            report(reboots=number)
            show("reboots")
            reboot()
    report(journal=journal())
    port.close()
    show("done")


main()
