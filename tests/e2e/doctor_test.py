"""bulkheadctl doctor on this host: with an agent, without one, and with trouble ahead."""
import subprocess
import unittest

import harness
from case import NodeTest
from cgroups import V1

SEVERITIES = ("ERROR", "WARNING", "UNKNOWN", "NOTE", "OK")


class Doctor(NodeTest):
    def doctor(self, *args):
        """{check: [(severity, found), …]} without the units: systemd may know an agent, and it is not this one."""
        done = self.node.ctl("-o", "json", "doctor", *args)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        answer = harness.api.same("DiagnoseResponse", harness.json.loads(done.stdout))
        findings = {}
        order = []
        for one in answer["findings"]:
            severity = one["severity"].replace("SEVERITY_", "")
            order.append(SEVERITIES.index(severity))
            findings.setdefault(one["check"], []).append((severity, one["found"]))
            if severity in ("ERROR", "WARNING"):
                self.assertTrue(one["meaning"] and one["action"], one)
        self.assertEqual(order, sorted(order), "the most severe first")
        self.assertEqual(done.returncode, 1 if 0 in order else 0, "an error is the exit code")
        findings.pop("units")
        return findings

    @staticmethod
    def errors(findings):
        return [found for check in findings.values() for severity, found in check if severity == "ERROR"]

    def assert_found(self, findings, check, severity, text):
        self.assertTrue(any(one == severity and text in found for one, found in findings.get(check, [])),
                        "%s %s %r in %r" % (check, severity, text, findings.get(check)))

    def test_a_node_in_order(self):
        findings = self.doctor()
        self.assertEqual(self.errors(findings), [])
        for check, text in (("agent", "ready"), ("walls", "stand"), ("capabilities", ""), ("tables", ""),
                            ("state", str(self.node.state)), ("spool", ""), ("controller", "none"),
                            ("mounts", "bpf at %s" % self.node.bpffs),
                            ("files on disk", str(self.node.config))):  # the agent said which file it was started with
            self.assert_found(findings, check, "OK", text)
        if "memory" in V1:
            self.assert_found(findings, "limits", "NOTE", "memory.low: cgroup v1 has no memory.low")
        else:
            self.assertIn("limits", findings)

    def test_table_fits_a_terminal_and_ends_with_the_sum(self):
        done = self.node.ctl("doctor")
        lines = done.stdout.splitlines()
        self.assertLessEqual(max(map(len, lines)), 100)
        self.assertRegex(lines[-1], r"^\d errors?, \d+ warnings?, ")
        self.assertNotIn("\x1b", done.stdout)

    def test_without_an_agent_the_rest_is_looked_at(self):
        self.node.stop()
        findings = self.doctor("--config", self.node.config)
        self.assert_found(findings, "agent", "ERROR", str(self.node.socket))
        self.assert_found(findings, "walls", "UNKNOWN", "only the agent sees")
        self.assert_found(findings, "state", "OK", str(self.node.state))
        self.assert_found(findings, "mounts", "OK", str(self.node.bpffs))
        self.assertNotIn("spool", findings)

    def test_the_configuration_says_whom_to_ask(self):
        done = subprocess.run([harness.binary("bulkheadctl"), "-o", "json", "doctor", "--config", self.node.config],
                              capture_output=True, text=True, check=False)
        self.assertIn("answers and is ready", done.stdout)

    def test_mistakes_on_disk_are_found_before_a_restart_finds_them(self):
        good = self.node.config.read_text()
        self.node.config.write_text(good + "nonsense: 1\n")
        findings = self.doctor()
        self.assert_found(findings, "files on disk", "ERROR", "nonsense")
        self.assert_found(findings, "files", "OK", "in force")
        self.node.config.write_text(good)
        (self.node.manifests / "a.yaml").write_text("{kind: Tenant, nme: acme}\n")
        findings = self.doctor()
        self.assertEqual(self.errors(findings), [], "what is enforced stays")
        self.assert_found(findings, "files on disk", "WARNING", "nme")

    def test_a_controller_that_is_away_is_a_warning(self):
        self.node.stop()
        self.node.write_config(controller="unix:///nonexistent/controller.sock")
        self.node.start()
        self.assert_found(self.doctor(), "controller", "WARNING", "/nonexistent/controller.sock")

    def test_who_may_not_ask_is_told_what_is_missing(self):
        done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all",
                               harness.binary("bulkheadctl"), "--address", self.node.address, "doctor"],
                              capture_output=True, text=True, check=False)
        self.assertRegex(done.stdout, r"(?m)^unknown +agent .*closed")
        self.assertRegex(done.stdout, r"(?m)^ok +kernel ")


if __name__ == "__main__":
    unittest.main()
