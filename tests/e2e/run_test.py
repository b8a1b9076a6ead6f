"""bulkheadctl run: the walls stand before the first instruction; everything else is as if the command ran by itself."""
import os
import signal
import subprocess
import unittest

import harness
from case import TWO_TENANTS, NodeTest


class Run(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.apply(TWO_TENANTS)

    def test_passes_exit_codes_on(self):
        for code in (0, 1, 42, 255):
            self.assertEqual(self.node.run("acme/web", "sh", "-c", "exit %d" % code).returncode, code)

    def test_death_by_signal_shows_as_128_and_its_number(self):
        done = self.node.run("acme/web", "sh", "-c", "kill -SEGV $$")
        self.assertIn(done.returncode, (-signal.SIGSEGV, 128 + signal.SIGSEGV))

    def test_passes_standard_streams_directory_and_environment(self):
        done = self.node.run("acme/web", "sh", "-c", "cat; pwd; echo $COLOUR; echo oops >&2", input="typed\n", cwd="/usr",
                             env={**os.environ, "COLOUR": "red"})
        self.assertEqual(done.stdout.splitlines(), ["typed", "/usr", "red"])
        self.assertEqual(done.stderr.splitlines()[-1], "oops")

    def test_arguments_arrive_as_they_were(self):
        done = self.node.run("acme/web", "printf", "%s|", "a b", "--tenant", "*", "")
        self.assertEqual(done.stdout, "a b|--tenant|*||")

    def test_program_lives_in_the_task_in_every_hierarchy(self):
        done = self.node.run("acme/web", "cat", "/proc/self/cgroup")
        inside = [line for line in done.stdout.splitlines() if line.endswith("/%s/acme/web" % self.node.root)]
        controllers = {name for line in inside for name in line.split(":")[1].split(",")}
        self.assertIn("", controllers, "cgroup2")
        for name in ("cpu", "memory", "pids"):
            if name in harness.cgroups.V1:
                self.assertIn(name, controllers)

    def test_task_that_was_there_outlives_a_run_that_cannot_start(self):
        done = self.node.run("acme/web", "true", options=("--set", "limits.pids.max=0", "--rm"))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("run in task acme/web: ", done.stderr)
        self.assertEqual(self.node.ctl("get", "task", "acme/web").returncode, 0)

    def test_signals_reach_the_program(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
            with self.subTest(number.name):
                child = subprocess.Popen(self.node.run_args("acme/web", [
                    "sh", "-c", "trap 'echo got; exit 7' %s; echo ready; while :; do sleep 0.05; done" % number.name[3:]]),
                    stdout=subprocess.PIPE, text=True)
                self.assertEqual(child.stdout.readline(), "ready\n")
                child.send_signal(number)
                self.assertEqual(child.communicate(timeout=harness.PATIENCE)[0], "got\n")
                self.assertEqual(child.returncode, 7)

    def test_command_that_does_not_exist_is_127_and_named(self):
        done = self.node.run("acme/web", "/no/such/command")
        self.assertEqual(done.returncode, 127, done.stderr)
        self.assertIn("/no/such/command", done.stderr)

    def test_command_that_may_not_run_is_126_and_named(self):
        done = self.node.run("acme/web", "/etc/passwd")
        self.assertEqual(done.returncode, 126, done.stderr)
        self.assertIn("/etc/passwd", done.stderr)

    def test_makes_the_task_with_limits_and_removes_it(self):
        done = self.node.run("acme/job", "cat", "/proc/self/cgroup",
                             options=("--set", "limits.pids.max=20", "--set", "limits.memory.max=64MiB", "--rm"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("/acme/job", done.stdout)
        self.assertEqual(self.node.ctl("get", "tasks", "acme/job").returncode, 3)
        self.assertNotIn(self.node.root + "/acme/job", self.node.cgroup().paths())

    def test_set_limits_stand(self):
        child = self.node.spawn("acme/job", "sleep", options=("--set", "limits.pids.max=20"))
        child.line()
        self.assertEqual(self.node.cgroup("acme/job").pids_max(), 20)
        child.finish()

    def test_bad_set_is_named_and_makes_nothing(self):
        for setting in ("limits.pids.maxx=20", "limits.memory.max=lots", "nonsense"):
            with self.subTest(setting):
                done = self.node.run("acme/job", "true", options=("--set", setting))
                self.assertIn(done.returncode, (1, 2), done.stderr)
                self.assertIn(setting.split("=")[0], done.stderr)
                self.assertNotIn(self.node.root + "/acme/job", self.node.cgroup().paths())

    def test_killed_front_end_leaves_the_program_behind_its_walls(self):
        child = self.node.spawn("acme/web", "sleep")
        pid = child.line()["pid"]
        child.kill(signal.SIGKILL)
        child.wait()
        if pid != child.pid and os.path.exists("/proc/%d" % pid):
            self.assertIn(pid, self.node.cgroup("acme/web").processes(), "outside of its walls")
        done = self.node.ctl("delete", "task", "acme/web")
        self.assertEqual(done.returncode, 0, done.stderr)
        harness.eventually(lambda: not os.path.exists("/proc/%d" % pid), "the program to be gone with its task")

    def test_attach_moves_a_process_and_counts_its_sockets(self):
        outside = subprocess.Popen([harness.PYTHON, harness.PROGRAMS, "serve", "127.0.0.1"], stdout=subprocess.PIPE)
        self.addCleanup(outside.communicate)
        self.addCleanup(outside.kill)
        outside.stdout.readline()
        done = self.node.ctl("-o", "json", "attach", "acme/web", "--pid", outside.pid)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(harness.json.loads(done.stdout)["results"][0]["socketsOutside"], 2)
        self.assertIn(outside.pid, self.node.cgroup("acme/web").processes())

    def test_attach_says_unknown_where_it_may_not_count(self):
        """As the unit runs the agent: without CAP_SYS_PTRACE."""
        self.node.stop()
        self.node.wrap = ["capsh", "--drop=cap_sys_ptrace", "--", "-c", "exec \"$@\"", "sh"]
        self.node.start()
        outside = [subprocess.Popen(["sleep", "600"]) for _ in range(2)]
        for process in outside:
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
        done = self.node.ctl("attach", "acme/web", "--pid", outside[0].pid)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("unknown", done.stdout)
        done = self.node.json("attach", "acme/web", "--pid", str(outside[1].pid))
        self.assertIn("CAP_SYS_PTRACE", done["results"][0]["socketsUnknown"])
        self.assertEqual(self.node.run("acme/web", "true").stderr, "", "run knows its own standard streams")

    def test_attach_of_a_process_that_is_gone_says_so(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        done = self.node.ctl("attach", "acme/web", "--pid", gone.pid)
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(gone.pid), done.stdout + done.stderr)


class FirstInstruction(NodeTest):
    STARTS = 20 if harness.SANITIZED or harness.PATIENCE > 60 else 200

    def test_first_act_never_passes_a_wall(self):
        self.node.apply(TWO_TENANTS)
        port = self.node.spawn("rival/web", "serve", "127.0.0.1").line()["port"]
        friend = self.node.spawn("acme/db", "serve", "127.0.0.1").line()["port"]
        program = harness.binary("first_connect")
        self.assertEqual(self.node.run("acme/web", program, "127.0.0.1", friend).returncode, 0, "the program works")
        codes = [self.node.run("acme/web", program, "127.0.0.1", port).returncode for _ in range(self.STARTS)]
        self.assertEqual(set(codes), {1}, "every start gets EPERM")

    def test_first_act_of_a_task_made_by_run(self):
        self.node.apply(TWO_TENANTS)
        port = self.node.spawn("rival/web", "serve", "127.0.0.1").line()["port"]
        program = harness.binary("first_connect")
        codes = [self.node.run("acme/job", program, "127.0.0.1", port, options=("--rm",)).returncode
                 for _ in range(self.STARTS // 10)]
        self.assertEqual(set(codes), {1})
        self.assertNotIn(self.node.root + "/acme/job", self.node.cgroup().paths())


if __name__ == "__main__":
    unittest.main()
