"""The agent stops, starts, starts badly: what was enforced stays enforced, and errors name the cause."""
import os
import signal
import subprocess
import unittest

import harness
from case import TWO_TENANTS, NodeTest

WITH_LIMITS = TWO_TENANTS + "---\n{kind: Task, tenant: acme, name: small, limits: {pids: {max: 10}, memory: {max: 64MiB}}}\n"


class Restart(NodeTest):
    def test_walls_stand_without_the_agent_and_are_adopted(self):
        self.node.apply(WITH_LIMITS)
        port = self.node.spawn("acme/db", "serve", "127.0.0.1").line()["port"]
        flow = self.node.spawn("acme/web", "flow", "tcp", "127.0.0.1", port)
        prober = self.node.spawn("rival/web", "probe", "127.0.0.1", port)
        flow.line()
        prober.line()
        ids = {name: self.node.cgroup(name).id() for name in ("acme/web", "acme/db", "rival/web")}
        for stop in (self.node.stop, self.node.kill):
            stop()
            self.assertEqual(self.node.cgroup("acme/small").pids_max(), 10)
            self.node.start()
            self.assertEqual({name: self.node.cgroup(name).id() for name in ids}, ids, "the same cgroups")
            self.assertEqual(set(self.outcomes(WITH_LIMITS).values()), {"UNCHANGED"})
        probed, flowed = prober.finish(), flow.finish()
        self.assertEqual(probed["passed"], 0)
        self.assertGreater(probed["tries"], 10)
        self.assertEqual(flowed["broken"], [])
        self.assertGreater(flowed["rounds"], 10)

    def test_limit_changed_behind_our_back_is_repaired(self):
        self.node.apply(WITH_LIMITS)
        path = self.node.cgroup("acme/small").file("pids", "pids.max", "pids.max")[0]
        path.write_text("max")
        harness.eventually(lambda: self.node.cgroup("acme/small").pids_max() == 10, "the repair")
        self.assertIn("repaired", self.node.ctl("events").stdout)

    def test_manifests_of_the_folder_are_applied_at_start(self):
        self.node.stop()
        (self.node.manifests / "acme.yaml").write_text(WITH_LIMITS)
        self.node.start()
        self.assertEqual(self.node.cgroup("acme/small").pids_max(), 10)

    def test_broken_manifest_in_the_folder_does_not_stop_the_start(self):
        self.node.apply(WITH_LIMITS)
        self.node.stop()
        (self.node.manifests / "bad.yaml").write_text("kind: Nonsense\n")
        self.node.start()
        self.assertEqual(self.node.cgroup("acme/small").pids_max(), 10)
        self.assertIn("bad.yaml", self.node.process.said())

    def test_corrupt_state_is_set_aside(self):
        self.node.apply(WITH_LIMITS)
        task = self.node.spawn("acme/web", "sleep")
        pid = task.line()["pid"]
        self.node.stop()
        files = [path for path in self.node.state.iterdir() if path.suffix in (".db", ".sqlite")]
        self.assertTrue(files, list(self.node.state.iterdir()))
        for path in self.node.state.iterdir():
            path.write_bytes(b"this is not a database " * 1000)
        self.node.start()
        self.assertTrue([path for path in self.node.state.iterdir() if "corrupt" in path.name])
        self.assertTrue(os.path.exists("/proc/%d" % pid), "the task runs on")
        self.assertIn(pid, self.node.cgroup("acme/web").processes())
        self.assertIn("corrupt", self.node.process.said())
        self.node.apply(WITH_LIMITS)
        self.assertEqual(set(self.outcomes(WITH_LIMITS).values()), {"UNCHANGED"})
        task.finish()

    def test_corrupt_state_keeps_the_walls(self):
        self.node.apply(TWO_TENANTS)
        port = self.node.spawn("acme/db", "serve", "127.0.0.1").line()["port"]
        prober = self.node.spawn("rival/web", "probe", "127.0.0.1", port)
        prober.line()
        self.node.kill()
        for path in self.node.state.iterdir():
            path.write_bytes(os.urandom(5000))
        self.node.start()
        self.node.apply(TWO_TENANTS)
        self.assertEqual(prober.finish()["passed"], 0)


class BadStart(NodeTest):
    """Starts that cannot work: one clear reason, exit status not 0, nothing made, what stood stands."""

    def setUp(self):
        super().setUp()
        self.node.apply(WITH_LIMITS)
        self.node.stop()

    def assert_refuses(self, *words):
        before = self.node.cgroup().paths()
        self.node.launch()
        code = self.node.process.wait()
        self.assertGreater(code, 0, "an exit status, not a signal")
        said = self.node.process.said().strip().splitlines()[-1]
        for word in words:
            self.assertIn(word, said)
        self.assertEqual(self.node.cgroup().paths(), before)
        self.assertEqual(self.node.cgroup("acme/small").pids_max(), 10)

    def test_unknown_configuration_field(self):
        self.node.write_config(more="colour: red")
        self.assert_refuses("colour")

    def test_missing_configuration(self):
        self.node.config.unlink()
        self.assert_refuses(str(self.node.config))

    def test_root_that_is_a_hierarchys_top(self):
        for root in ("/", "..", "."):
            self.node.root, real = root, self.node.root
            self.node.write_config()
            self.node.root = real
            with self.subTest(root):
                self.assert_refuses("root")

    def test_read_only_state(self):
        self.node.wrap = ["unshare", "-m", "sh", "-c", "mount --bind -o ro %s %s && exec \"$@\"" % (
            self.node.state, self.node.state), "sh"]
        self.assert_refuses(str(self.node.state))

    def test_state_path_that_is_a_file(self):
        subprocess.run(["rm", "-r", self.node.state], check=True)
        self.node.state.write_text("")
        self.assert_refuses(str(self.node.state))

    def test_no_cgroup2_mount(self):
        self.node.wrap = ["unshare", "-m", "sh", "-c", "umount -l %s && exec \"$@\"" % harness.cgroups.UNIFIED, "sh"]
        self.assert_refuses("cgroup2")

    def test_cgroup2_mount_that_is_no_cgroup(self):
        file = "%s/%s/memory.pressure" % (harness.cgroups.UNIFIED, self.node.root)
        self.node.wrap = ["unshare", "-m", "sh", "-c", "mount --bind %s %s && exec \"$@\"" % (file, file), "sh"]
        self.assert_refuses(file, "is no cgroup")

    def test_no_bpffs(self):
        subprocess.run(["umount", self.node.bpffs], check=True)
        self.addCleanup(subprocess.run, ["mount", "-t", "bpf", "bpf", self.node.bpffs], check=True)
        self.assert_refuses(str(self.node.bpffs))

    def test_without_privileges(self):
        os.chmod(self.node.state, 0o777)
        self.node.wrap = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"]
        self.assert_refuses("not permitted")

    def test_without_bpf_capabilities(self):
        self.node.wrap = ["capsh", "--drop=cap_bpf,cap_sys_admin,cap_perfmon", "--", "-c", "exec \"$@\"", "sh"]
        self.assert_refuses()

    def test_socket_that_another_agent_serves(self):
        self.node.start()
        other = harness.Node()
        other.socket = self.node.socket
        other.write_config()
        other.launch()
        self.assertGreater(other.process.wait(), 0)
        self.assertIn(str(self.node.socket), other.process.said())
        self.assertEqual(self.node.ctl("status").returncode, 0, "the first is not disturbed")

    def test_stale_socket_is_no_obstacle(self):
        self.node.start()
        self.node.kill()
        self.assertTrue(self.node.socket.exists())
        self.node.start()


class TwoAgents(NodeTest):
    def test_same_root_is_refused_while_the_other_lives(self):
        self.node.apply(TWO_TENANTS)
        other = harness.Node(root=self.node.root)
        other.bpffs, other.state = self.node.bpffs, self.node.state
        other.write_config()
        other.launch()
        self.assertGreater(other.process.wait(), 0)
        self.assertEqual(set(self.outcomes(TWO_TENANTS).values()), {"UNCHANGED"})

    def test_side_by_side_with_roots_of_their_own(self):
        other = harness.Node().start()
        self.node.apply(TWO_TENANTS)
        other.apply(TWO_TENANTS)
        port = self.node.spawn("acme/db", "serve", "127.0.0.1").line()["port"]
        targets = ["tcp", "127.0.0.1", port]
        self.assertEqual(self.node.program("acme/web", "connect", *targets)["results"], ["reply"])
        self.assertEqual(self.node.program("rival/web", "connect", *targets)["results"], ["EPERM"])
        self.assertEqual(other.stop(), 0)


class Signals(NodeTest):
    def test_orderly_stop_is_quick_and_clean(self):
        self.node.apply(TWO_TENANTS)
        for number in (signal.SIGTERM, signal.SIGINT):
            self.node.process.kill(number)
            self.assertEqual(self.node.process.wait(), 0)
            self.node.start()

    def test_stop_with_open_streams(self):
        follower = subprocess.Popen([harness.binary("bulkheadctl"), "--address", self.node.address, "events", "-f"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(follower.communicate)
        self.addCleanup(follower.kill)
        self.node.apply(TWO_TENANTS)
        self.assertIn(b"created", b"".join(follower.stdout.readline() for _ in range(3)))  # recovered, loaded, created
        self.assertEqual(self.node.stop(), 0)


if __name__ == "__main__":
    unittest.main()
