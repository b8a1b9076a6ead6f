"""Bad input through the whole product: every error names object and cause, nothing is half applied, the agent lives."""
import unittest

from case import NodeTest

GOOD = "{kind: Tenant, name: good}\n---\n{kind: Task, tenant: good, name: web}\n---\n"

# what, manifest, words that the message must say
BAD = [
    ("invalid YAML", "kind: Tenant\nname: [acme\n", []),
    ("not a mapping", "- just\n- a list\n", []),
    ("unknown kind", "{kind: Dragon, name: acme}\n", ["Dragon"]),
    ("no kind", "{name: acme}\n", ["kind"]),
    ("unknown field", "{kind: Tenant, name: acme, colour: red}\n", ["colour"]),
    ("unknown nested field", "{kind: Tenant, name: acme, limits: {cpu: {maxx: 1}}}\n", ["maxx"]),
    ("duplicate name", "{kind: Tenant, name: acme}\n---\n{kind: Tenant, name: acme}\n", ["acme"]),
    ("duplicate key", "{kind: Tenant, name: acme, name: acme}\n", ["name"]),
    ("absurd memory", "{kind: Tenant, name: acme, limits: {memory: {max: 99999999999GiB}}}\n", ["memory.max"]),
    ("tiny memory", "{kind: Tenant, name: acme, limits: {memory: {max: 1}}}\n", ["memory.max", "acme"]),
    ("negative memory", "{kind: Tenant, name: acme, limits: {memory: {max: -1}}}\n", ["memory.max"]),
    ("absurd CPU", "{kind: Tenant, name: acme, limits: {cpu: {max: \"1000000\"}}}\n", ["cpu.max", "acme"]),
    ("CPU of nothing", "{kind: Tenant, name: acme, limits: {cpu: {max: 0m}}}\n", ["cpu.max", "acme"]),
    ("unknown unit", "{kind: Tenant, name: acme, limits: {memory: {max: 5XB}}}\n", ["memory.max", "5XB"]),
    ("pids of nothing", "{kind: Tenant, name: acme, limits: {pids: {max: 0}}}\n", ["pids.max", "acme"]),
    ("weight out of range", "{kind: Tenant, name: acme, limits: {cpu: {weight: 10001}}}\n", ["cpu.weight", "acme"]),
    ("name with dots", "{kind: Tenant, name: ..}\n", [".."]),
    ("name with slash", "{kind: Tenant, name: a/b}\n", ["a/b"]),
    ("empty name", "{kind: Tenant, name: \"\"}\n", ["name"]),
    ("capital letters", "{kind: Tenant, name: Acme}\n", ["Acme"]),
    ("task name that climbs", "{kind: Tenant, name: acme}\n---\n{kind: Task, tenant: acme, name: ../other}\n", ["../other"]),
    ("task of an unknown tenant", "{kind: Task, tenant: nobody, name: web}\n", ["nobody"]),
    ("policy of an unknown tenant", "{kind: NetworkPolicy, tenant: nobody, name: p, ingress: []}\n", ["nobody"]),
    ("task over its tenant's pids",
     "{kind: Tenant, name: acme, limits: {pids: {max: 10}}}\n---\n"
     "{kind: Task, tenant: acme, name: web, limits: {pids: {max: 11}}}\n", ["acme/web", "pids", "10", "11"]),
    ("host bits in a CIDR", "{kind: Tenant, name: acme}\n---\n{kind: NetworkPolicy, tenant: acme, name: p, "
     "egress: [{to: [{cidr: 10.0.0.1/8}]}]}\n", ["10.0.0.1/8"]),
    ("port out of range", "{kind: Tenant, name: acme}\n---\n{kind: NetworkPolicy, tenant: acme, name: p, "
     "ingress: [{ports: [tcp/70000]}]}\n", ["tcp/70000"]),
    ("port range upside down", "{kind: Tenant, name: acme}\n---\n{kind: NetworkPolicy, tenant: acme, name: p, "
     "ingress: [{ports: [tcp/90-80]}]}\n", ["tcp/90-80"]),
    ("address that is none", "{kind: Tenant, name: acme}\n---\n{kind: Task, tenant: acme, name: web, "
     "addresses: [10.0.0.300]}\n", ["10.0.0.300"]),
    ("except outside its cidr", "{kind: Tenant, name: acme}\n---\n{kind: NetworkPolicy, tenant: acme, name: p, "
     "egress: [{to: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}]}\n", ["11.0.0.0/16"]),
]


class BadManifests(NodeTest):
    def test_each_is_refused_whole_and_named(self):
        for what, text, words in BAD:
            with self.subTest(what):
                done = self.node.ctl("apply", "-f", "-", input=GOOD + text)
                self.assertIn(done.returncode, (1, 3), done.stdout + done.stderr)
                said = done.stdout + done.stderr
                self.assertTrue(said.strip())
                for word in words:
                    self.assertIn(word, said)
                self.assertNotIn("created", said)
                self.assertEqual(self.node.cgroup().paths(), {self.node.root}, "nothing half applied")
                self.assertTrue(self.node.alive())
        self.assertEqual(self.node.json("get", "tenants")["tenants"], [])
        self.node.apply(GOOD)

    def test_yaml_errors_name_file_and_line(self):
        path = self.node.folder / "bad.yaml"
        path.write_text("kind: Tenant\nname: acme\nlimits:\n  memory: {maxx: 5}\n")
        done = self.node.ctl("apply", "-f", path)
        self.assert_one_line(done, "bad.yaml:4", "maxx")

    def test_missing_file_is_named(self):
        self.assert_one_line(self.node.ctl("apply", "-f", "/nonexistent.yaml"), "/nonexistent.yaml", code=1)

    def test_what_stood_before_still_stands(self):
        self.node.apply("{kind: Tenant, name: acme, limits: {pids: {max: 10}}}\n")
        for _, text, _ in BAD:
            self.node.ctl("apply", "-f", "-", input=text)
        self.assertEqual(self.node.cgroup("acme").pids_max(), 10)
        self.assertEqual(self.node.cgroup().paths(), {self.node.root, self.node.root + "/acme"})

    def test_huge_and_binary_input_do_no_harm(self):
        for text in ("a" * (8 << 20), "\x00\x01\x02" * 1000, "[" * 100000, "a: &a [*a]\n" * 10,
                     "\n---\n".join("{kind: Tenant, name: t%d}" % at for at in range(10001))):
            done = self.node.ctl("apply", "-f", "-", input=text)
            self.assertEqual(done.returncode, 1, done.stdout[:200] + done.stderr[:200])
            self.assertTrue(self.node.alive())
        self.assertEqual(self.node.json("get", "tenants")["tenants"], [])


if __name__ == "__main__":
    unittest.main()
