"""What the tests share: a running node per test, and the promise that it ends well."""
import sys
import unittest

import harness

TWO_TENANTS = """\
kind: Tenant
name: acme
---
kind: Tenant
name: rival
---
{kind: Task, tenant: acme, name: web}
---
{kind: Task, tenant: acme, name: db}
---
{kind: Task, tenant: rival, name: web}
"""


class NodeTest(unittest.TestCase):
    """self.node is a running agent; at the end it must be alive or have ended in order, without a sanitizer's finding."""

    controller = False  # also a controller that the agent reports to

    def setUp(self):
        self.addCleanup(harness.clean_up)
        self.reports_to = harness.Controller().start() if self.controller else None
        self.node = harness.Node(self.reports_to.address if self.reports_to else "").start()

    def tearDown(self):
        failed = any(error for _, error in self._outcome.result.errors + self._outcome.result.failures)
        if failed and self.node.log.exists():
            sys.stdout.write("--- the agent's log, its end ---\n%s\n" % self.node.process.said()[-6000:])
        if self.node.alive():
            self.assertEqual(self.node.stop(), 0, "the agent's exit status")
        self.assertEqual(self.node.sanitizer_findings(), [])

    def outcomes(self, text, *args):
        """Applies; returns {"task acme/web": "CREATED", …}."""
        done = self.node.ctl("-o", "json", "apply", "-f", "-", *args, input=text)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        self.assertTrue(done.stdout, done.stderr)
        return {"%s %s" % (result["kind"], result["name"]): result["outcome"].replace("APPLY_OUTCOME_", "")
                for result in harness.json.loads(done.stdout).get("results", [])}

    def assert_one_line(self, done, *words, code=1):
        """An error of one line on standard error that says these words."""
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
