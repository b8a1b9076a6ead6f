"""The kernel's own view of a cgroup: the same relative path in every hierarchy (v2, or v1 controllers beside it)."""
import os
import pathlib
import signal
import time


def _hierarchies():
    found, unified = {}, None
    for line in pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, kind, options, *_ = line.split()
        if kind == "cgroup2" and unified is None:
            unified = pathlib.Path(mount)
        elif kind == "cgroup":
            for option in options.split(","):
                if option in ("cpu", "cpuacct", "memory", "pids", "cpuset", "blkio", "devices", "freezer"):
                    found.setdefault(option, pathlib.Path(mount))
    return found, unified


V1, UNIFIED = _hierarchies()
ALL = sorted({*V1.values(), *([UNIFIED] if UNIFIED else [])})


def tops():
    """Names of the cgroups right below the top of any hierarchy."""
    return {path.name for mount in ALL for path in mount.iterdir() if path.is_dir()}


def _number(path, key=None):
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if key is None:
            return int(words[0])
        if words[0] == key:
            return int(words[1])
    raise AssertionError("no %s in %s" % (key, path))


class Cgroup:
    def __init__(self, path):
        self.path = path

    def file(self, controller, v1_name, v2_name):
        """The file and whether it is v1."""
        if controller in V1:
            return V1[controller] / self.path / v1_name, True
        return UNIFIED / self.path / v2_name, False

    def cpu_ns(self):
        """The unified hierarchy counts every cgroup's CPU time, with and without the cpu controller."""
        return _number(UNIFIED / self.path / "cpu.stat", "usage_usec") * 1000

    def throttled_periods(self):
        return _number(self.file("cpu", "cpu.stat", "cpu.stat")[0], "nr_throttled")

    def oom_kills(self):
        return _number(self.file("memory", "memory.oom_control", "memory.events")[0], "oom_kill")

    def memory_max(self):
        text = self.file("memory", "memory.limit_in_bytes", "memory.max")[0].read_text(encoding="utf-8").strip()
        return None if text == "max" or int(text) > 1 << 60 else int(text)

    def memory_peak(self):
        return _number(self.file("memory", "memory.max_usage_in_bytes", "memory.peak")[0])

    def pids_max(self):
        text = self.file("pids", "pids.max", "pids.max")[0].read_text(encoding="utf-8").strip()
        return None if text == "max" else int(text)

    def pids(self):
        return _number(self.file("pids", "pids.current", "pids.current")[0])

    def pids_failures(self):
        return _number(self.file("pids", "pids.events", "pids.events")[0], "max")

    def cpu_max(self):
        """In CPUs; None without a limit."""
        path, v1 = self.file("cpu", "cpu.cfs_quota_us", "cpu.max")
        words = path.read_text(encoding="utf-8").split()
        if words[0] in ("-1", "max"):
            return None
        period = _number(path.with_name("cpu.cfs_period_us")) if v1 else int(words[1])
        return int(words[0]) / period

    def id(self):
        return (UNIFIED / self.path).stat().st_ino

    def processes(self):
        text = (UNIFIED / self.path / "cgroup.procs").read_text(encoding="utf-8")
        return [int(word) for word in text.split()]

    def paths(self):
        """Every cgroup at and below this one in any hierarchy, as relative paths."""
        return {str(pathlib.Path(where).relative_to(mount))
                for mount in ALL for where, _, _ in os.walk(mount / self.path)}


def remove(name):
    """Kills what lives in a top cgroup of ours and removes it from every hierarchy."""
    deadline = time.monotonic() + 10
    while True:
        left = [pathlib.Path(where) for mount in ALL for where, _, _ in os.walk(mount / name, topdown=False)]
        if not left:
            return
        if time.monotonic() > deadline:
            raise AssertionError("could not remove %s" % left)
        for path in left:
            try:
                for word in (path / "cgroup.procs").read_text(encoding="utf-8").split():
                    os.kill(int(word), signal.SIGKILL)
            except (OSError, ProcessLookupError):
                pass  # gone meanwhile
            try:
                path.rmdir()
            except OSError:
                time.sleep(0.01)  # still busy: killed processes take a moment
