"""The second disk of a guest: sources, programs and the run list under the paths they have here, packages, libraries."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import image

ROOT = image.HERE.parents[1]
NOT_SOURCES = {"build", ".git", ".cache", "__pycache__"}
# Where the e2e suite finds what a package has: it tests what users get.
PACKAGED = {"usr/sbin/bulkheadd": "agent/daemon/bulkheadd", "usr/bin/bulkheadctl": "agent/cli/bulkheadctl",
            "usr/sbin/bulkhead-controller": "controller/bulkhead-controller"}


def make(disk, build, tests, programs, debs, older, carried):
    with tempfile.TemporaryDirectory(dir=disk.parent, prefix="stage-") as scratch:
        stage = pathlib.Path(scratch) / "stage"
        for where, folders, files in os.walk(ROOT):
            folders[:] = [name for name in folders if name not in NOT_SOURCES]
            for name in files:
                _place(pathlib.Path(where) / name, stage / pathlib.Path(where).relative_to(ROOT) / name)
        for path in [*programs, *build.glob("proto/*.binpb")]:
            _place(path, stage / path.relative_to(ROOT))
        for deb in debs:
            unpacked = pathlib.Path(scratch) / deb.name
            subprocess.run(["dpkg-deb", "-x", deb, unpacked], check=True)
            for inside, outside in PACKAGED.items():
                _place(unpacked / inside, stage / build.relative_to(ROOT) / outside)
        for folder, paths in (("debs", debs), ("debs-previous", older)):
            for path in paths:
                _place(path, stage / folder / path.name)
        for library in carried:
            _place(pathlib.Path(os.path.realpath(library)), stage / "carried" / pathlib.Path(library).name)
        for test in tests:
            (stage / pathlib.Path(test["directory"]).relative_to(ROOT)).mkdir(parents=True, exist_ok=True)
        (stage / "vm-run.json").write_text(json.dumps(tests), encoding="utf-8")
        size = sum(path.stat().st_size for path in stage.rglob("*") if path.is_file())
        disk.unlink(missing_ok=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-d", stage, disk,
                        "%dM" % (size * 1.1 / 1e6 + 64)], stdout=subprocess.DEVNULL, check=True)


def _place(source, target):
    if source.is_symlink() or not source.is_file():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
