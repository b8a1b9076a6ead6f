"""Under systemd the log goes to the journal as fields. A socket of ours stands in for journald's, in a mount namespace."""
import os
import socket
import struct
import unittest

import harness
from case import TWO_TENANTS, NodeTest

# Runs the agent with our folder in the place of journald's and JOURNAL_STREAM as systemd would set it.
AS_SERVICE = """\
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/journal && mount --bind "$0" /run/systemd/journal || exit 9
JOURNAL_STREAM=$(stat -L -c %d:%i /dev/stderr) exec "$@"
"""


def decode(entry):
    """The journal's native protocol: NAME=value lines, or NAME, a length and bytes where the value has lines itself."""
    fields, at = {}, 0
    while at < len(entry):
        end = entry.index(b"\n", at)
        name, equals, value = entry[at:end].partition(b"=")
        at = end + 1
        if not equals:
            size, = struct.unpack("<Q", entry[at:at + 8])
            value, at = entry[at + 8:at + 8 + size], at + 8 + size + 1
        fields[name.decode()] = value.decode()
    return fields


class Journal(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.stop()
        folder = harness.Folder()
        self.journald = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.journald.close)
        self.journald.bind(str(folder / "socket"))
        self.journald.setblocking(False)
        self.entries = []
        self.node.wrap = ["unshare", "-m", "sh", "-c", AS_SERVICE, str(folder.path)]
        self.node.start()

    def entry(self, **wanted):
        """The first entry that has these fields."""
        def look():
            try:
                while True:
                    self.entries.append(decode(self.journald.recv(1 << 16)))
            except BlockingIOError:
                pass
            return next((entry for entry in self.entries
                         if all(entry.get(name) == value for name, value in wanted.items())), None)
        return harness.eventually(look, "an entry with %s" % wanted)

    def test_every_field_is_one_of_the_entry(self):
        ready = self.entry(BULKHEAD_WHAT="ready")
        self.assertEqual((ready["PRIORITY"], ready["BULKHEAD_NODE"], ready["SYSLOG_IDENTIFIER"]), ("6", "e2e-node", "bulkheadd"))
        self.assertTrue(ready["MESSAGE"].startswith("ready version="), ready)
        self.node.apply(TWO_TENANTS)
        made = self.entry(BULKHEAD_WHAT="created", BULKHEAD_OBJECT="acme/web")
        self.assertEqual((made["BULKHEAD_TENANT"], made["BULKHEAD_MESSAGE"]), ("acme", "task, 3 steps"))

    def test_errors_have_their_priority_and_keep_their_lines(self):
        (self.node.manifests / "bad.yaml").write_text("kind: Dragon\n---\nkind: Wolf\n")
        self.node.ctl("reload")
        refused = self.entry(PRIORITY="3")
        self.assertEqual(refused["BULKHEAD_WHAT"], "configuration and manifests are not in force as written")
        self.assertEqual(len(refused["BULKHEAD_WHY"].splitlines()), 2, refused)

    def test_nothing_is_said_twice(self):
        self.entry(BULKHEAD_WHAT="ready")
        self.assertEqual(self.node.process.said().count("info ready"), 1, "by the agent before")

    def test_a_variable_that_was_inherited_is_not_believed(self):
        self.node.stop()
        os.environ["JOURNAL_STREAM"] = "1:1"
        self.addCleanup(os.environ.pop, "JOURNAL_STREAM")
        self.node.wrap = []
        self.node.start()
        self.assertEqual(self.node.process.said().count("info ready"), 2)


if __name__ == "__main__":
    unittest.main()
