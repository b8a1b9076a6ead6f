"""All limits through manifest, API and command line, on whatever kind of host this is."""
import json
import os
import signal
import unittest

import harness
from case import NodeTest
from cgroups import V1

SHOP = """\
kind: Tenant
name: acme
limits:
  cpu: {max: "1.5", weight: 200, cpus: "0"}
  memory: {max: 1GiB, high: 900MiB}
  pids: {max: 200}
---
kind: Task
tenant: acme
name: web
limits:
  cpu: {max: 500m, weight: 50, burst: 20ms, cpus: "0", mems: "0"}
  memory: {max: 256MiB, high: 230MiB, low: 64MiB, min: 16MiB, swap_max: 0, oom_group: true}
  pids: {max: 64}
  io: [{path: /, read_bps: 100MiB, write_bps: 50MiB, read_iops: 2000, write_iops: 1000}]
  io_weight: 100
"""
HYBRID = "memory" in V1


class AllLimits(NodeTest):
    def status(self, name="acme/web", kind="tasks"):
        return self.node.json("get", kind, name)["status"]

    def test_every_limit_is_held_or_said_to_be_missing(self):
        self.node.apply(SHOP)
        status = self.status()
        held = status["effectiveLimits"]
        self.assertEqual(held["cpu"]["max"], 0.5)
        self.assertEqual(held["cpu"]["burst"], "0.020s")
        self.assertEqual(held["memory"]["max"], str(256 << 20))
        self.assertEqual(held["memory"]["high"], str(230 << 20))
        self.assertEqual(held["pids"]["max"], "64")
        cgroup = self.node.cgroup("acme/web")
        self.assertEqual(cgroup.file("cpuset", "cpuset.cpus", "cpuset.cpus")[0].read_text().strip(), "0")
        disk = held["io"][0]
        self.assertEqual((disk["readBps"], disk["writeIops"]), (str(100 << 20), "1000"))
        limits, _ = cgroup.file("blkio", "blkio.throttle.read_bps_device", "io.max")
        self.assertIn(disk["disk"] + " ", limits.read_text())
        self.assertIn(str(100 << 20), limits.read_text())
        shown = self.node.ctl("describe", "task", "acme/web").stdout
        if HYBRID:
            self.assertEqual(status["enforcement"], "ENFORCEMENT_DEGRADED")
            for name in ("memory.high", "memory.low", "memory.min", "memory.oom_group", "io.write_bps"):
                self.assertTrue(any(reason.startswith(name) for reason in status["reasons"]), (name, status["reasons"]))
                self.assertIn(name, shown)
            for name in ("low", "min", "oomGroup"):
                self.assertNotIn(name, held["memory"])
        else:
            self.assertEqual(held["memory"]["low"], str(64 << 20))
            self.assertTrue(held["memory"]["oomGroup"])
        done = self.node.run("acme/web", harness.PYTHON, "-c", "import os; print(os.sched_getaffinity(0))")
        self.assertEqual(done.stdout.strip(), "{0}", "what is degraded for lack of the host keeps nobody out")
        self.assertEqual(set(self.outcomes(SHOP).values()), {"UNCHANGED"})

    def test_what_is_required_and_cannot_be_is_refused(self):
        if not HYBRID:
            self.skipTest("a unified host has all of them")
        text = ("{kind: Tenant, name: acme}\n---\n"
                "{kind: Task, tenant: acme, name: web, limits: {memory: {low: 64MiB}, require: [memory.low]}}\n")
        self.assert_one_line(self.node.ctl("apply", "-f", "-", input=text), "task acme/web", "limits.memory.low", "required")
        self.assertEqual(self.node.json("get", "tasks").get("tasks", []), [])

    def test_mistakes_name_their_field(self):
        task = "{kind: Tenant, name: acme}\n---\n{kind: Task, tenant: acme, name: web, limits: {%s}}\n"
        for limits, field in (("cpu: {max: 500m, burst: 60ms}", "limits.cpu.burst"),
                              ("cpu: {idle: true, weight: 5}", "limits.cpu.weight"),
                              ("memory: {max: 64MiB, high: 64MiB}", "limits.memory.high"),
                              ("memory: {max: 64MiB, on_shrink: maybe}", "limits.memory.on_shrink"),
                              ("io: [{path: /no/such/place, read_bps: 1MiB}]", "limits.io[0].path"),
                              ("io: [{path: /proc, read_bps: 1MiB}]", "limits.io[0].path"),
                              ("require: [memory.most]", "limits.require")):
            done = self.node.ctl("apply", "-f", "-", input=task % limits)
            self.assertNotEqual(done.returncode, 0, limits)
            self.assertIn(field, done.stderr)
            self.assertIn("task acme/web", done.stderr)

    def test_dry_run_says_what_would_be_written(self):
        self.node.apply(SHOP)
        changed = SHOP.replace("max: 64}", "max: 32}").replace("max: 256MiB, high: 230MiB", "max: 300MiB, high: 260MiB")
        done = self.node.ctl("apply", "--dry-run", "-f", "-", input=changed)
        self.assertEqual(done.returncode, 0, done.stderr)
        steps = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
        self.assertEqual(steps, ["acme/web: memory.max = 314572800", "acme/web: memory.high = 272629760",
                                 "acme/web: pids.max = 32"])
        self.assertEqual(self.status()["effectiveLimits"]["pids"]["max"], "64")

    def test_levels_and_over_commit_are_shown(self):
        self.node.apply(SHOP + "---\n{kind: Task, tenant: acme, name: db, limits: {memory: {max: 1GiB}}}\n")
        status = self.status("acme/db")
        self.assertEqual(status["overallLimits"]["pids"]["max"], "200")
        self.assertEqual(status["decidedBy"]["pids.max"], "tenant")
        self.assertNotIn("memory.max", status["decidedBy"])
        self.assertIn("in the end 200, the tenant's", self.node.ctl("describe", "task", "acme/db").stdout)
        over = {entry["limit"]: entry for entry in self.status("acme", "tenants")["overCommits"]}
        self.assertEqual(over["memory.max"]["tasks"], str((1 << 30) + (256 << 20)))
        self.assertIn("memory.max 1.2x", self.node.ctl("get", "tenants", "-o", "wide").stdout)

    def test_a_limit_below_what_is_in_use_waits_until_it_fits(self):
        self.node.apply("{kind: Tenant, name: acme}\n---\n{kind: Task, tenant: acme, name: web, limits: {memory: {max: 400MiB}}}\n")
        program = ("import json,mmap,os,time; m = mmap.mmap(-1, 150 << 20); m.write(b'x' * (150 << 20)); "
                   "print(json.dumps({'pid': os.getpid()}), flush=True); time.sleep(600)")
        task = harness.Task(self.node.run_args("acme/web", [harness.PYTHON, "-c", program]), self.node.folder / "tasks.log")
        self.node.tasks.append(task)
        pid = task.line()["pid"]
        narrow = "{kind: Task, tenant: acme, name: web, limits: {memory: {max: 100MiB%s}}}\n"
        refused = self.node.ctl("apply", "-f", "-", input=narrow % ", on_shrink: refuse")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("on_shrink is refuse", refused.stdout + refused.stderr)
        self.assertEqual(self.outcomes(narrow % ""), {"task acme/web": "PENDING"})
        status = self.status()
        self.assertEqual(status["enforcement"], "ENFORCEMENT_PENDING")
        self.assertTrue(any("104857600" in reason and "419430400" in reason for reason in status["reasons"]), status)
        self.assertEqual(status["effectiveLimits"]["memory"]["max"], str(400 << 20))
        self.assertIn("pending", self.node.ctl("get", "tasks").stdout)
        self.assertIn(pid, self.node.cgroup("acme/web").processes(), "nobody is killed for it")
        os.kill(pid, signal.SIGKILL)
        harness.eventually(lambda: self.status()["enforcement"] == "ENFORCEMENT_ENFORCED", "the limit to come")
        self.assertEqual(self.status()["effectiveLimits"]["memory"]["max"], str(100 << 20))

    def test_limits_survive_a_restart_untouched(self):
        self.node.apply(SHOP)
        before = json.dumps(self.status(), sort_keys=True)
        self.assertEqual(self.node.stop(), 0)
        self.node.start()
        self.assertEqual(json.dumps(self.status(), sort_keys=True), before)
        self.assertNotIn("repaired", self.node.ctl("events").stdout)


if __name__ == "__main__":
    unittest.main()
