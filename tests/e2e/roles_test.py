"""Who may do what is decided by the peer of the socket, before gRPC sees a byte."""
import grp
import socket
import subprocess
import unittest

import harness
from case import TWO_TENANTS, NodeTest

NOBODY = 65534


class Roles(NodeTest):
    READ, CHANGE, NONE = "games", "audio", "video"  # groups that Debian always has

    def setUp(self):
        super().setUp()
        self.node.apply(TWO_TENANTS)
        self.node.stop()
        self.node.write_config(more="listen: {read_group: %s, admin_group: %s}" % (self.READ, self.CHANGE))
        self.node.start()

    def as_member(self, group, *args, input=None):
        """bulkheadctl as a user who is in this group and no other."""
        number = str(grp.getgrnam(group).gr_gid)
        return subprocess.run(
            ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--groups", number, "--inh-caps=-all",
             harness.binary("bulkheadctl"), "--address", self.node.address, *args],
            input=input, text=True, capture_output=True, timeout=harness.PATIENCE, check=False)

    def test_readers_read_and_do_not_change(self):
        self.assertEqual(self.as_member(self.READ, "get", "tasks").returncode, 0)
        for args in (("delete", "task", "acme/web"), ("apply", "-f", "-"), ("attach", "acme/web", "--pid", "1"), ("reload",),
                     ("log-level", "debug")):
            with self.subTest(args=args):
                done = self.as_member(self.READ, *args, input="{kind: Tenant, name: new}")
                self.assert_one_line(done, code=4)
        self.assertTrue(self.node.cgroup("acme/web").id())
        self.assertEqual(self.node.ctl("get", "tenants", "new").returncode, 3)

    def test_admins_change(self):
        done = self.as_member(self.CHANGE, "apply", "-f", "-", input="{kind: Tenant, name: new}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.as_member(self.CHANGE, "get", "tenants", "new").returncode, 0)

    def test_others_get_nothing(self):
        for args in (("status",), ("get", "tasks"), ("delete", "task", "acme/web")):
            with self.subTest(args=args):
                self.assert_one_line(self.as_member(self.NONE, *args), str(self.node.socket), code=4)

    def test_tasks_of_tenants_may_not_even_as_their_root_change_anything(self):
        done = self.node.run("acme/web", harness.binary("bulkheadctl"), "--address", self.node.address, "delete", "task",
                             "rival/web")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertTrue(self.node.cgroup("rival/web").id())

    def test_peers_that_say_nothing_or_nonsense_block_nobody(self):
        mute = []
        for _ in range(50):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(str(self.node.socket))
            mute.append(sock)
        mute[0].send(b"GET / HTTP/1.1\r\n\r\n" * 100)
        self.assertEqual(self.node.ctl("status").returncode, 0)
        for sock in mute:
            sock.close()
        self.assertEqual(self.node.ctl("status").returncode, 0)


if __name__ == "__main__":
    unittest.main()
