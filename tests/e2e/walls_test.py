"""Each wall against a real program that leans on it."""
import time
import unittest

import harness
from case import TWO_TENANTS, NodeTest


class Cpu(NodeTest):
    def test_quota_holds_and_throttling_shows(self):
        self.node.apply("{kind: Tenant, name: acme}\n---\n{kind: Task, tenant: acme, name: web, limits: {cpu: {max: 250m}}}\n")
        cgroup = self.node.cgroup("acme/web")
        task = self.node.spawn("acme/web", "burn", "600")
        harness.eventually(lambda: cgroup.throttled_periods() > 2, "throttling")
        began, before = time.monotonic(), cgroup.cpu_ns()
        harness.eventually(lambda: time.monotonic() - began > 2, "two seconds of burning")
        used, took = cgroup.cpu_ns() - before, time.monotonic() - began
        # A period of 100 ms at either end, and what one CPU may run ahead by within it.
        self.assertLess(used / 1e9, 0.25 * (took + 0.2) + 0.025)
        self.assertGreater(used, 0)

        def shown():
            return int(self.node.json("get", "tasks", "acme/web").get("usage", {}).get("throttledPeriods", 0)) > 0
        harness.eventually(shown, "the throttling in get")
        task.kill()

    def test_tenants_aggregate_holds_over_its_tasks(self):
        self.node.apply("{kind: Tenant, name: acme, limits: {cpu: {max: 400m}}}\n---\n"
                        "{kind: Task, tenant: acme, name: a}\n---\n{kind: Task, tenant: acme, name: b}\n")
        for name in ("a", "b"):
            self.node.spawn("acme/" + name, "burn", "600")
        tenant = self.node.cgroup("acme")
        parts = [self.node.cgroup("acme/" + name) for name in ("a", "b")]
        harness.eventually(lambda: all(part.cpu_ns() > 5e7 for part in parts), "both to burn")
        began, before = time.monotonic(), tenant.cpu_ns()
        harness.eventually(lambda: time.monotonic() - began > 2, "two seconds of burning")
        used, took = tenant.cpu_ns() - before, time.monotonic() - began
        self.assertLess(used / 1e9, 0.4 * (took + 0.2) + 0.04)


class Memory(NodeTest):
    def test_hog_is_killed_alone(self):
        self.node.apply("{kind: Tenant, name: acme}\n---\n"
                        "{kind: Task, tenant: acme, name: hog, limits: {memory: {max: 48MiB}}}\n---\n"
                        "{kind: Task, tenant: acme, name: calm}\n")
        calm = self.node.spawn("acme/calm", "sleep")
        pid = calm.line()["pid"]
        done = self.node.run("acme/hog", harness.PYTHON, harness.PROGRAMS, "hog", "400")
        self.assertIn(done.returncode, (-9, 137), done.stderr)
        hog = self.node.cgroup("acme/hog")
        self.assertGreaterEqual(hog.oom_kills(), 1)
        self.assertLessEqual(hog.memory_peak(), 48 << 20)
        self.assertIn(pid, self.node.cgroup("acme/calm").processes())
        self.assertTrue(self.node.alive())
        harness.eventually(
            lambda: "oom_kill" in self.node.ctl("events").stdout, "the kill among the events")
        self.assertEqual(calm.finish(), {"ended": True})


class Pids(NodeTest):
    def test_fork_bomb_stops_at_the_wall(self):
        self.node.apply("{kind: Tenant, name: acme}\n---\n{kind: Task, tenant: acme, name: bomb, limits: {pids: {max: 20}}}\n")
        figures = self.node.program("acme/bomb", "fork-bomb", "500")
        self.assertLess(figures["forked"], 20)
        self.assertGreater(figures["refused"], 0)
        self.assertGreater(self.node.cgroup("acme/bomb").pids_failures(), 0)

    def test_tenants_aggregate_holds_over_its_tasks(self):
        self.node.apply("{kind: Tenant, name: acme, limits: {pids: {max: 30}}}\n---\n"
                        "{kind: Task, tenant: acme, name: a}\n---\n{kind: Task, tenant: acme, name: b}\n")
        idle = [self.node.spawn("acme/a", "sleep") for _ in range(3)]
        for task in idle:
            task.line()
        figures = self.node.program("acme/b", "fork-bomb", "500")
        self.assertLess(figures["forked"], 27)
        self.assertGreater(figures["refused"], 0)

    def test_delete_ends_a_fork_bomb(self):
        self.node.apply("{kind: Tenant, name: acme}\n---\n{kind: Task, tenant: acme, name: bomb, limits: {pids: {max: 200}}}\n")
        self.node.spawn("acme/bomb", "sleep").line()
        shell = harness.Task(self.node.run_args("acme/bomb", ["bash", "-c", "b() { b | b & }; b; sleep 100"]),
                             self.node.folder / "bomb.log")
        self.node.tasks.append(shell)
        harness.eventually(lambda: self.node.cgroup("acme/bomb").pids_failures() > 0, "the bomb to hit the wall")
        done = self.node.ctl("delete", "task", "acme/bomb")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn(self.node.root + "/acme/bomb", self.node.cgroup().paths())


class Network(NodeTest):
    def test_tenants_are_apart_and_tasks_of_one_are_not(self):
        self.node.apply(TWO_TENANTS)
        for host in ("127.0.0.1", "::1"):
            port = self.node.spawn("acme/db", "serve", host).line()["port"]
            targets = ["tcp", host, port, "udp", host, port]
            with self.subTest(host):
                self.assertEqual(self.node.program("acme/web", "connect", *targets)["results"], ["reply", "reply"])
                self.assertEqual(self.node.program("rival/web", "connect", *targets)["results"], ["EPERM", "EPERM"])

    def test_drops_are_counted_and_named(self):
        self.node.apply(TWO_TENANTS)
        port = self.node.spawn("acme/db", "serve", "127.0.0.1").line()["port"]
        self.node.program("rival/web", "connect", "tcp", "127.0.0.1", port)

        def counted():
            usage = self.node.json("get", "tasks", "rival/web").get("usage", {})
            return any(int(drop["packets"]) > 0 for drop in usage.get("drops", []))
        harness.eventually(counted, "the drop in get")

    def test_egress_by_address_and_port_across_namespaces(self):
        self.node.apply(TWO_TENANTS + """\
---
kind: NetworkPolicy
tenant: acme
name: out
select: {}
egress:
  - {to: [{cidr: 10.99.0.0/24, except: [10.99.0.3/32]}]}
""")
        here, there = harness.Netns(), harness.Netns()
        here.join(there, "10.99.0.1/24", "10.99.0.2/24", "10.99.0.3/24", "10.98.0.1/24")
        here.ip("route", "add", "10.98.0.0/24", "dev", "veth0")
        targets = []
        for host in ("10.99.0.2", "10.99.0.3", "10.98.0.1"):
            outside = harness.Task([*there.prefix(), harness.PYTHON, harness.PROGRAMS, "serve", host],
                                   self.node.folder / "outside.log")
            self.addCleanup(outside.end)
            port = outside.line()["port"]
            targets += ["tcp", host, port, "udp", host, port]
        got = self.node.program("acme/web", "connect", *targets, prefix=here.prefix())["results"]
        self.assertEqual(got, ["reply", "reply", "EPERM", "EPERM", "EPERM", "EPERM"])
        self.node.ctl("delete", "policy", "acme/out")
        got = self.node.program("acme/web", "connect", *targets, prefix=here.prefix())["results"]
        self.assertEqual(got, ["reply"] * 6, "without the policy the baseline lets it out")

    def test_a_change_reaches_a_flow_that_is_open(self):
        self.node.apply(TWO_TENANTS)
        port = self.node.spawn("acme/db", "serve", "127.0.0.1").line()["port"]
        flow = self.node.spawn("acme/web", "flow", "tcp", "127.0.0.1", port)
        flow.line()
        self.node.apply("{kind: NetworkPolicy, tenant: acme, name: shut, ingress: []}\n")
        figures = flow.line()
        self.assertEqual(len(figures["broken"]), 1, "the flow ends by itself once it is denied")

    def test_metadata_address_is_denied(self):
        self.node.apply(TWO_TENANTS)
        got = self.node.program("acme/web", "connect", "tcp", "169.254.169.254", "80", "udp", "169.254.169.254", "80",
                                "tcp", "fd00:ec2::254", "80")
        self.assertEqual(got["results"], ["EPERM"] * 3)

    def test_bind_is_held_to_its_ports(self):
        self.node.apply(TWO_TENANTS + "---\n{kind: NetworkPolicy, tenant: acme, name: b, bind: [tcp/18080]}\n")
        program = "import socket,sys; s=socket.socket(); s.bind(('127.0.0.1', int(sys.argv[1])))"
        self.assertEqual(self.node.run("acme/web", harness.PYTHON, "-c", program, "18080").returncode, 0)
        denied = self.node.run("acme/web", harness.PYTHON, "-c", program, "18081")
        self.assertIn("PermissionError", denied.stderr)


if __name__ == "__main__":
    unittest.main()
