"""Metrics: what they say is what the kernel and the API say, who may read them, and that Prometheus takes them."""
import grp
import re
import shutil
import socket
import subprocess
import unittest

import cgroups
import harness
import metrics
from case import TWO_TENANTS, NodeTest

ONE = """\
kind: Tenant
name: acme
limits: {cpu: {max: "2"}, memory: {max: 256MiB}}
---
kind: Task
tenant: acme
name: web
limits: {cpu: {max: 250m, weight: 50}, memory: {max: 64MiB}, pids: {max: 10}}
---
{kind: Tenant, name: rival}
---
{kind: Task, tenant: rival, name: web}
"""
WEB = {"tenant": "acme", "task": "web"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MetricsTest(NodeTest):
    def offer(self, listen, more=""):
        self.node.write_config(more="metrics: {listen: \"%s\"}\n%s" % (listen, more))
        return self.node.ctl("reload")

    def setUp(self):
        super().setUp()
        self.unix = "unix://%s" % (self.node.folder / "metrics.sock")
        self.offer(self.unix)

    def scrape(self):
        return metrics.scrape(self.unix)

    def eventually(self, name, least, **labels):
        return harness.eventually(lambda: (self.scrape().value(name, **labels) or 0) >= least, "%s%s" % (name, labels))


class Values(MetricsTest):
    def test_names_types_and_help_keep_to_the_conventions(self):
        self.node.apply(ONE)
        self.eventually("bulkhead_task_pids", 0, **WEB)
        families = self.scrape().families
        self.assertGreater(len(families), 55)
        for name, family in families.items():
            with self.subTest(name):
                self.assertRegex(name, r"^(bulkhead|process)_[a-z_]+$")
                self.assertRegex(family.documentation, r"^.{10,}\.$")
                self.assertIn(family.type, ("counter", "gauge", "histogram"))
                self.assertNotRegex(name, r"_(ms|ns|us|milliseconds|kb|mb|percent|count|sum|bucket)$")
        for labels in (dict(key) for _, key in self.scrape().values):
            self.assertLessEqual(set(labels), {"tenant", "task", "direction", "scope", "reason", "type", "kind", "enforcement",
                                               "map", "method", "code", "step", "le", "version", "node", "kernel", "cgroups"})

    def test_promtool_has_nothing_to_say(self):
        if not shutil.which("promtool"):
            self.skipTest("no promtool (of the package prometheus)")
        self.node.apply(ONE)
        self.node.program("acme/web", "burn", "0.5")
        self.eventually("bulkhead_task_cpu_seconds_total", 0.1, **WEB)
        done = subprocess.run(["promtool", "check", "metrics"], input=self.scrape().text, text=True, capture_output=True,
                              check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_limits_and_enforcement(self):
        self.node.apply(ONE)
        seen = self.scrape()
        for name, value in (("cpu_limit_cores", 0.25), ("cpu_weight", 50), ("memory_limit_bytes", 64 << 20), ("pids_limit", 10),
                            ("memory_effective_limit_bytes", 64 << 20), ("cpu_effective_limit_cores", 0.25),
                            ("pids_effective_limit", 10), ("enforced", 1), ("degraded", 0), ("failed", 0)):
            self.assertEqual(seen.value("bulkhead_task_" + name, **WEB), value, name)
        self.assertIsNone(seen.value("bulkhead_task_memory_limit_bytes", tenant="rival", task="web"), "there is no limit")
        self.assertEqual(seen.value("bulkhead_tenant_memory_limit_bytes", tenant="acme"), 256 << 20)
        self.assertEqual(seen.value("bulkhead_objects", kind="task", enforcement="enforced"), 2)
        self.assertEqual(seen.value("bulkhead_network_attached"), 1)

    def test_use_is_what_the_api_says(self):
        self.node.apply(ONE + "---\n{kind: Task, tenant: acme, name: slow, limits: {cpu: {max: 50m}}}")
        slow = {"tenant": "acme", "task": "slow"}
        self.node.program("acme/slow", "burn", "1")
        self.eventually("bulkhead_task_cpu_throttled_periods_total", 1, **slow)
        names = {"cpu_seconds_total": ("cpuNs", 1e9), "cpu_throttled_seconds_total": ("throttledNs", 1e9),
                 "cpu_throttled_periods_total": ("throttledPeriods", 1), "memory_peak_bytes": ("memoryPeakBytes", 1)}

        def both():
            """The same sample, as the API and as a scrape have it; a sample may come in between."""
            usage, seen = self.node.json("get", "tasks", "acme/slow")["usage"], self.scrape()
            return ([int(usage[field]) / unit for field, unit in names.values()],
                    [seen.value("bulkhead_task_" + name, **slow) for name in names])
        harness.eventually(lambda: len({tuple(values) for values in both()}) == 1, "both to say the same")
        seen = self.scrape()
        self.assertGreaterEqual(seen.value("bulkhead_tenant_cpu_seconds_total", tenant="acme"),
                                seen.value("bulkhead_task_cpu_seconds_total", **slow))

    def test_network_by_scope_and_drops_by_reason(self):
        self.node.apply(ONE)
        self.assertEqual(self.scrape().value("bulkhead_task_network_drops_total", direction="egress", reason="policy", **WEB) or 0, 0)
        server = self.node.spawn("acme/web", "serve", "127.0.0.1")
        port = server.line()["port"]
        for task in ("acme/web", "rival/web"):
            self.node.program(task, "connect", "tcp", "127.0.0.1", str(port))
        self.eventually("bulkhead_task_network_bytes_total", 1, direction="egress", scope="same_tenant", **WEB)
        self.eventually("bulkhead_task_network_packets_total", 1, direction="ingress", scope="same_tenant", **WEB)
        self.eventually("bulkhead_task_network_drops_total", 1, direction="egress", reason="policy", tenant="rival", task="web")

    def test_the_agent_counts_its_own_work(self):
        before = self.scrape()
        self.node.apply(ONE)
        self.node.ctl("get", "tasks", "acme/none")
        self.node.ctl("delete", "task", "rival/web")
        seen = self.scrape()
        self.assertEqual(seen.value("bulkhead_apply_duration_seconds_count"), before.value("bulkhead_apply_duration_seconds_count") + 2)
        self.assertEqual(seen.value("bulkhead_plan_steps_total", step="create_cgroup"), 4)
        self.assertEqual(seen.value("bulkhead_plan_steps_total", step="kill_cgroup"), 1)
        self.assertEqual(seen.value("bulkhead_events_total", type="created"), 4)
        self.assertEqual(seen.value("bulkhead_api_requests_total", method="Apply", code="OK"), 1)
        self.assertEqual(seen.value("bulkhead_api_requests_total", method="GetTask", code="NOT_FOUND"), 1)
        self.assertGreater(seen.value("bulkhead_map_entries", map="tasks"), 0)
        self.assertGreater(seen.value("process_resident_memory_bytes"), 1 << 20)
        self.assertGreater(seen.value("process_cpu_seconds_total"), 0)
        self.assertEqual(seen.value("bulkhead_controller_configured"), 0)
        self.eventually("bulkhead_sample_round_duration_seconds_count", 2)
        self.eventually("bulkhead_scrape_collect_duration_seconds_count", 2)

    def test_repairs_and_reloads_are_counted(self):
        self.node.apply(ONE)
        self.node.cgroup("acme/web").file("pids", "pids.max", "pids.max")[0].write_text("77")
        self.eventually("bulkhead_reconcile_repairs_total", 1)
        self.assertEqual(self.scrape().value("bulkhead_config_last_reload_successful"), 1)
        self.node.config.write_text("quantum: 1")
        self.node.ctl("reload")
        seen = self.scrape()
        self.assertEqual(seen.value("bulkhead_config_last_reload_successful"), 0)
        self.assertGreater(seen.value("bulkhead_config_last_reload_success_timestamp_seconds"), 1e9)


class Access(MetricsTest):
    def as_member(self, group, where):
        script = "import sys; sys.path.insert(0, %r); import metrics; print(metrics.get(%r)[0])" % (str(harness.HERE), where)
        done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--groups", str(grp.getgrnam(group).gr_gid),
                               "--inh-caps=-all", harness.PYTHON, "-c", script], text=True, capture_output=True, timeout=60,
                              check=False)
        return done.stdout.strip()

    def from_task(self, where):
        """What a process of a tenant, root, gets."""
        script = "import sys; sys.path.insert(0, %r); import metrics; print(metrics.get(%r)[0])" % (str(harness.HERE), where)
        return self.node.run("acme/web", harness.PYTHON, "-c", script).stdout.strip()

    def test_nothing_is_offered_by_default(self):
        self.assertEqual(self.offer("").returncode, 0)
        self.assertFalse((self.node.folder / "metrics.sock").exists())

    def test_the_socket_lets_in_readers_and_no_tenant(self):
        self.node.apply(TWO_TENANTS)
        self.offer(self.unix, "listen: {read_group: games}")
        self.assertEqual(self.as_member("games", self.unix), "200")
        self.assertEqual(self.as_member("video", self.unix), "")
        self.assertEqual(self.from_task(self.unix), "")

    def test_a_loopback_port_lets_in_the_host_and_no_tenant(self):
        self.node.apply(TWO_TENANTS)
        for host in ("127.0.0.1", "[::1]"):
            where = "%s:%d" % (host, free_port())
            with self.subTest(where):
                self.assertEqual(self.offer(where).returncode, 0)
                self.assertEqual(metrics.get(where)[0], 200)
                self.assertEqual(self.as_member("video", where), "200")
                self.assertEqual(self.from_task(where), "")
                self.assertIn("scrape refused", self.node.process.said())

    def test_a_cgroup_that_a_tenant_makes_inside_is_the_tenants(self):
        self.node.apply(TWO_TENANTS)
        where = "127.0.0.1:%d" % free_port()
        self.offer(where)
        inner = cgroups.UNIFIED / self.node.root / "acme/web/inner"
        script = "import sys, os; sys.path.insert(0, %r); os.mkdir(%r); open(%r, 'w').write('0')\n" \
            "import metrics; print(metrics.get(%r)[0])" % (str(harness.HERE), str(inner), str(inner / "cgroup.procs"), where)
        done = self.node.run("acme/web", harness.PYTHON, "-c", script)
        self.assertIn("RemoteDisconnected", done.stderr.replace("ConnectionResetError", "RemoteDisconnected"), done.stdout)

    def test_other_addresses_are_refused(self):
        for listen in ("0.0.0.0:9105", "[::]:9105", "localhost:9105"):
            self.assert_one_line(self.offer(listen), "metrics.listen", "never leave the host")
            self.assertEqual(metrics.get(self.unix)[0], 200, "the old one goes on")

    def test_an_address_that_is_taken_refuses_the_reload_whole(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            where = "127.0.0.1:%d" % taken.getsockname()[1]
            self.assert_one_line(self.offer(where, "listen: {read_group: games}"), "metrics.listen", where, "in use")
            self.assertEqual(metrics.get(self.unix)[0], 200)
            self.assertEqual(self.as_member("games", self.unix), "", "nothing of it was taken")
            self.node.stop()
            self.node.start()  # walls come first: the agent starts without metrics, and says so
            self.assertIn("metrics.listen", self.node.ctl("status").stdout)
        self.assertEqual(self.node.ctl("reload").returncode, 0)
        self.assertEqual(metrics.get(where)[0], 200)

    def test_only_get_metrics_is_answered(self):
        self.assertEqual(metrics.get(self.unix, "/")[0], 404)
        self.assertEqual(metrics.get(self.unix, method="POST")[0], 405)
        self.assertEqual(metrics.get(self.unix, method="HEAD")[1], "")

    def test_clients_that_say_nothing_or_nonsense_block_nobody(self):
        mute = [metrics.UnixConnection(self.unix[len("unix://"):]) for _ in range(8)]
        for number, connection in enumerate(mute):
            connection.connect()
            connection.sock.send(b"\x00\xff" * 1000 if number % 2 else b"GET /metrics HTTP/1.1\r\nX: ")
        self.assertEqual(metrics.get(self.unix)[0], 200)
        for connection in mute:
            connection.close()

    def test_scrapes_meet_reloads_and_the_end_without_harm(self):
        self.node.apply(TWO_TENANTS)
        scraper = subprocess.Popen(
            [harness.PYTHON, "-c", "import sys; sys.path.insert(0, %r); import metrics\n"
             "while True:\n try: metrics.get(%r)\n except OSError: pass\n except Exception: pass" % (str(harness.HERE), self.unix)])
        self.addCleanup(scraper.wait)
        self.addCleanup(scraper.kill)
        for listen in ("", self.unix) * 5:
            self.assertEqual(self.offer(listen).returncode, 0)
        self.assertEqual(self.node.stop(), 0)


class Dashboards(MetricsTest):
    PACKAGING = harness.HERE.parents[1] / "packaging"

    def names(self, text):
        return set(re.findall(r"\b(?:bulkhead|process)_[a-z_]+", text))

    def test_every_metric_that_dashboard_and_alerts_ask_for_exists(self):
        self.node.apply(ONE)
        server = self.node.spawn("acme/web", "serve", "127.0.0.1")
        port = server.line()["port"]
        self.node.program("acme/web", "connect", "tcp", "127.0.0.1", str(port))
        self.eventually("bulkhead_task_network_packets_total", 1, direction="egress", scope="same_tenant", **WEB)
        self.eventually("bulkhead_tenant_memory_bytes", 0, tenant="acme")
        known = self.scrape().names
        for file in ("grafana/bulkhead.json", "examples/prometheus-alerts.yaml"):
            text = (self.PACKAGING / file).read_text(encoding="utf-8")
            asked = self.names("\n".join(line for line in text.splitlines() if "expr" in line or "query" in line))
            self.assertGreater(len(asked), 10, file)
            self.assertEqual(asked - known, set(), file)

    def test_the_dashboard_is_one(self):
        board = harness.json.loads((self.PACKAGING / "grafana/bulkhead.json").read_text(encoding="utf-8"))
        panels = [panel for row in board["panels"] for panel in [row, *row.get("panels", [])]]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        for panel in panels:
            if panel["type"] != "row":
                self.assertTrue(panel["title"] and panel["description"] and panel["targets"], panel["title"])

    def test_promtool_takes_the_alerts(self):
        if not shutil.which("promtool"):
            self.skipTest("no promtool (of the package prometheus)")
        done = subprocess.run(["promtool", "check", "rules", self.PACKAGING / "examples/prometheus-alerts.yaml"], text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
