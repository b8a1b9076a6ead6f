"""The dependency rules of ARCHITECTURE.md, checked on the includes of the whole tree.

Link targets enforce the same edges between libraries (a library does not see what it is not linked to); this test covers
what the linker cannot see: header-only use, third-party headers, and the size of files. Every rule is also tried on a
small tree that breaks it.
"""
import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAX_LINES = 400

# agent/<folder> → the agent folders that it may include, besides itself.
EDGES = {
    "base": set(),
    "model": {"base"},
    "manifest": {"base"},
    "plan": {"base", "model"},
    "kernel": {"base", "model"},  # and plan/step.h
    "engine": {"base", "model", "plan", "kernel"},
    "usage": {"base", "model", "kernel"},
    "metrics": {"base", "model", "plan", "engine", "usage"},
    "rpc": {"base", "model", "manifest", "plan", "engine", "usage"},
    "cli": {"base", "manifest"},
    "daemon": {"base", "model", "manifest", "kernel", "engine", "usage", "metrics", "rpc"},  # parts of main.cpp
}
CONTROLLER_MAY = {"base", "manifest"}
PROTO_FOLDERS = ("agent/manifest/", "agent/rpc/", "agent/cli/", "controller/", "tests/")
KERNEL_FOLDERS = ("agent/kernel/", "bpf/", "tests/")
PURE_FOLDERS = ("agent/model/", "agent/plan/")
SINGLE_FILES = {"agent/main.cpp"}  # wiring: may include everything

# (what, pattern of the included name, who may)
THIRD_PARTY = [
    ("libbpf and libcgroup", re.compile(r"^(bpf/(?!abi/|lib/)|libcgroup)|\.skel\.h$"), KERNEL_FOLDERS),
    ("the data plane's headers", re.compile(r"^bpf/(abi|lib)/"), KERNEL_FOLDERS),
    ("protobuf and gRPC", re.compile(r"\.pb\.h$|^google/protobuf/|^grpc(pp)?/"), PROTO_FOLDERS),
    ("sqlite3", re.compile(r"^sqlite3\.h$"), ("agent/base/sqlite.cpp",)),
    ("prometheus-cpp and libmicrohttpd", re.compile(r"^(prometheus/|microhttpd\.h$)"), ("agent/metrics/",)),
    ("libarchive", re.compile(r"^archive(_entry)?\.h$"), ("agent/cli/archive.cpp", "tests/")),
    ("absl", re.compile(r"^absl/"), ("agent/base/status.h", "agent/base/status.cpp", "tests/support/tsan_locks.cpp")),
]
IMPURE = re.compile(r"^(fstream|filesystem|thread|mutex|unistd\.h|fcntl\.h|sys/|systemd/|time\.h|ctime)")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]', re.M)
DIRECTORY_SCOPE = re.compile(r"^\s*(add_compile_options|add_definitions|include_directories|link_libraries)\s*\(|\bGLOB", re.M)


def sources(root):
    for top in ("agent", "controller", "bpf", "tests", "proto"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".h", ".c", ".cpp", ".py", ".proto") or path.name == "CMakeLists.txt":
                yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def included_folder_problem(name, included):
    """An include of agent/<folder>/… from a file of ours."""
    match = re.match(r"agent/([a-z_]+)/", included)
    if not match or name in SINGLE_FILES or name.startswith("tests/"):
        return None
    target = match.group(1)
    if name.startswith("controller/"):
        return None if target in CONTROLLER_MAY else "controller may include %s only" % sorted(CONTROLLER_MAY)
    folder = name.split("/")[1]
    if target == folder or target in EDGES.get(folder, set()):
        return None
    if folder == "kernel" and included == "agent/plan/step.h":
        return None
    return "agent/%s may not include agent/%s" % (folder, target)


def problems(root):
    found = []
    for name, text in sources(root):
        lines = text.count("\n")
        if lines > MAX_LINES:
            found.append("%s: %d lines; at most %d" % (name, lines, MAX_LINES))
        if name.endswith("CMakeLists.txt"):
            if DIRECTORY_SCOPE.search(text):
                found.append("%s: directory-scope flags or GLOB" % name)
            continue
        if name.endswith(".h") and "#pragma once" not in text:
            found.append("%s: no #pragma once" % name)
        if not name.endswith((".h", ".c", ".cpp")):
            continue
        for included in INCLUDE.findall(text):
            problem = included_folder_problem(name, included)
            if problem:
                found.append("%s: %s: %s" % (name, included, problem))
            for what, pattern, allowed in THIRD_PARTY:
                if pattern.search(included) and not name.startswith(allowed):
                    found.append("%s: %s: %s belong to %s" % (name, included, what, ", ".join(allowed)))
            if name.startswith(PURE_FOLDERS) and IMPURE.match(included):
                found.append("%s: %s: no I/O and no clock in model and plan" % (name, included))
    return found


class TheTree(unittest.TestCase):
    def test_keeps_every_rule(self):
        names = [name for name, _ in sources(ROOT)]
        self.assertGreater(len(names), 50, "the walk must have seen the tree")
        self.assertEqual(problems(ROOT), [])

    def test_every_agent_folder_has_a_rule(self):
        folders = {path.name for path in (ROOT / "agent").iterdir() if path.is_dir()}
        self.assertLessEqual(folders, set(EDGES))


class ABadTree(unittest.TestCase):
    def breaks(self, name, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True)
            path.write_text(text, encoding="utf-8")
            return problems(pathlib.Path(folder))

    def assert_breaks(self, name, text, why):
        found = self.breaks(name, text)
        self.assertEqual(len(found), 1, found)
        self.assertIn(name, found[0])
        self.assertIn(why, found[0])

    def test_forbidden_folder_edges_are_found(self):
        for name, included in [
            ("agent/base/a.cpp", "agent/model/ids.h"), ("agent/model/a.cpp", "agent/plan/step.h"),
            ("agent/plan/a.cpp", "agent/kernel/cgroup_tree.h"), ("agent/kernel/a.cpp", "agent/plan/plan.h"),
            ("agent/kernel/a.cpp", "agent/engine/engine.h"), ("agent/engine/a.cpp", "agent/usage/ledger.h"),
            ("agent/usage/a.cpp", "agent/engine/engine.h"), ("agent/engine/a.cpp", "agent/rpc/server.h"),
            ("agent/cli/a.cpp", "agent/model/ids.h"), ("agent/metrics/a.cpp", "agent/rpc/server.h"),
            ("agent/rpc/a.cpp", "agent/metrics/collector.h"), ("agent/metrics/a.cpp", "agent/kernel/cgroup_tree.h"), ("controller/a.cpp", "agent/engine/engine.h"),
        ]:
            with self.subTest(name=name, included=included):
                self.assert_breaks(name, '#include "%s"\n' % included, included)

    def test_allowed_edges_are_not(self):
        for name, included in [
            ("agent/kernel/a.cpp", "agent/plan/step.h"), ("agent/engine/a.cpp", "agent/plan/plan.h"),
            ("agent/rpc/a.cpp", "agent/usage/ledger.h"), ("agent/main.cpp", "agent/kernel/bpf_policy.h"),
            ("agent/kernel/a.cpp", "bpf/abi/policy.h"), ("tests/kernel/a.cpp", "agent/engine/engine.h"),
        ]:
            with self.subTest(name=name, included=included):
                self.assertEqual(self.breaks(name, '#include "%s"\n' % included), [])

    def test_third_party_headers_out_of_place_are_found(self):
        for name, included in [
            ("agent/engine/a.cpp", "bpf/libbpf.h"), ("agent/plan/a.cpp", "libcgroup.h"),
            ("agent/usage/a.cpp", "policy.skel.h"), ("agent/engine/a.cpp", "bulkhead/v1/task.pb.h"),
            ("agent/engine/a.cpp", "grpcpp/grpcpp.h"), ("agent/engine/state_store.cpp", "sqlite3.h"),
            ("agent/rpc/a.cpp", "absl/status/status.h"), ("agent/rpc/a.cpp", "microhttpd.h"), ("agent/engine/a.cpp", "bpf/abi/policy.h"),
            ("agent/cli/cmd_debug.cpp", "archive.h"),
        ]:
            with self.subTest(name=name, included=included):
                self.assert_breaks(name, "#include <%s>\n" % included, included)

    def test_io_in_pure_folders_is_found(self):
        self.assert_breaks("agent/plan/a.cpp", "#include <fstream>\n", "no I/O")
        self.assert_breaks("agent/model/a.cpp", "#include <unistd.h>\n", "no I/O")

    def test_long_files_are_found(self):
        self.assert_breaks("agent/base/a.cpp", "\n" * 401, "401 lines")

    def test_header_without_guard_is_found(self):
        self.assert_breaks("agent/base/a.h", "int x;\n", "#pragma once")

    def test_directory_scope_is_found(self):
        self.assert_breaks("agent/CMakeLists.txt", "file(GLOB all *.cpp)\n", "GLOB")
        self.assert_breaks("agent/CMakeLists.txt", "add_compile_options(-O0)\n", "directory-scope")


if __name__ == "__main__":
    unittest.main()
