"""kill -9 of the agent at random moments, under traffic and changes. Nobody may notice but the one who looks at pids."""
import random
import threading
import unittest

import harness
from case import NodeTest

ROUNDS = 10 if harness.SANITIZED else 200
BASE = """\
{kind: Tenant, name: acme, limits: {pids: {max: 300}}}
---
{kind: Tenant, name: rival}
---
{kind: Task, tenant: acme, name: client, labels: {app: client}, limits: {memory: {max: 256MiB}}}
---
{kind: Task, tenant: acme, name: server, labels: {app: server}}
---
{kind: Task, tenant: rival, name: prober}
"""
POLICY = """\
---
kind: NetworkPolicy
tenant: acme
name: web
select: {labels: {app: server}}
ingress:
  - {from: [{tenant: same}]}
  - {from: [{cidr: 10.%d.0.0/16}], ports: [tcp/%d]}
"""


class KillNine(NodeTest):
    controller = True

    def changes(self, stop):
        """Applies, all the while: limits, policies, tasks that come and go. The agent is often away: that is no error."""
        at = 0
        while not stop.is_set():
            at += 1
            extra = "---\n{kind: Task, tenant: acme, name: extra-%d, limits: {pids: {max: %d}}}\n" % (at % 7, 10 + at % 5)
            self.node.ctl("apply", "-f", "-", *(["--prune"] if at % 3 == 0 else []),
                          input=BASE.replace("256MiB", "%dMiB" % (200 + at % 50)) + POLICY % (at % 200, 80 + at % 9) + extra)
            self.answered += 1

    def test_at_random_moments_under_traffic(self):
        moments = random.Random(20260101)
        self.answered = 0
        self.node.apply(BASE)
        port = self.node.spawn("acme/server", "serve", "127.0.0.1")
        server, port = port, port.line()["port"]
        flows = [self.node.spawn("acme/client", "flow", kind, "127.0.0.1", port) for kind in ("tcp", "udp")]
        prober = self.node.spawn("rival/prober", "probe", "127.0.0.1", port)
        for task in [*flows, prober]:
            task.line()
        stop = threading.Event()
        changer = threading.Thread(target=self.changes, args=(stop,), daemon=True)
        changer.start()
        try:
            for _ in range(ROUNDS):
                # From within the start to well after it; every tenth time it may get ready first.
                if moments.random() < 0.1:
                    harness.eventually(self.node.ready, "the agent to be ready")
                stop.wait(moments.uniform(0.0, 0.5))
                self.node.kill()
                self.node.launch()
        finally:
            stop.set()
            changer.join()
        harness.eventually(self.node.ready, "the agent to be ready")
        self.assertGreater(self.answered, ROUNDS // 10)

        for kind, flow in zip(("tcp", "udp"), flows):
            figures = flow.finish()
            self.assertEqual(figures["broken"], [], kind)
            self.assertGreater(figures["rounds"], ROUNDS)
        probed = prober.finish()
        self.assertEqual(probed["passed"], 0)
        self.assertGreater(probed["tries"], ROUNDS)
        self.assertEqual(server.finish()["denied"], 0)

        final = BASE + POLICY % (1, 80)
        self.node.apply(final, "--prune")
        self.assertEqual(set(self.outcomes(final, "--prune").values()), {"UNCHANGED"})
        wanted = {self.node.root + end for end in ("", "/acme", "/rival", "/acme/client", "/acme/server", "/rival/prober")}
        self.assertEqual(self.node.cgroup().paths(), wanted, "no cgroup leaks in any hierarchy")
        status = self.node.json("status")
        self.assertEqual(status["enforcement"], "ENFORCEMENT_ENFORCED", status)
        self.assert_totals_are_the_kernels()

    def assert_totals_are_the_kernels(self):
        names = {"client": "acme/client", "server": "acme/server", "prober": "rival/prober"}
        kernel = {task: self.node.cgroup(path).cpu_ns() for task, path in names.items()}

        def billed():
            tasks = {task["task"]: int(task["usage"].get("cpuNs", 0)) for task in self.node.json("usage")["tasks"]
                     if not task.get("final")}
            return {task: tasks.get(task) for task in names}
        harness.eventually(lambda: billed() == kernel, "usage to equal the kernel's counters %s" % kernel)
        rival = kernel["prober"]
        harness.eventually(lambda: int(self.reports_to.usage("rival").get("cpuNs", 0)) == rival,
                           "the controller's total to equal the kernel's")


if __name__ == "__main__":
    unittest.main()
