"""What may happen to the agent, the holder and the machine while tasks run."""
import pathlib
import sys
import tarfile
import time

import service
from service import ROOT, Stands, eventually, property_of, run

DROP_IN = pathlib.Path("/run/systemd/system/bulkheadd.service.d/test.conf")
CONFIG = pathlib.Path("/etc/bulkhead/bulkheadd.yaml")
RUNTIME_UNIT = pathlib.Path("/etc/systemd/system/docker.service")  # a name that the agent's unit is ordered before


def drop_in(text):
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text("[Service]\n" + text, encoding="utf-8")
    run("systemctl", "daemon-reload")


def no_drop_in():
    DROP_IN.unlink()
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "bulkheadd")


def witnesses():
    run("bulkheadctl", "apply", "--prune", "-f", "-", text=service.MANIFEST)
    service.start_witnesses()
    with Stands("nothing"):
        service.goes_on()


def systemctl(*arguments):
    def event():
        with Stands(arguments[0] + (" agent" if len(arguments) > 1 else "")):
            run("systemctl", *arguments)
    return event


def reload():
    """systemctl reload waits, takes good files, and fails with bad ones, which change nothing."""
    manifest = pathlib.Path("/etc/bulkhead/tenants.d/lifecycle.yaml")
    good = CONFIG.read_text(encoding="utf-8")
    with Stands("reload, good and bad files"):
        pid = service.main_pid()
        manifest.write_text("{kind: Tenant, name: late}\n", encoding="utf-8")
        run("systemctl", "reload", "bulkheadd")
        run("bulkheadctl", "get", "tenants", "late")
        manifest.write_text("{kind: Dragon}\n", encoding="utf-8")
        run("systemctl", "reload", "bulkheadd", code=1)
        assert "Dragon" in run("systemctl", "status", "--no-pager", "bulkheadd")
        manifest.unlink()
        for bad in ("quantum: 1\n", "node: {id: other}\n"):
            CONFIG.write_text(bad, encoding="utf-8")
            run("systemctl", "reload", "bulkheadd", code=1)
        CONFIG.write_text(good, encoding="utf-8")
        run("systemctl", "reload", "bulkheadd")
        assert "late" in run("bulkheadctl", "status"), "what is left over is not named"
        run("bulkheadctl", "delete", "tenant", "late")
        CONFIG.write_text(good.replace('  listen: ""', '  listen: "127.0.0.1:9105"'), encoding="utf-8")
        run("systemctl", "reload", "bulkheadd")
        scrape = [sys.executable, "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9105/metrics').read()[:99])"]
        assert "bulkhead_build_info" in run(*scrape)
        run("bulkheadctl", "run", "--tenant", "rival", "--task", "web", "--", *scrape, code=1)
        CONFIG.write_text(good, encoding="utf-8")
        run("systemctl", "reload", "bulkheadd")
        assert property_of("bulkheadd", "ActiveState") == "active"
        assert service.main_pid() == pid, "the agent was restarted"


def bundle():
    """What only a host with systemd has is in it: units as drop-ins left them, the journal."""
    file = pathlib.Path("/root/bundle.tar.gz")
    run("bulkheadctl", "debug", "bundle", "-o", file)
    with tarfile.open(file) as archive:
        files = {member.name.partition("/")[2]: archive.extractfile(member).read().decode() for member in archive.getmembers()}
    file.unlink()
    assert "ExecStart=" in files["units/bulkheadd.service"] and "ActiveState=active" in files["units/state.txt"]
    assert "bulkheadd" in files["journal/bulkheadd.log"] and "acme/web" in files["kernel/cgroups.txt"]
    missing = files["MANIFEST"].partition("Missing, and why:")[2]
    assert "journal/" not in missing and "units/" not in missing, missing


def stop_and_start():
    with Stands("stop agent", agent=False):
        run("systemctl", "stop", "bulkheadd")
        run("bulkheadctl", "status", code=1)
    with Stands("start agent"):
        run("systemctl", "start", "bulkheadd")


def kill_9():
    with Stands("kill -9 agent"):
        old = service.main_pid()
        run("kill", "-9", old)
        service.another_agent(old)


def watchdog():
    """The agent hangs; a shorter period than the unit's, so that the test does not take long."""
    drop_in("WatchdogSec=15\n")
    run("systemctl", "restart", "bulkheadd")
    with Stands("watchdog hit"):
        old = service.main_pid()
        run("kill", "-STOP", old)
        service.another_agent(old)
        assert "Watchdog timeout" in run("journalctl", "-b", "--no-pager", "-u", "bulkheadd", "-n", "50")
    no_drop_in()


def isolate():
    """Down to a rescue system and up again. Its shell would fight for the console."""
    quiet = pathlib.Path("/run/systemd/system/rescue.service.d/test.conf")
    quiet.parent.mkdir(parents=True)
    quiet.write_text("[Service]\nExecStartPre=\nExecStart=\nExecStart=/bin/sleep infinity\nStandardInput=null\n",
                     encoding="utf-8")
    run("systemctl", "daemon-reload")
    with Stands("isolate rescue", agent=False):
        run("systemctl", "isolate", "rescue.target")
        eventually("the agent to be stopped", lambda: property_of("bulkheadd", "ActiveState") == "inactive")
        assert property_of("bulkhead-tenants", "ActiveState") == "active"
    with Stands("isolate multi-user"):
        run("systemctl", "isolate", "--no-block", "multi-user.target")
    quiet.unlink()
    run("systemctl", "daemon-reload")


def set_property():
    """systemd owns the limits of slice and top cgroup, and takes back what others write there; tasks' limits are not its."""
    with Stands("set-property, revert"):
        run("systemctl", "set-property", "--runtime", "bulkhead.slice", "CPUWeight=50", "MemoryHigh=1900M")
        run("systemctl", "set-property", "--runtime", "bulkhead-tenants.service", "MemoryMax=1800M", "CPUQuota=190%")
        run("systemctl", "daemon-reload")
        assert (ROOT / "cpu.max").read_text(encoding="utf-8").split()[0] != "max"
        # systemd 257 does not write a revert to the cgroup until something else is set.
        run("systemctl", "set-property", "--runtime", "bulkhead-tenants.service", "MemoryMax=infinity", "CPUQuota=")
        run("systemctl", "revert", "bulkhead-tenants.service", "bulkhead.slice")
    (ROOT / "memory.high").write_text("1900000000", encoding="utf-8")
    with Stands("root limits reverted"):
        run("systemctl", "daemon-reload")
        run("systemctl", "set-property", "--runtime", "bulkhead-tenants.service", "TasksMax=20000")
        run("systemctl", "set-property", "--runtime", "bulkhead-tenants.service", "TasksMax=infinity")
        run("systemctl", "revert", "bulkhead-tenants.service")
        (ROOT / "memory.high").write_text("max", encoding="utf-8")


def capabilities():
    """Without any one of its capabilities the agent says which, or cannot do its work; the walls do not care."""
    for name in ("CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"):
        drop_in("CapabilityBoundingSet=~%s\n" % name)
        run("systemctl", "stop", "bulkheadd")
        run("systemctl", "start", "bulkheadd", code=1)
        assert "lacks " + name in run("journalctl", "-b", "--no-pager", "-u", "bulkheadd", "-n", "10")
    with Stands("no CAP_SYS_NICE"):
        drop_in("CapabilityBoundingSet=~CAP_SYS_NICE\n")
        run("systemctl", "restart", "bulkheadd")
        eventually("the agent to be ready", service.ready)
        # It is needed for root's processes where the cpuset controller is enabled, by kernel 6.1, no longer by 6.12.
        said = run("bulkheadctl", "run", "--tenant", "acme", "--task", "web", "--", "/bin/true", code=None)
        service.tell("figure", what="moving a root process without CAP_SYS_NICE", **{"is": said.strip() or "works"})
    no_drop_in()
    eventually("the agent to be ready", service.ready)
    run("bulkheadctl", "run", "--tenant", "acme", "--task", "web", "--", "/bin/true")


def tenants_refuse_to_stop():
    with Stands("stop tenants (refused)"):
        for unit in ("bulkhead-tenants.service", "bulkhead.slice"):
            run("systemctl", "stop", unit, code=4)
            run("systemctl", "restart", unit, code=4)


def holder_killed():
    with Stands("kill -9 holder"):
        holder = (ROOT / "holder/cgroup.procs").read_text(encoding="utf-8").split()
        assert holder, "there is no holder"
        run("kill", "-9", *holder)
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", "bulkheadd")
    assert property_of("bulkhead-tenants", "ActiveState") == "active"


def tenants_killed():
    """systemd kills every task, and makes another top cgroup, which no program is attached to: found out and repaired, at
    once by an agent that runs, by another one when it starts."""
    for event, agent in (("systemctl kill tenants", True), ("the same, agent away", False)):
        before, bill, lived = ROOT.stat().st_ino, service.billed(), service.processes()
        if not agent:
            run("systemctl", "stop", "bulkheadd")
        run("systemctl", "kill", "bulkhead-tenants.service")
        eventually("the tasks' end", lambda lived=lived: service.ends(pid for pids in lived.values() for pid in pids))
        eventually("another top cgroup", lambda before=before: ROOT.exists() and ROOT.stat().st_ino != before)
        began = time.monotonic()
        if not agent:
            run("systemctl", "start", "bulkheadd")
        eventually("the walls", lambda: service.ready() and service.status()["enforcement"] == "ENFORCEMENT_ENFORCED")
        took = time.monotonic() - began
        if agent:
            assert "the top cgroup was removed by somebody else, and with it the cgroups of 3 tasks" in run("bulkheadctl", "events")
        assert property_of("bulkhead-tenants", "ActiveState") == "active"
        eventually("the bill", lambda bill=bill: service.billed() >= bill)
        service.tell("row", event=event, alive="killed by systemd", denied="walls again in %.1f s" % took, flow="ended",
                     usage="%.2f s kept" % service.billed())
        service.start_witnesses()
        with Stands("  tasks started again"):
            pass


def gate():
    """A runtime that is gated waits for an agent that cannot start, and starts with walls."""
    RUNTIME_UNIT.write_text("""\
[Unit]
Description=Stands in for a container runtime
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=%(python)s -B %(script)s start
ExecStop=%(python)s -B %(script)s stop
Delegate=yes
[Install]
WantedBy=multi-user.target
""" % {"python": sys.executable, "script": service.SOURCE / "tests/vm/runtime.py"}, encoding="utf-8")
    run("install", "-D", "-m", "644", "/usr/share/bulkhead/gate.conf", "/etc/systemd/system/docker.service.d/bulkhead.conf")
    run("systemctl", "daemon-reload")
    good = CONFIG.read_text(encoding="utf-8")
    with Stands("agent broken, runtime gated"):
        CONFIG.write_text("no: such field\n", encoding="utf-8")
        run("systemctl", "restart", "--no-block", "bulkheadd")
        eventually("the agent to fail", lambda: int(property_of("bulkheadd", "NRestarts")) > 0)
        run("systemctl", "start", "--no-block", "docker")
        eventually("the runtime to wait", lambda: "waiting for the walls" in run(
            "journalctl", "-b", "-u", "docker", "--no-pager", quiet=True))
        assert property_of("docker", "ActiveState") == "activating"
        assert not (service.NOTES / "start").exists(), "the runtime did not wait"
        CONFIG.write_text(good, encoding="utf-8")
        eventually("the runtime", lambda: property_of("docker", "ActiveState") == "active")
    assert service.noted("start")["ready"] == 0, service.noted("start")


def reboot():
    """The guest reboots when this has passed."""
    run("systemctl", "enable", "docker")
    (service.NOTES / "start").unlink()
    service.note("before", {"boot": service.boot_id(), "billed": service.billed(), "limits": service.limits()})


def rebooted():
    """The runtime started the witnesses as soon as it was allowed to: they have seen every packet from the first on."""
    before = service.noted("before")
    assert service.boot_id() != before["boot"]
    eventually("the runtime", lambda: property_of("docker", "ActiveState") == "active")
    stopped, started = service.noted("stop"), service.noted("start")
    assert stopped["links"] > 0 and stopped["ready"] == 0, "the agent left before the runtime did: %s" % stopped
    assert started["links"] == stopped["links"] and started["ready"] == 0, "the runtime started before the walls: %s" % started
    assert service.limits() == before["limits"], "limits: %s, were %s" % (service.limits(), before["limits"])
    service.goes_on()
    bill = service.billed()
    assert bill >= before["billed"], "billed %s s, were %s s" % (bill, before["billed"])
    now = service.seen()
    service.tell("row", event="reboot", alive="ended with the machine", denied="%d denied, %d passed" % (
        now["denied"], now["leaked"] + now["let_through"]), flow="ended", usage="%.2f s kept" % before["billed"])
    assert now["leaked"] == now["let_through"] == 0, now
    walls = int(property_of("bulkheadd", "ActiveEnterTimestampMonotonic")) / 1e6
    begun = int(property_of("bulkheadd", "InactiveExitTimestampMonotonic")) / 1e6
    userspace = int(run("systemctl", "show", "-P", "UserspaceTimestampMonotonic").strip()) / 1e6
    service.tell("figure", what="kernel start to walls standing", **{
        "is": "%.1f s (systemd began at %.1f s, the agent at %.1f s; the runtime at %.1f s)" % (
            walls, userspace, begun, started["at"])})
    with Stands("  tasks started by runtime"):
        pass

