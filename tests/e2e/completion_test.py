"""Completion in the shells themselves: a bash and a zsh on a terminal with keys pressed, and fish's own query."""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time
import unittest

import harness
from case import TWO_TENANTS, NodeTest

ALL = "\x1b*"  # bash: insert every completion
TAB = "\t"
SHOW = "\x18"  # bound to print the line

BASH = r"""
PS1='ready> '; source %s
bind 'set bell-style none'; bind 'set completion-query-items 0'; bind 'set page-completions off'
bind -x '"\C-x": printf "<%%s>" "$READLINE_LINE"'
"""
ZSH = r"""
PS1='ready> '; unset zle_bracketed_paste; unsetopt beep; fpath=(%s $fpath); autoload -Uz compinit && compinit -u -D
show() { print -rn -- "<$BUFFER>" }; zle -N show; bindkey -e; bindkey '^X' show
"""


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, args, environment):
        self.output = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(args[0], args, environment)
        harness.at_cleanup(self.end)

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def wait_for(self, pattern):
        """What the shell printed up to the pattern; the rest stays for the next call."""
        deadline = time.monotonic() + 4 * harness.PATIENCE  # zsh reads all its functions first
        while True:
            found = re.search(pattern, self.output, re.S)
            if found:
                self.output = self.output[found.end():]
                return found
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError("no %r in %r" % (pattern, self.output))
            self.output += os.read(self.fd, 65536).decode(errors="replace")

    def end(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


class Shells(NodeTest):
    def setUp(self):
        super().setUp()
        self.node.apply(TWO_TENANTS + "---\n{kind: NetworkPolicy, tenant: rival, name: shut, ingress: []}\n")
        self.environment = {
            "PATH": "%s:/usr/bin:/bin" % pathlib.Path(harness.binary("bulkheadctl")).parent, "HOME": str(self.node.folder.path),
            "BULKHEAD_ADDRESS": self.node.address, "TERM": "dumb", "COLUMNS": "200", "LC_ALL": "C.UTF-8",
            "INPUTRC": "/dev/null"}
        self.shell = None

    def script(self, shell):
        done = self.node.ctl("completion", shell)
        self.assertEqual(done.returncode, 0, done.stderr)
        path = self.node.folder / "completions" / ("_bulkheadctl" if shell == "zsh" else "bulkheadctl." + shell)
        path.parent.mkdir()
        path.write_text(done.stdout, encoding="utf-8")
        return path

    def start(self, name, setup, args):
        if not shutil.which(name):
            self.skipTest("%s is not installed" % name)
        script = self.script(name)
        self.assertEqual(subprocess.run([name, "-n", script], check=False).returncode, 0, "the script's syntax")
        self.shell = Terminal([name, *args], self.environment)
        rc = self.node.folder / "setup"
        rc.write_text(setup % (script.parent if name == "zsh" else script), encoding="utf-8")
        self.shell.type("source %s\r" % rc)
        self.shell.wait_for("ready> $")

    def after(self, line, key):
        """The line that stands there once this was typed and the key pressed."""
        self.shell.type(line + key + SHOW)
        shown = self.shell.wait_for("<([^>]*)>").group(1)
        self.shell.type("\x15")  # away with it
        return shown

    def assert_offered(self, line, *words):
        last = len(line) - len(line.split(" ")[-1])
        self.assertEqual(self.after(line, ALL)[last:].split(), list(words))

    def test_bash_completes_verbs_options_and_choices(self):
        self.start("bash", BASH, ["--norc", "--noprofile", "-i"])
        self.assertEqual(self.after("bulkheadctl desc", TAB), "bulkheadctl describe ")
        self.assert_offered("bulkheadctl get ", "policies", "tasks", "tenants")
        self.assertEqual(self.after("bulkheadctl apply --dr", TAB), "bulkheadctl apply --dry-run ")
        self.assert_offered("bulkheadctl status -o ", "csv", "json", "table", "wide", "yaml")
        self.assertEqual(self.after("bulkheadctl status --output=j", TAB), "bulkheadctl status --output=json ")
        self.assertEqual(self.after("bulkheadctl run --set limits.memory.ma", TAB),
                         "bulkheadctl run --set limits.memory.max=")
        self.assert_offered("bulkheadctl completion ", "bash", "fish", "zsh")

    def test_bash_completes_names_files_and_commands(self):
        self.start("bash", BASH, ["--norc", "--noprofile", "-i"])
        self.assert_offered("bulkheadctl describe task ", "acme/db", "acme/web", "rival/web")
        self.assert_offered("bulkheadctl get tenants ", "acme", "rival")
        self.assert_offered("bulkheadctl delete policy ", "rival/shut")
        self.assertEqual(self.after("bulkheadctl attach acme/d", TAB), "bulkheadctl attach acme/db ")
        self.assert_offered("bulkheadctl run --tenant acme --task ", "db", "web")
        self.assertEqual(self.after("bulkheadctl --address=%s usage --tenant=ri" % self.node.address, TAB),
                         "bulkheadctl --address=%s usage --tenant=rival " % self.node.address)
        (self.node.folder / "my rules.yaml").write_text("")
        self.assertEqual(self.after("bulkheadctl apply -f %s/my" % self.node.folder.path, TAB),
                         r"bulkheadctl apply -f %s/my\ rules.yaml " % self.node.folder.path)
        self.assertEqual(self.after("bulkheadctl run --tenant acme --task db -- bulkheadct", TAB),
                         "bulkheadctl run --tenant acme --task db -- bulkheadctl ")

    def test_bash_goes_on_without_an_agent(self):
        self.node.stop()
        self.start("bash", BASH, ["--norc", "--noprofile", "-i"])
        self.assertEqual(self.after("bulkheadctl describe task ", TAB), "bulkheadctl describe task ")
        self.assertEqual(self.after("bulkheadctl ver", TAB), "bulkheadctl version ")

    def test_zsh(self):
        self.start("zsh", ZSH, ["-f", "-i"])
        for line, whole in (("desc", "describe "), ("apply --dr", "apply --dry-run "), ("status -o j", "status -o json "),
                            ("status --output=j", "status --output=json "), ("attach acme/d", "attach acme/db "),
                            ("run --tenant rival --task w", "run --tenant rival --task web "),
                            ("run --set limits.memory.ma", "run --set limits.memory.max="),
                            ("apply -f %s" % self.node.config.as_posix()[:-3], "apply -f %s " % self.node.config)):
            with self.subTest(line=line):
                self.assertEqual(self.after("bulkheadctl " + line, TAB), "bulkheadctl " + whole)

    def test_fish(self):
        if not shutil.which("fish"):
            self.skipTest("fish is not installed")
        script = self.script("fish")
        self.assertEqual(subprocess.run(["fish", "--no-execute", script], check=False).returncode, 0, "the script's syntax")

        def offered(line):
            done = subprocess.run(["fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script,
                                   "bulkheadctl " + line], env=self.environment, text=True, capture_output=True,
                                  timeout=harness.PATIENCE, check=False)
            self.assertEqual(done.stderr, "")
            return {word.split("\t")[0] for word in done.stdout.splitlines()}
        self.assertEqual(offered("get "), {"tenants", "tasks", "policies"})
        self.assertEqual(offered("describe task "), {"acme/db", "acme/web", "rival/web"})
        self.assertEqual(offered("run --tenant rival --task "), {"web"})
        self.assertEqual(offered("apply --dr"), {"--dry-run"})
        self.assertEqual(offered("status --output="), {"--output=" + form for form in ("table", "wide", "json", "yaml", "csv")})
        self.assertIn(str(self.node.config), offered("apply -f %s/" % self.node.folder.path))


if __name__ == "__main__":
    unittest.main()
