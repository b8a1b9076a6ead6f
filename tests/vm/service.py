"""What the events of the life cycle share: commands, the tenants of the test, and the judgement on what an event did.

Runs inside a guest. Witnesses (witness.py) run in tasks of two tenants and see the walls from within.
"""
import json
import os
import pathlib
import shutil
import subprocess
import time

import witness

SOURCE = pathlib.Path(__file__).resolve().parents[2]
ROOT = pathlib.Path("/sys/fs/cgroup/bulkhead.slice/bulkhead-tenants.service")
PINS = pathlib.Path("/sys/fs/bpf/bulkhead")
COUNTERS = pathlib.Path("/run/bulkhead-lifecycle")  # of the witnesses; gone after a reboot, as they are
NOTES = pathlib.Path("/var/lib/bulkhead-vm")  # what one event leaves for a later one
WITNESSES = {"receiver": "rival/web", "echo": "acme/db", "prober": "acme/web"}
LIMITS = ["cpu.max", "cpu.weight", "memory.max", "pids.max", "cgroup.subtree_control"]
PATIENCE = 300  # a guard against hangs, never a measure
MANIFEST = """\
kind: Tenant
name: acme
limits: {cpu: {max: 2, weight: 200}, memory: {max: 1GiB}, pids: {max: 200}}
---
kind: Tenant
name: rival
---
kind: Task
tenant: acme
name: web
limits: {cpu: {max: 1}, memory: {max: 256MiB}, pids: {max: 32}}
---
{kind: Task, tenant: acme, name: db}
---
{kind: Task, tenant: rival, name: web}
"""


def run(*command, code=0, text=None, quiet=False):
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if not quiet or done.returncode != code:
        print("$ %s → %d\n%s" % (" ".join(map(str, command)), done.returncode, done.stdout), end="", flush=True)
    assert code is None or done.returncode == code, "exit status %d, not %d" % (done.returncode, code)
    return done.stdout


def eventually(what, condition, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            run("journalctl", "-b", "-n", "80", "--no-pager", "-o", "short-monotonic", "-u", "bulkhead*")
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.1)


def property_of(unit, name):
    return run("systemctl", "show", "-P", name, unit, quiet=True).strip()


def main_pid():
    return property_of("bulkheadd", "MainPID")


def another_agent(old):
    eventually("another agent", lambda: main_pid() not in ("0", old))


def ready():
    if not shutil.which("bulkheadctl"):
        return False
    done = subprocess.run(["bulkheadctl", "status"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def status():
    return json.loads(run("bulkheadctl", "-o", "json", "status", quiet=True))


def packages(name, folder="debs"):
    return sorted(str(file) for file in (SOURCE / folder).glob(name + "_*.deb"))


def note(name, value):
    NOTES.mkdir(exist_ok=True)
    (NOTES / name).write_text(json.dumps(value), encoding="utf-8")


def noted(name):
    return json.loads((NOTES / name).read_text(encoding="utf-8"))


def tell(mark, **values):
    """A line that results.py finds in the output: `row` of the matrix, `figure`."""
    print("%s: %s" % (mark, json.dumps(values)), flush=True)


# --- witnesses ----------------------------------------------------------------------------------------------------------

def start_witnesses():
    """In their tasks from their first instruction on, with counters that begin at nothing."""
    COUNTERS.mkdir(exist_ok=True)
    for file in COUNTERS.iterdir():
        file.unlink()
    for role, task in WITNESSES.items():
        tenant, name = task.split("/")
        log = open(COUNTERS / (role + ".log"), "wb")
        subprocess.Popen(["bulkheadctl", "run", "--tenant", tenant, "--task", name, "--", "/usr/bin/python3", "-B",
                          witness.__file__, role, str(COUNTERS / role)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                         start_new_session=True)
        eventually(role, lambda role=role: (COUNTERS / role).exists() and (COUNTERS / role).stat().st_size)
        if role == "echo":
            eventually("echo to listen", lambda: ":%d" % witness.ECHO[1] in run("ss", "-Hltn", quiet=True))


def seen():
    return {name: value for role in WITNESSES for name, value in witness.read(COUNTERS / role, role).items()}


def processes():
    return {task: (ROOT / task / "cgroup.procs").read_text(encoding="utf-8").split() for task in WITNESSES.values()}


def limits():
    return {str(file): file.read_text(encoding="utf-8") for file in sorted(ROOT.rglob("*")) if file.name in LIMITS}


def goes_on(rounds=20):
    before = seen()
    eventually("the witnesses to go on", lambda: all(
        seen()[name] >= before[name] + rounds for name in ("denied", "allowed", "flow", "answered")))


# --- usage --------------------------------------------------------------------------------------------------------------

def usage(tenant="acme"):
    return json.loads(run("bulkheadctl", "-o", "json", "usage", "--tenant", tenant, quiet=True)).get("tasks", [])


def metered(entries):
    """{task: (CPU seconds, refused packets)} of tasks that live."""
    return {"%s/%s" % (entry["tenant"], entry["task"]): (
        int(entry["usage"].get("cpuNs", 0)) / 1e9, sum(int(drop["packets"]) for drop in entry["usage"].get("drops", [])))
        for entry in entries if not entry.get("final")}


def billed():
    """CPU seconds of the tenant in all that is kept: tasks that ended, earlier boots, too."""
    return sum(int(entry["usage"].get("cpuNs", 0)) for entry in usage()) / 1e9


def kernel_cpu(task):
    for line in (ROOT / task / "cpu.stat").read_text(encoding="utf-8").splitlines():
        if line.startswith("usage_usec "):
            return int(line.split()[1]) / 1e6
    raise AssertionError("no usage_usec for " + task)


# --- the judgement ------------------------------------------------------------------------------------------------------

class Stands:
    """with Stands(EVENT): cause it. Afterwards the same processes must live in the same cgroups below the same limits, what
    is denied must have been denied all along, the allowed flow must have gone on, and the meter must have what the kernel
    counted. What is inside may leave the agent dead: agent=False; usage is then judged once it is back."""

    def __init__(self, event, agent=True):
        self.event, self.agent = event, agent

    def __enter__(self):
        self.before = seen(), processes(), limits(), metered(usage()) if ready() else {}
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.judge()

    def judge(self):
        saw, were, had, counted = self.before
        if self.agent:
            eventually("the agent to be ready", ready)
        goes_on()  # after the event, too
        now, live = seen(), processes()
        alive = sum(bool(were[task]) and live[task] == were[task] for task in were)
        passed = now["leaked"] + now["let_through"]
        held = limits()
        tell("row", event=self.event, alive="%d of %d" % (alive, len(were)) + ("" if held == had else ", LIMITS"),
             denied="%d denied, %d passed" % (now["denied"] - saw["denied"], passed),
             flow="%d rounds, %d broken" % (now["flow"] - saw["flow"], now["broken"]),
             usage=self.meter(counted) if self.agent else "(agent away)")
        print("$ witnesses and usage → %s %s" % (now, metered(usage()) if self.agent else ""))
        assert alive == len(were), "processes: %s, were %s" % (live, were)
        assert held == had, "limits: %s, were %s" % (held, had)
        assert passed == 0, "denied packets passed: %s" % now
        assert now["broken"] == saw["broken"] == 0, "the allowed flow broke: %s" % now
        if self.agent:
            assert status()["enforcement"] == "ENFORCEMENT_ENFORCED"

    @staticmethod
    def meter(counted):
        """Nothing is lost: the meter reaches what the kernel and the witness had counted; nothing is invented or begins anew."""
        kernel = {task: kernel_cpu(task) for task in ("acme/web", "acme/db")}
        refused = seen()["denied"]
        eventually("the meter to catch up", lambda: all(
            metered(usage()).get(task, (0, 0))[0] >= cpu for task, cpu in kernel.items()) and
            metered(usage())["acme/web"][1] >= refused)
        figures = metered(usage())
        for task, (cpu, drops) in counted.items():
            assert figures[task][0] >= cpu and figures[task][1] >= drops, "usage went back: %s, was %s" % (figures, counted)
        for task, (cpu, _) in figures.items():
            assert cpu <= kernel_cpu(task), "%s: metered %s s, the kernel has %s s" % (task, cpu, kernel_cpu(task))
        return "%.2f s of %.2f s" % (sum(cpu for cpu, _ in figures.values()), sum(map(kernel_cpu, kernel)))


def walls():
    """What is in the kernel without asking the agent: how many programs are pinned."""
    return len(list(PINS.glob("v*/links/*"))) if PINS.is_dir() else 0


def boot_id():
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def ends(pids):
    return not any(os.path.exists("/proc/" + pid) for pid in pids)
