"""The package as a service, inside a guest: what every event in the life of agent, holder and package does to tasks.

`lifecycle.py EVENT` causes one event, while witnesses run in tasks of two tenants, and then looks: are the same processes
alive in the same cgroups, are limits the same, was what is denied denied all along, did the allowed flow go on, and did the
usage only grow. The events are run in the order of EVENTS by one guest; the first installs, the last purges.
"""
import json
import pathlib
import subprocess
import sys
import time

import witness

ROOT = pathlib.Path("/sys/fs/cgroup/bulkhead.slice/bulkhead-tenants.service")
PINS = pathlib.Path("/sys/fs/bpf/bulkhead")
SCRATCH = pathlib.Path("/run/bulkhead-lifecycle")
WITNESSES = {"receiver": "rival/web", "echo": "acme/db", "prober": "acme/web"}
LIMITS = ["cpu.max", "cpu.weight", "memory.max", "pids.max", "cgroup.subtree_control"]
PATIENCE = 120
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


def run(*command, code=0, text=None):
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    print("$ %s → %d\n%s" % (" ".join(command), done.returncode, done.stdout), end="", flush=True)
    assert code is None or done.returncode == code, "exit status %d, not %d" % (done.returncode, code)
    return done.stdout


def eventually(what, condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            run("journalctl", "-b", "-n", "60", "--no-pager", "-o", "short-monotonic", "-u", "bulkhead*")
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.1)


def property_of(unit, name):
    return run("systemctl", "show", "-P", name, unit).strip()


def ready():
    return subprocess.run(["bulkheadctl", "status"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def packages(name):
    return sorted(str(file) for file in (pathlib.Path(__file__).resolve().parents[2] / "build/package").glob(name + "_*.deb"))


# --- what the witnesses saw ---------------------------------------------------------------------------------------------

def seen():
    return {name: value for role in WITNESSES for name, value in witness.read(SCRATCH / role, role).items()}


def processes():
    return {task: (ROOT / task / "cgroup.procs").read_text(encoding="utf-8").split() for task in WITNESSES.values()}


def limits():
    return {str(file): file.read_text(encoding="utf-8") for file in sorted(ROOT.rglob("*")) if file.name in LIMITS}


def used():
    """Metered CPU time of tasks that live; nothing while no agent answers."""
    if not pathlib.Path("/usr/bin/bulkheadctl").exists():
        return {}
    done = subprocess.run(["bulkheadctl", "-o", "json", "usage", "--tenant", "acme"], stdout=subprocess.PIPE, check=False)
    tasks = json.loads(done.stdout).get("tasks", []) if done.returncode == 0 else []
    return {task["task"]: int(task["usage"]["cpuNs"]) for task in tasks if not task["final"]}


def goes_on(before, rounds=20):
    eventually("the witnesses to go on", lambda: all(
        seen()[name] >= before[name] + rounds for name in ("denied", "allowed", "flow", "answered")))


class Stands:
    """with Stands(): cause an event. What is inside may leave the agent dead: agent=False."""

    def __init__(self, agent=True):
        self.agent = agent

    def __enter__(self):
        self.before = seen(), processes(), limits(), used()

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        saw, were, had, counted = self.before
        if self.agent:
            eventually("the agent to be ready", ready)
        goes_on(seen())  # after the event, too
        now = seen()
        assert all(were.values()) and processes() == were, "processes: %s, were %s" % (processes(), were)
        assert limits() == had, "limits: %s, were %s" % (limits(), had)
        assert now["leaked"] == now["let_through"] == 0, "denied packets passed: %s" % now
        assert now["broken"] == saw["broken"] == 0, "the allowed flow broke: %s" % now
        if self.agent:
            status = json.loads(run("bulkheadctl", "-o", "json", "status"))
            assert status["enforcement"] == "ENFORCEMENT_ENFORCED", status
            eventually("usage to go on", lambda: all(used().get(task, 0) > value for task, value in counted.items()))
        print("stands: %s" % now)


# --- events, in order ---------------------------------------------------------------------------------------------------

def install():
    pathlib.Path("/etc/dpkg/dpkg.cfg.d/99mmdebstrap").unlink(missing_ok=True)  # it leaves out examples
    run("apt-get", "install", "-y", "--no-install-recommends", *packages("bulkhead"), *packages("bulkhead-controller"))
    eventually("the agent to be ready", ready)
    for unit in ("bulkheadd", "bulkhead-tenants", "bulkhead-controller"):
        run("systemctl", "status", "--no-pager", unit)
        assert property_of(unit, "ActiveState") == "active"
    run("bulkheadctl", "status")
    assert run("journalctl", "-b", "--no-pager", "-o", "cat", "-u", "bulkheadd", "BULKHEAD_WHAT=ready"), "no fields in the journal"
    run("systemd-analyze", "verify", "--man=no", "bulkheadd.service", "bulkhead-tenants.service", "bulkhead-controller.service")
    run("systemd-analyze", "security", "--threshold=20", "bulkheadd.service")
    assert "bulkhead-tenants.service" in run("bulkheadctl", "-o", "json", "status"), "the delegated subtree is not used"


def example():
    run("bulkheadctl", "apply", "-f", "/usr/share/doc/bulkhead/examples/tenants.yaml")
    for tenant in ("acme", "globex"):
        run("bulkheadctl", "delete", "tenant", tenant, code=None)
    run("bulkheadctl", "apply", "--prune", "-f", "-", text=MANIFEST)


def witnesses():
    SCRATCH.mkdir(exist_ok=True)
    for role, task in WITNESSES.items():
        tenant, name = task.split("/")
        log = open(SCRATCH / (role + ".log"), "wb")
        subprocess.Popen(["bulkheadctl", "run", "--tenant", tenant, "--task", name, "--", "/usr/bin/python3", "-B",
                          witness.__file__, role, str(SCRATCH / role)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                         start_new_session=True)
        eventually(role, lambda role=role: (SCRATCH / role).exists() and (SCRATCH / role).stat().st_size)
        if role == "echo":
            eventually("echo to listen", lambda: ":%d" % witness.ECHO[1] in run("ss", "-Hltn"))
    goes_on(seen())
    with Stands():
        pass


def systemctl(*arguments):
    def event():
        with Stands():
            run("systemctl", *arguments)
    return event


def reload():
    """systemctl reload waits, takes good files, and fails with bad ones, which change nothing."""
    config = pathlib.Path("/etc/bulkhead/bulkheadd.yaml")
    manifest = pathlib.Path("/etc/bulkhead/tenants.d/lifecycle.yaml")
    good = config.read_text(encoding="utf-8")
    with Stands():
        pid = property_of("bulkheadd", "MainPID")
        manifest.write_text("{kind: Tenant, name: late}\n", encoding="utf-8")
        run("systemctl", "reload", "bulkheadd")
        run("bulkheadctl", "get", "tenants", "late")
        manifest.write_text("{kind: Dragon}\n", encoding="utf-8")
        run("systemctl", "reload", "bulkheadd", code=1)
        assert "Dragon" in run("systemctl", "status", "--no-pager", "bulkheadd")
        manifest.unlink()
        for bad in ("quantum: 1\n", "node: {id: other}\n"):
            config.write_text(bad, encoding="utf-8")
            run("systemctl", "reload", "bulkheadd", code=1)
        config.write_text(good, encoding="utf-8")
        run("systemctl", "reload", "bulkheadd")
        assert "late" in run("bulkheadctl", "status"), "what is left over is not named"
        run("bulkheadctl", "delete", "tenant", "late")
        config.write_text(good.replace('  listen: ""', '  listen: "127.0.0.1:9105"'), encoding="utf-8")
        run("systemctl", "reload", "bulkheadd")
        scrape = ["/usr/bin/python3", "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9105/metrics').read()[:99])"]
        assert "bulkhead_build_info" in run(*scrape)
        run("bulkheadctl", "run", "--tenant", "rival", "--task", "web", "--", *scrape, code=1)
        config.write_text(good, encoding="utf-8")
        run("systemctl", "reload", "bulkheadd")
        assert property_of("bulkheadd", "ActiveState") == "active"
        assert property_of("bulkheadd", "MainPID") == pid, "the agent was restarted"


def stop_and_start():
    with Stands(agent=False):
        run("systemctl", "stop", "bulkheadd")
        run("bulkheadctl", "status", code=1)
    with Stands():
        run("systemctl", "start", "bulkheadd")


def kill_9():
    with Stands():
        old = property_of("bulkheadd", "MainPID")
        run("kill", "-9", old)
        eventually("another agent", lambda: property_of("bulkheadd", "MainPID") not in ("0", old))


def watchdog():
    """The agent hangs; a shorter period than the unit's, so that the test does not take long."""
    drop_in = pathlib.Path("/run/systemd/system/bulkheadd.service.d/test.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nWatchdogSec=15\n", encoding="utf-8")
    with Stands():
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", "bulkheadd")
        old = property_of("bulkheadd", "MainPID")
        run("kill", "-STOP", old)
        eventually("another agent", lambda: property_of("bulkheadd", "MainPID") not in ("0", old))
    drop_in.unlink()
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "bulkheadd")


def tenants_refuse_to_stop():
    with Stands():
        for unit in ("bulkhead-tenants.service", "bulkhead.slice"):
            run("systemctl", "stop", unit, code=4)
            run("systemctl", "restart", unit, code=4)


def holder_killed():
    with Stands():
        holder = (ROOT / "holder/cgroup.procs").read_text(encoding="utf-8").split()
        assert holder, "there is no holder"
        run("kill", "-9", *holder)
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", "bulkheadd")
    assert property_of("bulkhead-tenants", "ActiveState") == "active"


def upgrade():
    with Stands():
        old = property_of("bulkheadd", "MainPID")
        run("apt-get", "install", "-y", "--reinstall", *packages("bulkhead"))
        assert property_of("bulkheadd", "MainPID") != old, "the agent was not restarted"


def remove_and_install():
    with Stands(agent=False):
        said = run("apt-get", "remove", "-y", "bulkhead")
        assert "every wall goes on standing" in said
        assert not pathlib.Path("/usr/sbin/bulkheadd").exists()
    with Stands():
        run("apt-get", "install", "-y", *packages("bulkhead"))


def purge_is_refused():
    with Stands(agent=False):
        run("apt-get", "remove", "-y", "bulkhead")
        run("systemctl", "stop", "bulkhead-tenants.service", code=4)
        run("dpkg", "--purge", "bulkhead", code=1)


def purge():
    for tenant in ("acme", "rival"):
        (ROOT / tenant / "cgroup.kill").write_text("1", encoding="utf-8")
    # The holder was killed before: with the last task the whole subtree may go.
    eventually("the end of every task", lambda: not ROOT.exists() or not any(
        file.read_text(encoding="utf-8") for file in ROOT.glob("*/*/cgroup.procs")))
    run("dpkg", "--purge", "bulkhead", "bulkhead-controller")
    left = [path for path in ("/etc/bulkhead", "/var/lib/bulkhead", "/run/bulkhead", "/var/lib/bulkhead-controller",
                              "/usr/lib/bulkhead", "/usr/share/bulkhead", "/lib/systemd/system/bulkheadd.service",
                              "/usr/lib/sysusers.d/bulkhead.conf", str(PINS), str(ROOT), str(ROOT.parent),
                              "/run/systemd/system/bulkhead-tenants.service") if pathlib.Path(path).exists()]
    left += [path for path in pathlib.Path("/etc/systemd/system").rglob("bulkhead*") if path.name != "bulkhead-vm.service"]
    assert not left, left
    groups = pathlib.Path("/etc/group").read_text(encoding="utf-8") + pathlib.Path("/etc/passwd").read_text(encoding="utf-8")
    assert "bulkhead" not in groups, groups
    assert "bulkhead" not in run("systemctl", "list-units", "--all", "--plain", "--no-legend", "bulkhead*").replace(
        "bulkhead-vm.service", ""), "units are left"


EVENTS = {
    "install": install, "example": example, "witnesses": witnesses,
    "daemon-reload": systemctl("daemon-reload"), "daemon-reexec": systemctl("daemon-reexec"),
    "reload": reload, "restart": systemctl("restart", "bulkheadd"), "stop-start": stop_and_start, "kill-9": kill_9, "watchdog": watchdog,
    "tenants-refuse-to-stop": tenants_refuse_to_stop, "holder-killed": holder_killed, "upgrade": upgrade,
    "remove-install": remove_and_install, "purge-refused": purge_is_refused, "purge": purge,
}

if __name__ == "__main__":
    EVENTS[sys.argv[1]]()
