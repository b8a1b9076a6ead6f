"""Reload: configuration and tenants.d are taken whole or not at all, and everybody is told which."""
import grp
import signal
import subprocess
import threading
import unittest

import harness
from case import NodeTest

ACME = """\
kind: Tenant
name: acme
limits: {pids: {max: %d}}
---
{kind: Task, tenant: acme, name: web}
"""


class Reload(NodeTest):
    def put(self, name, text):
        (self.node.manifests / name).write_text(text, encoding="utf-8")

    def reload(self):
        done = self.node.ctl("reload")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def refused(self, *words):
        """A reload that is refused says why on the command line, in the log, in an event, and in status."""
        done = self.node.ctl("reload")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        status = self.node.json("status")
        told = {"the command line": done.stderr, "status": status["load"]["error"], "the log": self.node.process.said(),
                "an event": " ".join(event["message"] for event in self.events("refused")),
                "status for people": self.node.ctl("status").stdout}
        for where, text in told.items():
            for word in words:
                self.assertIn(word, text, where)
        self.assertLess(status["load"]["successTime"], status["load"]["time"])

    def events(self, kind):
        lines = self.node.ctl("-o", "json", "events").stdout.splitlines()
        return [event for event in map(harness.json.loads, lines) if event["type"] == kind]

    def test_new_and_changed_manifests_are_applied(self):
        self.put("acme.yaml", ACME % 100)
        self.assertIn("task acme/web created", self.reload())
        self.put("acme.yaml", ACME % 50)
        self.put("rival.yaml", "{kind: Tenant, name: rival}")
        said = self.reload()
        self.assertIn("tenant acme changed", said)
        self.assertIn("3 objects, 1 of them unchanged", said)
        self.assertEqual(self.node.cgroup("acme").pids_max(), 50)
        self.assertTrue(self.node.cgroup("rival").id())
        self.assertEqual(self.node.json("status")["load"]["error"], "")

    def test_sighup_does_the_same(self):
        self.put("acme.yaml", ACME % 100)
        self.node.process.kill(signal.SIGHUP)
        harness.eventually(lambda: self.node.ctl("get", "tasks", "acme/web").returncode == 0, "the task to be there")
        self.put("acme.yaml", "kind: Dragon\n")
        self.node.process.kill(signal.SIGHUP)
        harness.eventually(lambda: "Dragon" in self.node.ctl("status").stdout, "status to show the mistake")
        self.assertEqual(self.node.cgroup("acme").pids_max(), 100)

    def test_a_bad_manifest_refuses_the_whole_reload(self):
        self.put("acme.yaml", ACME % 100)
        self.reload()
        self.put("acme.yaml", ACME % 50)
        self.put("bad.yaml", "kind: Tenant\nname: rival\nlimits: {pids: {maxx: 5}}\n")
        self.node.write_config(interval="1s")
        self.refused("bad.yaml:3", "maxx")
        self.put("bad.yaml", "{kind: Task, tenant: nobody, name: web}")
        self.refused("nobody")
        self.put("bad.yaml", "{kind: Tenant, name: rival, limits: {pids: {max: 0}}}")
        self.refused("bad.yaml:1", "pids.max")
        self.assertEqual(self.node.cgroup("acme").pids_max(), 100)
        self.assertEqual(self.node.ctl("get", "tenants", "rival").returncode, 3)
        (self.node.manifests / "bad.yaml").unlink()
        self.assertIn("configuration: usage.interval", self.reload(), "the configuration was not taken before")
        self.assertEqual(self.node.cgroup("acme").pids_max(), 50)

    def test_a_bad_configuration_refuses_the_whole_reload(self):
        self.put("acme.yaml", ACME % 100)
        for more, words in (("quantum: 1", ["bulkheadd.yaml:7", "quantum"]), ("listen: {read_group: 1st}", ["read_group"])):
            with self.subTest(more):
                self.node.write_config(more=more)
                self.refused(*words)
                self.assertEqual(self.node.ctl("get", "tenants", "acme").returncode, 3)
        self.node.config.unlink()
        self.refused("bulkheadd.yaml", "No such file")

    def test_fields_that_need_a_restart_are_named_and_nothing_is_taken(self):
        text = self.node.config.read_text().replace("e2e-node", "other").replace("debug", "warning") + \
            "network: {baseline: deny}\n"
        self.node.config.write_text(text)
        self.put("acme.yaml", ACME % 100)
        self.refused("node.id", "network.baseline", "needs a restart")
        self.assertEqual(self.node.json("status")["logLevel"], "debug")
        self.assertEqual(self.node.ctl("get", "tenants", "acme").returncode, 3)
        self.node.stop()
        self.node.start()
        self.assertEqual(self.node.json("status")["nodeId"], "other")

    def test_log_level_and_interval_come_into_force(self):
        self.node.stop()
        self.node.write_config(interval="1h")
        self.put("acme.yaml", ACME % 100)
        self.node.start()
        self.node.config.write_text(self.node.config.read_text().replace("1h", "100ms").replace("debug", "info"))
        self.assertIn("configuration: usage.interval, log.level", self.reload())
        self.assertEqual(self.node.json("status")["logLevel"], "info")
        harness.eventually(lambda: "usageTime" in self.node.json("get", "tasks", "acme/web"), "a sample")

    def test_objects_whose_document_is_gone_stay_and_are_named(self):
        self.put("acme.yaml", ACME % 100)
        self.reload()
        task = self.node.spawn("acme/web", "sleep")
        self.put("acme.yaml", "{kind: Tenant, name: acme}")
        self.assertIn("bulkheadctl delete task acme/web", self.reload())
        self.assertEqual(self.node.json("status")["leftOver"], ["task acme/web"])
        self.assertIn("task acme/web", self.node.ctl("status").stdout)
        self.assertEqual([event["object"] for event in self.events("left_over")], ["acme/web"])
        self.assertIsNone(task.popen.poll(), "its processes go on")
        self.node.kill()
        self.node.start()
        self.assertEqual(self.node.json("status")["leftOver"], ["task acme/web"], "known after a crash, too")
        self.assertEqual(self.node.ctl("delete", "task", "acme/web").returncode, 0)
        self.assertEqual(self.node.json("status").get("leftOver", []), [])

    def test_a_controller_can_be_named_changed_and_taken_away(self):
        self.put("acme.yaml", ACME % 100)
        self.reload()
        self.node.program("acme/web", "burn", "0.05")
        first, second = harness.Controller().start(), harness.Controller().start()
        for controller in (first, second):
            self.node.write_config(controller=controller.address)
            self.assertIn("controller.address", self.reload())
            harness.eventually(lambda c=controller: self.node.json("status")["controller"]["connected"] and c.usage("acme"),
                               "the controller to have the usage")
            self.assertEqual(self.node.json("status")["controller"]["address"], controller.address)
        self.node.write_config()
        self.reload()
        self.assertFalse(self.node.json("status")["controller"].get("address"))

    def test_groups_hold_for_new_connections(self):
        def reads(group):
            return subprocess.run(
                ["setpriv", "--reuid", "65534", "--regid", "65534", "--groups", str(grp.getgrnam(group).gr_gid),
                 "--inh-caps=-all", harness.binary("bulkheadctl"), "--address", self.node.address, "get", "tasks"],
                capture_output=True, timeout=harness.PATIENCE, check=False).returncode == 0
        self.assertFalse(reads("games"))
        self.node.write_config(more="listen: {read_group: games}")
        self.assertIn("listen.read_group", self.reload())
        self.assertTrue(reads("games"))

    def test_a_mistake_at_the_start_is_told_and_the_agent_runs(self):
        self.put("acme.yaml", ACME % 100)
        self.reload()
        self.put("acme.yaml", "kind: Dragon\n")
        self.node.stop()
        self.node.start()
        self.assertEqual(self.node.cgroup("acme").pids_max(), 100)
        self.assertIn("Dragon", self.node.ctl("status").stdout)
        self.assertNotIn("successTime", self.node.json("status")["load"])

    def test_reloads_that_meet_each_other_and_the_end_do_no_harm(self):
        self.put("acme.yaml", ACME % 100)
        threads = [threading.Thread(target=self.node.ctl, args=("reload",)) for _ in range(8)]
        for thread in threads:
            thread.start()
            self.node.process.kill(signal.SIGHUP)
        self.assertEqual(self.node.ctl("status").returncode, 0)
        self.assertEqual(self.node.stop(), 0)
        for thread in threads:
            thread.join()


class LogLevel(NodeTest):
    def lines(self, level):
        return sum(" %s " % level in line for line in self.node.process.said().splitlines())

    def test_is_shown_and_changed_until_the_next_reload(self):
        self.assertEqual(self.node.ctl("log-level").stdout, "debug\n")
        done = self.node.ctl("log-level", "error")
        self.assertEqual((done.returncode, done.stdout.split(",")[0]), (0, "error"), done.stderr)
        self.assertIn("error", self.node.ctl("log-level").stdout)
        self.assertIn("error", self.node.ctl("status").stdout)
        before = self.lines("info")
        self.node.apply("{kind: Tenant, name: acme}")
        self.assertEqual(self.lines("info"), before, "nothing below an error is logged")
        self.assertEqual(self.node.ctl("log-level", "info").returncode, 0)
        self.node.apply("{kind: Tenant, name: rival}")
        self.assertGreater(self.lines("info"), before)
        self.assertEqual(self.node.ctl("reload").returncode, 0)
        self.assertEqual(self.node.ctl("log-level").stdout, "debug\n", "the configuration's")

    def test_unknown_levels_are_usage_errors(self):
        self.assert_one_line(self.node.ctl("log-level", "chatty"), "debug, info, warning, error", code=2)


if __name__ == "__main__":
    unittest.main()
