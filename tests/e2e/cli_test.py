"""bulkheadctl against a real agent: what it prints, in which form, and how it exits."""
import json
import re
import unittest

import harness
from case import TWO_TENANTS, NodeTest


class Status(NodeTest):
    def test_says_what_is_enforced(self):
        status = self.node.json("status")
        self.assertTrue(status["ready"])
        self.assertEqual(status["enforcement"], "ENFORCEMENT_ENFORCED")
        self.assertEqual(status["nodeId"], "e2e-node")
        self.assertIn(self.node.root, status["cgroupRoot"])
        features = {feature["name"]: feature["works"] for feature in status["features"]}
        self.assertTrue(features["cgroup.kill"])
        self.assertEqual(status["configFile"], str(self.node.config))
        table = self.node.ctl("status").stdout
        self.assertRegex(table, r"(?m)^Features .*cgroup\.kill")
        self.assertIn("e2e-node", table)
        self.assertNotIn("\x1b", table, "colour only on a terminal")
        self.assertLessEqual(max(map(len, table.splitlines())), 100)

    def test_version_needs_no_agent(self):
        self.node.stop()
        done = self.node.ctl("version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\d+\.\d+\.\d+")


class Apply(NodeTest):
    def test_reports_created_unchanged_and_changed(self):
        kinds = ["tenant acme", "tenant rival", "task acme/web", "task acme/db", "task rival/web"]
        self.assertEqual(self.outcomes(TWO_TENANTS), dict.fromkeys(kinds, "CREATED"))
        self.assertEqual(self.outcomes(TWO_TENANTS), dict.fromkeys(kinds, "UNCHANGED"))
        self.assertEqual(self.outcomes("{kind: Task, tenant: acme, name: web, limits: {pids: {max: 10}}}"),
                         {"task acme/web": "CHANGED"})
        self.assertEqual(self.node.cgroup("acme/web").pids_max(), 10)

    def test_prints_a_word_for_each_object(self):
        said = self.node.apply(TWO_TENANTS)
        for name in ("acme", "acme/web", "rival/web"):
            self.assertRegex(said, r"(?m)%s\b.*created" % re.escape(name))
        self.assertRegex(self.node.apply(TWO_TENANTS), r"(?m)acme/db\b.*unchanged")

    def test_all_limits_reach_the_kernel(self):
        self.node.apply("""\
kind: Tenant
name: acme
limits: {cpu: {max: "1.5"}, memory: {max: 1GiB}, pids: {max: 500}}
---
kind: Task
tenant: acme
name: web
limits: {cpu: {max: 250m}, memory: {max: 64MiB}, pids: {max: 32}}
""")
        tenant, task = self.node.cgroup("acme"), self.node.cgroup("acme/web")
        self.assertEqual((tenant.cpu_max(), tenant.memory_max(), tenant.pids_max()), (1.5, 1 << 30, 500))
        self.assertEqual((task.cpu_max(), task.memory_max(), task.pids_max()), (0.25, 64 << 20, 32))
        self.node.apply("{kind: Task, tenant: acme, name: web}")
        self.assertEqual((task.cpu_max(), task.memory_max(), task.pids_max()), (None, None, None), "lifted again")

    def test_dry_run_shows_steps_and_does_none(self):
        shown = self.node.apply(TWO_TENANTS, "--dry-run")
        self.assertIn("acme/web", shown)
        self.assertEqual(self.node.cgroup().paths(), {self.node.root})
        self.assertEqual(self.node.json("get", "tenants")["tenants"], [])
        self.assertEqual(set(self.outcomes(TWO_TENANTS).values()), {"CREATED"})

    def test_folder_of_manifests(self):
        folder = self.node.folder / "set"
        folder.mkdir()
        (folder / "1.yaml").write_text("{kind: Tenant, name: acme}\n")
        (folder / "2.yaml").write_text("{kind: Task, tenant: acme, name: web}\n")
        done = self.node.ctl("apply", "-f", folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.node.cgroup("acme/web").id())

    def test_prune_removes_what_is_not_in_the_set(self):
        self.node.apply(TWO_TENANTS)
        outcomes = self.outcomes("{kind: Tenant, name: acme}\n---\n{kind: Task, tenant: acme, name: web}\n", "--prune")
        self.assertEqual(outcomes["task rival/web"], "DELETED")
        self.assertEqual(outcomes["task acme/web"], "UNCHANGED")
        self.assertEqual(self.node.cgroup().paths(),
                         {self.node.root + end for end in ("", "/acme", "/acme/web")})


class Get(NodeTest):
    def test_every_noun_in_every_format(self):
        self.node.apply(TWO_TENANTS + "---\n{kind: NetworkPolicy, tenant: acme, name: shut, ingress: []}\n")
        for noun, name in (("tenants", "acme"), ("tasks", "acme/web"), ("policies", "acme/shut")):
            for args in ((noun,), (noun, name)):
                with self.subTest(args=args):
                    table = self.node.ctl("get", *args)
                    self.assertEqual(table.returncode, 0, table.stderr)
                    self.assertIn(name, table.stdout)
                    self.assertLessEqual(max(map(len, table.stdout.splitlines())), 100)
                    self.assertTrue(self.node.json("get", *args))
                    yaml = self.node.ctl("-o", "yaml", "get", *args)
                    self.assertEqual(yaml.returncode, 0, yaml.stderr)
                    self.assertIn("name: " + name.split("/")[-1], yaml.stdout)

    def test_describe_names_limits_policies_and_enforcement(self):
        self.node.apply("{kind: Tenant, name: acme}\n---\n"
                        "{kind: Task, tenant: acme, name: web, limits: {memory: {max: 64MiB}}}\n---\n"
                        "{kind: NetworkPolicy, tenant: acme, name: shut, ingress: []}\n")
        said = self.node.ctl("describe", "task", "acme/web")
        self.assertEqual(said.returncode, 0, said.stderr)
        for word in ("name: web", "64MiB", "acme/shut"):
            self.assertIn(word, said.stdout)
        self.assertRegex(said.stdout.lower(), "enforced")
        as_json = self.node.json("describe", "task", "acme/web")
        self.assertEqual(as_json["status"]["enforcement"], "ENFORCEMENT_ENFORCED")
        self.assertEqual(int(as_json["status"]["cgroupId"]), self.node.cgroup("acme/web").id())

    def test_delete_removes_task_and_processes(self):
        self.node.apply(TWO_TENANTS)
        task = self.node.spawn("acme/web", "sleep")
        pid = task.line()["pid"]
        self.assertIn(pid, self.node.cgroup("acme/web").processes())
        done = self.node.ctl("delete", "task", "acme/web")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotEqual(task.wait(), 0, "killed")
        self.assertNotIn(self.node.root + "/acme/web", self.node.cgroup().paths())
        self.assertEqual(self.node.ctl("get", "tasks", "acme/web").returncode, 3)

    def test_tenant_with_tasks_is_not_deleted(self):
        self.node.apply(TWO_TENANTS)
        self.assert_one_line(self.node.ctl("delete", "tenant", "acme"), "acme")
        self.assertTrue(self.node.cgroup("acme/web").id())


class ExitCodes(NodeTest):
    def test_usage_errors_are_2(self):
        for args in (("nonsense",), (), ("apply",), ("get", "nonsense"), ("run", "--tenant", "acme"), ("--nonsense", "status")):
            with self.subTest(args=args):
                done = self.node.ctl(*args)
                self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
                self.assertTrue(done.stderr.strip())

    def test_missing_objects_are_3(self):
        for args in (("get", "tasks", "acme/web"), ("describe", "tenant", "acme"), ("delete", "task", "acme/web"),
                     ("get", "policies", "acme/p"), ("run", "--tenant", "acme", "--task", "web", "--", "true"),
                     ("attach", "acme/web", "--pid", "1")):
            with self.subTest(args=args):
                done = self.node.ctl(*args)
                self.assert_one_line(done, "acme", code=3)

    def test_unknown_socket_is_named(self):
        self.node.address = "unix:///nonexistent/agent.sock"
        self.assert_one_line(self.node.ctl("status"), "/nonexistent/agent.sock")


class Watching(NodeTest):
    def test_events_tell_what_happened(self):
        self.node.apply(TWO_TENANTS)
        self.node.ctl("delete", "task", "rival/web")
        done = self.node.ctl("events")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"created.*acme/web|acme/web.*created")
        self.assertRegex(done.stdout, r"deleted.*rival/web|rival/web.*deleted")

    def test_usage_counts_what_a_task_burnt(self):
        self.node.apply(TWO_TENANTS)
        self.node.program("acme/web", "burn", "0.5")
        burnt = self.node.cgroup("acme/web").cpu_ns()
        self.assertGreater(burnt, 0)

        def counted():
            tasks = {task["task"]: task for task in self.node.json("usage", "--tenant", "acme").get("tasks", [])}
            return int(tasks.get("web", {}).get("usage", {}).get("cpuNs", 0)) >= burnt
        harness.eventually(counted, "usage to show what was burnt")
        self.assertIn("acme/web", self.node.ctl("usage").stdout)
        csv = self.node.ctl("-o", "csv", "usage").stdout.splitlines()
        self.assertIn("tenant", csv[0])
        self.assertEqual(len({line.count(",") for line in csv}), 1, "every row has every column")

    def test_top_once_lists_tenants_and_tasks(self):
        self.node.apply(TWO_TENANTS)
        done = self.node.ctl("top", "--once")
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("acme", "web", "rival"):
            self.assertIn(name, done.stdout)
        self.assertNotIn("\x1b", done.stdout)

    def test_json_is_the_api_message(self):
        self.node.apply(TWO_TENANTS)
        kept = harness.api.same("ListTasksResponse", self.node.json("get", "tasks"))
        self.assertEqual([entry["task"] for entry in kept["tasks"]],
                         [entry["task"] for entry in self.node.call("NodeService/ListTasks")["tasks"]])
        events = [json.loads(line) for line in self.node.ctl("-o", "json", "events").stdout.splitlines()]
        numbers = [int(event["sequence"]) for event in events]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))


if __name__ == "__main__":
    unittest.main()
