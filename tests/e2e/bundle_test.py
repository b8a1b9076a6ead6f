"""bulkheadctl debug bundle: with an agent, without one, for who may see little, and never with a secret."""
import io
import os
import pathlib
import pty
import re
import stat
import subprocess
import tarfile
import unittest

import harness
from case import TWO_TENANTS, NodeTest

SECRET = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"
KEY = "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n" % SECRET
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"]


class Bundle(NodeTest):
    def bundle(self, *args, wrap=(), file=None, **options):
        file = pathlib.Path(file or self.node.folder / "bundle.tar.gz")
        done = subprocess.run([*wrap, harness.binary("bulkheadctl"), "--address", self.node.address, "debug", "bundle",
                               "-o", file, *map(str, args)], capture_output=True, text=True, check=False,
                              timeout=4 * harness.PATIENCE, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "", "progress is for terminals")
        return done, self.unpack(file)

    def unpack(self, file):
        """{name below the one folder: text}"""
        files = {}
        with tarfile.open(fileobj=io.BytesIO(file.read_bytes()), mode="r:gz") as archive:
            for member in archive.getmembers():
                self.assertTrue(member.isfile() and not member.name.startswith("/") and ".." not in member.name, member)
                top, name = member.name.split("/", 1)
                self.assertTrue(top.startswith("bulkhead-debug-"), top)
                files[name] = archive.extractfile(member).read().decode()
        return files

    def lines(self, text):
        return [harness.json.loads(line) for line in text.splitlines()]

    def missing(self, files):
        """{name: why}, as MANIFEST has it."""
        return dict(re.findall(r"(?m)^ +- +(\S+) +(.+)$", files["MANIFEST"]))

    def assert_whole(self, done, files):
        """Every file is in MANIFEST and in what was printed, and the other way round."""
        listed = set(re.findall(r"(?m)^ +\d+ +(\S+)", files["MANIFEST"].split("Missing, and why")[0]))
        self.assertEqual(listed | {"MANIFEST"}, set(files))
        for name in [*listed, *self.missing(files)]:
            self.assertIn(name, done.stdout)

    def test_says_all_of_a_node_at_work(self):
        self.node.apply(TWO_TENANTS)
        self.node.run("acme/web", "true")
        done, files = self.bundle()
        self.assert_whole(done, files)
        self.assertIn("bulkheadd 0.", files["versions.txt"])
        self.assertTrue(harness.json.loads(files["agent/status.json"])["ready"])
        self.assertIn("walls", [one["check"] for one in harness.json.loads(files["doctor.json"])["findings"]])
        self.assertIn("walls", files["doctor.txt"])
        self.assertEqual([one["tenant"]["name"] for one in self.lines(files["agent/tenants.jsonl"])], ["acme", "rival"])
        self.assertEqual(len(self.lines(files["agent/tasks.jsonl"])), 3)
        self.assertIn("created", [one["type"] for one in self.lines(files["agent/events.jsonl"])])
        plan = self.lines(files["agent/plan.jsonl"])
        self.assertEqual([one["outcome"] for one in plan], ["APPLY_OUTCOME_UNCHANGED"] * 5)
        self.assertIn("%s/acme/web\n" % self.node.root, files["kernel/cgroups.txt"])
        self.assertRegex(files["kernel/cgroups.txt"], r"(?m)^pids\.max: ")
        self.assertRegex(files["kernel/pins.txt"], r"(?m)%s/.*max_entries: +\d+" % self.node.bpffs)
        self.assertRegex(files["kernel/pins.txt"], r"(?m)%s/.*prog_id: +\d+" % self.node.bpffs)
        self.assertIn(str(self.node.bpffs), files["kernel/mounts.txt"])
        self.assertEqual(files["kernel/own_cgroup.txt"], pathlib.Path("/proc/self/cgroup").read_text())
        self.assertIn("id: e2e-node", files["configuration/bulkheadd.yaml"])
        self.assertIn("baseline: isolate", files["configuration/bulkheadd.yaml"], "defaults are filled in")
        self.assertIn(str(self.node.socket), files["configuration/files.txt"])
        for name in ("kernel/cgroups.txt", "agent/tasks.jsonl", "kernel/pins.txt"):
            self.assertNotIn("not whole", files["MANIFEST"].split(name)[1].splitlines()[1])

    def test_cgroups_are_as_the_kernel_has_them(self):
        self.node.apply("{kind: Tenant, name: acme}\n---\n{kind: Task, tenant: acme, name: web, limits: {pids: {max: 64}}}\n")
        self.node.stop()
        self.node.cgroup("acme/web").file("pids", "pids.max", "pids.max")[0].write_text("60")
        files = self.bundle("--config", self.node.config)[1]
        self.assertRegex(files["kernel/cgroups.txt"], r"(?m)^pids\.max: 60$")

    def test_for_its_owner_only_and_never_over_another(self):
        file = self.node.folder / "bundle.tar.gz"
        self.bundle()
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        before = file.read_bytes()
        again = self.node.ctl("debug", "bundle", "-o", file)
        self.assert_one_line(again, str(file), "--force")
        self.assertEqual(file.read_bytes(), before)
        self.bundle("--force")
        self.assertNotEqual(file.read_bytes(), before)
        self.assertEqual([path.name for path in self.node.folder.path.glob("bundle*")], ["bundle.tar.gz"])

    def test_a_place_that_cannot_be_written_is_found_at_once(self):
        self.assert_one_line(self.node.ctl("debug", "bundle", "-o", "/nonexistent/a.tar.gz"), "/nonexistent", "-o")
        self.assert_one_line(self.node.ctl("debug", "bundle", "-o", self.node.folder.path), "folder")

    def test_without_a_name_it_is_new_and_in_this_folder(self):
        done = self.node.ctl("debug", "bundle", cwd=self.node.folder.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = list(self.node.folder.path.glob("bulkhead-debug-*.tar.gz"))
        self.assertEqual(len(found), 1)
        self.assertTrue(done.stdout.startswith("%s: " % found[0]), done.stdout)

    def test_without_an_agent_the_rest_is_there(self):
        self.node.apply(TWO_TENANTS)
        self.node.stop()
        done, files = self.bundle("--config", self.node.config)
        self.assert_whole(done, files)
        missing = self.missing(files)
        for name in ("status.json", "tenants.jsonl", "tasks.jsonl", "policies.jsonl", "usage.jsonl", "events.jsonl"):
            self.assertIn(str(self.node.socket), missing["agent/" + name])
        self.assertIn("%s/acme/web\n" % self.node.root, files["kernel/cgroups.txt"])
        self.assertIn(str(self.node.bpffs), files["kernel/pins.txt"])
        self.assertIn("ERROR", files["doctor.txt"])

    def test_an_agent_that_hangs_costs_seconds_and_is_named(self):
        self.node.process.kill(harness.signal.SIGSTOP)
        try:
            _, files = self.bundle("--config", self.node.config)
        finally:
            self.node.process.kill(harness.signal.SIGCONT)
        self.assertIn("does not answer", self.missing(files)["agent/status.json"])

    def test_who_may_read_little_gets_that_and_the_reasons(self):
        self.node.config.chmod(0o600)
        folder = self.node.folder / "mine"
        folder.mkdir()
        folder.chmod(0o777)
        done, files = self.bundle("--config", self.node.config, wrap=NOBODY, file=folder / "b.tar.gz")
        self.assert_whole(done, files)
        missing = self.missing(files)
        self.assertIn("Permission denied", missing["configuration/bulkheadd.yaml"])
        self.assertIn("agent/status.json", missing)
        self.assertIn("kernel/mounts.txt", files)
        self.assertIn("doctor.txt", files)

    def test_no_secret_is_in_it(self):
        """A key where the configuration names it, one that was pasted into it, and what only tenants may know."""
        for name in ("ca.pem", "node.pem", "node.key"):
            (self.node.folder / name).write_text(KEY)
        good = self.node.config.read_text()
        tls = "tls: {ca: %s, cert: %s, key: %s}" % tuple(self.node.folder / name for name in ("ca.pem", "node.pem", "node.key"))
        with_key = good.replace('controller: {address: ""}', 'controller: {address: "localhost:1", %s}' % tls)
        self.assertIn("node.key", with_key)
        self.node.config.write_text(with_key)
        self.node.apply(TWO_TENANTS + "---\n{kind: Tenant, name: leaky, labels: {api-key: %s}}\n" % SECRET[:40])
        (self.node.manifests / "a.yaml").write_text("# token=%s\n{kind: Tenant, name: acme}\n" % SECRET)
        environment = {**os.environ, "TASK_ENVIRONMENT": SECRET}
        task = subprocess.Popen(self.node.run_args("acme/web", ["sh", "-c", "echo up; sleep 60; : argument-%s" % SECRET]),
                                env=environment, stdout=subprocess.PIPE)
        self.addCleanup(task.stdout.close)
        self.addCleanup(task.wait)
        self.addCleanup(task.kill)
        task.stdout.readline()
        _, files = self.bundle()
        self.assertIn("node.key", files["configuration/bulkheadd.yaml"], "its path is there")
        self.assertIn("acme", files["configuration/manifests.yaml"])
        self.node.config.write_text(good.replace('controller: {address: ""}', 'controller: {tls: {key: "%s"}}'
                                                 % KEY.replace("\n", "\\n")))
        _, broken = self.bundle("--force")
        self.assertIn("configuration/bulkheadd.yaml", self.missing(broken))
        for name, text in [*files.items(), *broken.items()]:
            self.assertNotIn(SECRET[:40], text, name)

    def test_the_terminal_sees_progress(self):
        master, slave = pty.openpty()
        child = subprocess.Popen([harness.binary("bulkheadctl"), "--address", self.node.address, "debug", "bundle", "-o",
                                  self.node.folder / "bundle.tar.gz"], stdout=subprocess.DEVNULL, stderr=slave)
        os.close(slave)
        seen = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        os.close(master)
        self.assertEqual(child.wait(), 0)
        self.assertRegex(seen.decode(), r"\d+ of \d+: agent/tasks\.jsonl")

    def test_a_form_of_answers_is_refused(self):
        self.assert_one_line(self.node.ctl("-o", "json", "debug", "bundle"), "-o FILE", code=2)


if __name__ == "__main__":
    unittest.main()
