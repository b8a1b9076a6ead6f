"""A real agent and a real controller on a private state directory, for tests and the demo.

Everything made here carries the name bh-e2e-<pid of this process>: cgroups, namespaces, temporary folders. It is removed
at exit, also after a signal; what a run that was killed left behind is removed by the next one. Nothing else is touched.
"""
import atexit
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import api
import cgroups

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"
PROGRAMS = str(HERE / "programs.py")
PREFIX = "bh-e2e-"
BUILD = pathlib.Path(os.environ.get("BULKHEAD_BUILD") or HERE.parents[1] / "build/dev")
SANITIZED = BUILD.name in ("asan", "tsan")
# A guard against hangs, never a measure.
PATIENCE = int(os.environ.get("BULKHEAD_PATIENCE") or (60 if SANITIZED else 20))
FINDING = re.compile(r"(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:).*")

_cleanups = []
_count = 0


def at_cleanup(action):
    _cleanups.append(action)


def clean_up():
    """Undoes everything in reverse order; one failure does not stop the rest."""
    while _cleanups:
        action = _cleanups.pop()
        try:
            action()
        except Exception as error:  # pylint: disable=broad-except
            print("cleanup: %s" % error, file=sys.stderr)


def _on_signal(number, _frame):
    clean_up()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def remove_leftovers():
    """What an earlier run that was killed could not remove."""
    def stale(name):
        match = re.match(PREFIX + r"(\d+)", name)
        return match and not os.path.exists("/proc/" + match.group(1))
    for name in cgroups.tops():
        if stale(name):
            cgroups.remove(name)
    for folder in pathlib.Path("/tmp").glob(PREFIX + "*"):
        if stale(folder.name):
            subprocess.run(["umount", "-l", folder / "bpf"], stderr=subprocess.DEVNULL, check=False)
            shutil.rmtree(folder, ignore_errors=True)
    for folder in pathlib.Path("/run/netns").glob(PREFIX + "*"):
        if stale(folder.name):
            subprocess.run(["ip", "netns", "delete", folder.name], check=False)


atexit.register(clean_up)
for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_number, _on_signal)
remove_leftovers()


def unique_name():
    global _count
    _count += 1
    return "%s%d-%d" % (PREFIX, os.getpid(), _count)


def binary(name):
    for folder in ("agent/daemon", "agent/cli", "controller", "tests/e2e"):
        if (BUILD / folder / name).exists():
            return str(BUILD / folder / name)
    raise FileNotFoundError("%s is not built in %s" % (name, BUILD))


def eventually(condition, what, seconds=None):
    """Polls until condition() is true and returns that; fails with `what` and the last value."""
    deadline = time.monotonic() + (seconds or PATIENCE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("waited %s s for: %s (last: %r)" % (seconds or PATIENCE, what, value))
        time.sleep(0.02)


class Process:
    """A child of ours that ends with us; its standard error goes to a file."""

    def __init__(self, args, log, **options):
        self.log = pathlib.Path(log)
        self.args = [str(arg) for arg in args]
        self._file = open(self.log, "ab")
        self.popen = subprocess.Popen(self.args, stderr=self._file, preexec_fn=_die_with_parent, **options)
        self.pid = self.popen.pid

    def kill(self, number=signal.SIGKILL):
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def wait(self, seconds=None):
        code = self.popen.wait(seconds or PATIENCE)
        self._file.close()
        return code

    def end(self):
        self.kill()
        self.wait()

    def said(self):
        return self.log.read_text(encoding="utf-8", errors="replace")


class Folder:
    """A temporary folder that carries our name."""

    def __init__(self):
        self.name = unique_name()
        self.path = pathlib.Path("/tmp") / self.name
        self.path.mkdir(mode=0o755)
        at_cleanup(lambda: shutil.rmtree(self.path, ignore_errors=True))

    def __truediv__(self, name):
        return self.path / name


class Controller:
    """bulkhead-controller on a unix socket."""

    def __init__(self, folder=None):
        self.folder = folder or Folder()
        self.socket = self.folder / "controller.sock"
        self.database = self.folder / "controller.db"
        self.address = "unix://%s" % self.socket
        self.process = None
        at_cleanup(self.kill)

    def start(self):
        self.process = Process(
            [binary("bulkhead-controller"), "--listen", self.address, "--state", self.database],
            self.folder / "controller.log")
        eventually(self.ready, "the controller to answer")
        return self

    def ready(self):
        if self.process.popen.poll() is not None:
            raise AssertionError("the controller ended: %s" % self.process.said())
        return self.socket.exists() and api.try_call(self.address, "FleetService/ListNodes", {}) is not None

    def stop(self):
        self.process.kill(signal.SIGTERM)
        return self.process.wait()

    def kill(self):
        if self.process:
            self.process.end()

    def usage(self, tenant):
        """The tenant's total as the controller has it; {} before the first report."""
        answer = api.call(self.address, "FleetService/GetTenantUsage", {"tenant": tenant})
        return (answer.get("tenants") or [{}])[0].get("usage", {})


class Node:
    """bulkheadd with a cgroup root, a bpffs and a state directory of its own."""

    def __init__(self, controller="", config="", interval="200ms", root=None):
        self.folder = Folder()
        self.root = root or self.folder.name
        self.bpffs = self.folder / "bpf"
        self.state = self.folder / "state"
        self.socket = self.folder / "agent.sock"
        self.manifests = self.folder / "tenants.d"
        self.log = self.folder / "agent.log"
        self.address = "unix://%s" % self.socket
        self.process = None
        self.tasks = []
        self.wrap = []  # a command that starts the agent: setpriv …, unshare …
        self.state.mkdir()
        self.manifests.mkdir()
        self.bpffs.mkdir()
        at_cleanup(self._clean_up)
        subprocess.run(["mount", "-t", "bpf", "bpf", self.bpffs], check=True)
        self.config = self.folder / "bulkheadd.yaml"
        self.write_config(controller, config, interval)

    def write_config(self, controller="", more="", interval="200ms"):
        self.config.write_text("""\
node: {id: e2e-node}
paths: {state: %s, socket: %s, bpffs: %s/bulkhead, manifests: %s}
cgroup: {root: %s}
usage: {interval: %s}
controller: {address: "%s"}
log: {level: debug}
%s""" % (self.state, self.socket, self.bpffs, self.manifests, self.root, interval, controller, more), encoding="utf-8")

    # --- the agent's life ---

    def launch(self):
        """Starts the agent without waiting for anything."""
        self.process = Process(self.wrap + [binary("bulkheadd"), "--config", self.config], self.log,
                               stdout=subprocess.DEVNULL)
        return self

    def start(self):
        self.launch()
        eventually(self.ready, "the agent to be ready")
        return self

    def ready(self):
        if self.process.popen.poll() is not None:
            raise AssertionError("the agent ended with %s: %s" % (self.process.popen.returncode, self.process.said()))
        return self.ctl("status").returncode == 0

    def alive(self):
        return self.process is not None and self.process.popen.poll() is None

    def stop(self):
        """Orderly; returns the exit code."""
        self.process.kill(signal.SIGTERM)
        return self.process.wait()

    def kill(self):
        if self.process:
            self.process.end()

    def sanitizer_findings(self):
        return FINDING.findall(self.log.read_text(encoding="utf-8", errors="replace")) if self.log.exists() else []

    def _clean_up(self):
        for task in self.tasks:
            task.end()
        self.kill()
        cgroups.remove(self.root)
        subprocess.run(["umount", self.bpffs], check=False)

    # --- the command line ---

    def ctl(self, *args, input=None, **options):
        return subprocess.run([binary("bulkheadctl"), "--address", self.address, *map(str, args)], input=input, text=True,
                              capture_output=True, timeout=PATIENCE * 2, check=False, **options)

    def json(self, *args):
        done = self.ctl("-o", "json", *args)
        if done.returncode != 0:
            raise AssertionError("bulkheadctl %s: %s" % (" ".join(args), done.stderr))
        return json.loads(done.stdout)

    def apply(self, text, *args):
        """Must be accepted whole; returns what apply printed."""
        done = self.ctl("apply", "-f", "-", *args, input=text)
        if done.returncode != 0:
            raise AssertionError("apply: %s%s" % (done.stdout, done.stderr))
        return done.stdout

    def call(self, method, request=None):
        return api.call(self.address, method, request or {})

    def run_args(self, task, command, options=()):
        tenant, name = task.split("/")
        return [binary("bulkheadctl"), "--address", self.address, "run", "--tenant", tenant, "--task", name, *options,
                "--", *map(str, command)]

    def run(self, task, *command, options=(), **more):
        """A command in a task, to its end."""
        return subprocess.run(self.run_args(task, command, options), text=True, capture_output=True, timeout=PATIENCE * 2,
                              check=False, **more)

    def program(self, task, *args, prefix=()):
        """One of programs.py in a task, to its end; returns the JSON object that it printed."""
        done = self.run(task, *prefix, PYTHON, PROGRAMS, *args)
        if not done.stdout.strip():
            raise AssertionError("%s in %s: exit %d: %s" % (args, task, done.returncode, done.stderr))
        return json.loads(done.stdout.strip().splitlines()[-1])

    def spawn(self, task, *args, prefix=(), options=()):
        """One of programs.py in a task, going on."""
        child = Task(self.run_args(task, [*prefix, PYTHON, PROGRAMS, *args], options), self.folder / "tasks.log")
        self.tasks.append(child)
        return child

    # --- the kernel's view ---

    def cgroup(self, path=""):
        return cgroups.Cgroup(self.root + ("/" + path if path else ""))


class Task(Process):
    """A program of programs.py that goes on; it prints JSON lines."""

    def __init__(self, args, log):
        super().__init__(args, log, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def line(self):
        """The next line that it prints."""
        text = self.popen.stdout.readline()
        if not text:
            raise AssertionError("%s ended with %s: %s" % (self.args[-4:], self.wait(), self.said()[-2000:]))
        return json.loads(text)

    def finish(self):
        """Asks it to end and returns its last line."""
        self.kill(signal.SIGTERM)
        rest = self.popen.stdout.read().decode().strip().splitlines()
        self.wait()
        if not rest:
            raise AssertionError("%s said nothing at its end: %s" % (self.args[-4:], self.said()[-2000:]))
        return json.loads(rest[-1])

    def end(self):
        super().end()
        self.popen.stdout.close()


class Netns:
    """A network namespace of our own with loopback up; pairs are joined by veth."""

    def __init__(self):
        self.name = unique_name()
        self.ip_netns("add", self.name)
        at_cleanup(lambda: self.ip_netns("delete", self.name))
        self.ip("link", "set", "lo", "up")

    @staticmethod
    def ip_netns(*args):
        subprocess.run(["ip", "netns", *args], check=True)

    def ip(self, *args):
        subprocess.run(["ip", "-n", self.name, *args], check=True)

    def prefix(self):
        """Runs a command inside: the same cgroup, another network."""
        return ["ip", "netns", "exec", self.name]

    def join(self, other, mine, theirs, *more):
        """A veth pair between the two; `mine` and `theirs` are addresses with prefix length."""
        self.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", other.name)
        for namespace, addresses in ((self, (mine,)), (other, (theirs, *more))):
            for address in addresses:
                namespace.ip("address", "add", address, "dev", "veth0", *(["nodad"] if ":" in address else []))
            namespace.ip("link", "set", "veth0", "up")
