"""What the controller has is what the kernel counted, whoever was restarted meanwhile."""
import os
import resource
import signal
import sqlite3
import unittest

import harness
from case import TWO_TENANTS, NodeTest


class Metering(NodeTest):
    controller = True

    def freeze(self, *tasks):
        """Stops every process of the tasks: from here on their counters stand still."""
        for name in tasks:
            for pid in self.node.cgroup(name).processes():
                os.kill(pid, signal.SIGSTOP)
        return {name: self.still_cpu_ns(name) for name in tasks}

    def still_cpu_ns(self, name):
        seen = []

        def still():
            seen.append(self.node.cgroup(name).cpu_ns())
            return len(seen) > 2 and seen[-1] == seen[-2] == seen[-3]
        harness.eventually(still, "the counters of %s to stand still" % name)
        return seen[-1]

    def controller_cpu_ns(self, tenant):
        return int(self.reports_to.usage(tenant).get("cpuNs", 0))

    def eventually_equal(self, tenant, wanted):
        harness.eventually(lambda: self.controller_cpu_ns(tenant) >= wanted, "%s's usage at the controller" % tenant)
        self.assertEqual(self.controller_cpu_ns(tenant), wanted)

    def test_tenants_totals_are_the_kernels(self):
        self.node.apply(TWO_TENANTS)
        for task in ("acme/web", "acme/db", "rival/web"):
            self.node.spawn(task, "burn", "600")
            harness.eventually(lambda t=task: self.node.cgroup(t).cpu_ns() > 2e8, "some burning")
        counted = self.freeze("acme/web", "acme/db", "rival/web")
        self.eventually_equal("acme", counted["acme/web"] + counted["acme/db"])
        self.eventually_equal("rival", counted["rival/web"])

    def test_more_tasks_are_metered_than_the_customary_descriptors_allow(self):
        """Shells and systemd give few descriptors at first; the agent takes what it may have."""
        self.node.stop()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.node.start()
        names = ["t%d" % number for number in range(40)]
        self.node.apply("kind: Tenant\nname: acme\n" +
                        "".join("---\nkind: Task\ntenant: acme\nname: %s\n" % name for name in names))
        harness.eventually(lambda: sorted(task["task"] for task in self.node.json("usage", "--tenant", "acme")["tasks"]) ==
                           sorted(names), "usage of every task")

    def test_traffic_is_counted_by_scope(self):
        self.node.apply(TWO_TENANTS)
        port = self.node.spawn("acme/db", "serve", "127.0.0.1").line()["port"]
        flow = self.node.spawn("acme/web", "flow", "udp", "127.0.0.1", port)
        flow.line()
        harness.eventually(lambda: self.node.cgroup("acme/web").cpu_ns() > 2e8, "some traffic")
        rounds = flow.finish()["rounds"]

        def sent():
            tasks = {task["task"]: task["usage"] for task in self.node.json("usage", "--tenant", "acme").get("tasks", [])}
            return sum(int(part["packets"]) for part in tasks.get("web", {}).get("traffic", [])
                       if part["scope"] == "same_tenant" and part["direction"].endswith("EGRESS"))
        harness.eventually(lambda: sent() >= rounds, "every packet of the flow")
        self.assertEqual(sent(), rounds)

    def test_a_task_of_a_moment_is_billed_exactly(self):
        self.node.apply(TWO_TENANTS)
        done = self.node.run("acme/blink", "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; "
                             "cat %s" % (harness.cgroups.UNIFIED / self.node.root / "acme/blink/cpu.stat"), options=("--rm",))
        self.assertEqual(done.returncode, 0, done.stderr)
        seen = int(dict(line.split() for line in done.stdout.splitlines())["usage_usec"]) * 1000
        self.assertGreater(seen, 0)
        harness.eventually(lambda: self.controller_cpu_ns("acme") >= seen, "the task's last sample at the controller")

    def test_agent_killed_and_restarted_loses_nothing_and_counts_nothing_twice(self):
        self.node.apply(TWO_TENANTS)
        self.node.spawn("acme/web", "burn", "600")
        for _ in range(3):
            before = self.node.cgroup("acme/web").cpu_ns()
            harness.eventually(lambda b=before: self.node.cgroup("acme/web").cpu_ns() > b + 2e8, "some burning")
            self.node.kill()
            self.node.start()
        self.eventually_equal("acme", self.freeze("acme/web")["acme/web"])

    def test_controller_killed_and_restarted_loses_nothing_and_counts_nothing_twice(self):
        self.node.apply(TWO_TENANTS)
        self.node.spawn("acme/web", "burn", "600")
        for _ in range(3):
            self.reports_to.kill()
            before = self.node.cgroup("acme/web").cpu_ns()
            harness.eventually(lambda b=before: self.node.cgroup("acme/web").cpu_ns() > b + 2e8, "some burning")
            self.reports_to.start()
        self.eventually_equal("acme", self.freeze("acme/web")["acme/web"])

    def test_deleted_task_stays_on_the_bill(self):
        self.node.apply(TWO_TENANTS)
        self.node.spawn("acme/web", "burn", "600")
        harness.eventually(lambda: self.node.cgroup("acme/web").cpu_ns() > 2e8, "some burning")
        counted = self.freeze("acme/web")["acme/web"]
        self.assertEqual(self.node.ctl("delete", "task", "acme/web").returncode, 0)
        harness.eventually(lambda: self.controller_cpu_ns("acme") >= counted, "the bill")
        billed = self.controller_cpu_ns("acme")
        self.node.apply(TWO_TENANTS)
        self.node.program("acme/web", "burn", "0.2")
        again = self.node.cgroup("acme/web").cpu_ns()
        harness.eventually(lambda: self.controller_cpu_ns("acme") >= billed + again, "the new task's bill on top")
        self.assertEqual(self.controller_cpu_ns("acme"), billed + again)

    def test_task_is_not_gone_before_its_last_usage_is_recorded(self):
        """Somebody holds the ledger's lock while a task is deleted, and the agent is killed in the middle."""
        self.node.apply(TWO_TENANTS)
        task = self.node.spawn("acme/web", "burn", "600")
        harness.eventually(lambda: self.node.cgroup("acme/web").cpu_ns() > 2e8, "some burning")
        ledger = sqlite3.connect(self.node.state / "ledger.db", isolation_level=None)
        self.addCleanup(ledger.close)
        ledger.execute("BEGIN IMMEDIATE")
        self.assert_one_line(self.node.ctl("delete", "task", "acme/web"), "goes on by itself",
                             "last usage cannot be recorded", "database is locked")
        self.assertEqual(task.wait(), 128 + signal.SIGKILL, "killed all the same")
        counted = self.still_cpu_ns("acme/web")
        for crashed in (False, True):
            if crashed:
                self.node.kill()
                self.node.start()
            status = self.node.json("get", "task", "acme/web")["status"]
            self.assertEqual(status["enforcement"], "ENFORCEMENT_DEGRADED")
            self.assertIn("database is locked", "".join(status["reasons"]))
            self.assertEqual(self.node.json("status")["enforcement"], "ENFORCEMENT_DEGRADED")
            self.assertEqual(self.node.cgroup("acme/web").cpu_ns(), counted)
            self.assert_one_line(self.node.run("acme/web", "true"), "being removed")
        ledger.execute("ROLLBACK")
        harness.eventually(lambda: self.node.ctl("get", "task", "acme/web").returncode == 3, "the removal to end")
        self.eventually_equal("acme", counted)
        self.assertEqual(self.node.json("status")["enforcement"], "ENFORCEMENT_ENFORCED")


class ControllerFaults(NodeTest):
    def test_absent_controller_is_said_and_harms_nothing(self):
        self.node.stop()
        self.node.write_config(controller="unix:///nonexistent/controller.sock")
        self.node.start()
        self.node.apply(TWO_TENANTS)
        self.node.program("acme/web", "burn", "0.1")
        state = harness.eventually(lambda: self.node.json("status")["controller"].get("error") and
                                   self.node.json("status")["controller"], "the reason in status")
        self.assertFalse(state.get("connected", False))
        self.assertIn("/nonexistent/controller.sock", state["address"])

    def test_usage_waits_for_a_controller_that_comes_late(self):
        late = harness.Controller()
        self.node.stop()
        self.node.write_config(controller=late.address)
        self.node.start()
        self.node.apply(TWO_TENANTS)
        self.node.program("acme/web", "burn", "0.2")
        counted = self.node.cgroup("acme/web").cpu_ns()
        late.start()
        harness.eventually(lambda: int(late.usage("acme").get("cpuNs", 0)) == counted, "all of it at the controller")

    def test_controller_that_lies_is_not_believed(self):
        for lie in ("ahead", "garbage"):
            with self.subTest(lie):
                liar = harness.Process([harness.PYTHON, harness.HERE / "liar.py", lie, self.node.folder / "liar.sock"],
                                       self.node.folder / "liar.log")
                self.addCleanup(liar.end)
                self.node.stop()
                self.node.write_config(controller="unix://%s" % (self.node.folder / "liar.sock"))
                self.node.start()
                self.node.apply(TWO_TENANTS)
                self.node.program("acme/web", "burn", "0.1")
                harness.eventually(lambda: self.node.json("status")["controller"].get("error"), "the lie in status")
                self.assertTrue(self.node.alive())
                state = self.node.json("status")["controller"]
                self.assertLessEqual(int(state.get("acknowledgedSequence", 0)), int(state.get("lastSequence", 0)))
                liar.end()
        honest = harness.Controller().start()
        self.node.stop()
        self.node.write_config(controller=honest.address)
        self.node.start()
        counted = self.node.cgroup("acme/web").cpu_ns()
        harness.eventually(lambda: int(honest.usage("acme").get("cpuNs", 0)) == counted,
                           "everything at an honest controller: no lie had records dropped")


if __name__ == "__main__":
    unittest.main()
