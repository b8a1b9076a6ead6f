"""What the Debian packages do: installed, upgraded, removed, purged as a user would."""
import hashlib
import os
import pathlib
import re
import stat

import service
from service import PINS, ROOT, Stands, eventually, property_of, run

UNITS = {"bulkheadd": 20, "bulkhead-tenants": 17, "bulkhead-controller": 20}  # tenths of systemd-analyze's exposure
# Changed by what any installation does: package state, caches, logs, backups of shadow's tools, this test.
CHANGES = re.compile(r"^/(proc|sys|dev|run|tmp|var/(lib/(dpkg|apt|systemd|bulkhead-vm)|cache|log|tmp)|root|etc/[a-z]+-$|"
                     r"etc/ld\.so\.cache|boot)(/|$)")
CONFIG = pathlib.Path("/etc/bulkhead/bulkheadd.yaml")
KEPT = "# this host's own: log: {level: debug}\n"


def files():
    """{path: what it is} of the root file system."""
    device, found = os.lstat("/").st_dev, {}
    for where, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if not CHANGES.match(os.path.join(where, name))
                      and os.lstat(os.path.join(where, name)).st_dev == device]
        for name in folders + names:
            path = os.path.join(where, name)
            info = os.lstat(path)
            if CHANGES.match(path) or info.st_dev != device:
                continue
            what = [stat.filemode(info.st_mode), info.st_uid, info.st_gid]
            if stat.S_ISLNK(info.st_mode):
                what.append(os.readlink(path))
            elif stat.S_ISREG(info.st_mode):
                what.append(hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() if path.startswith(("/etc/", "/var/"))
                            else info.st_size)
            found[path] = what
    return found


def install():
    """The version before this one, on a system that never had it."""
    pathlib.Path("/etc/dpkg/dpkg.cfg.d/99mmdebstrap").unlink(missing_ok=True)  # it leaves out examples
    service.note("files", files())
    run("apt-get", "install", "-y", "--no-install-recommends", *service.packages("bulkhead", "debs-previous"),
        *service.packages("bulkhead-controller", "debs-previous"))
    eventually("the agent to be ready", service.ready)
    for unit in UNITS:
        assert property_of(unit, "ActiveState") == "active", unit
    assert run("journalctl", "-b", "--no-pager", "-o", "cat", "-u", "bulkheadd", "BULKHEAD_WHAT=ready"), "no fields in the journal"
    assert "bulkhead-tenants.service" in run("bulkheadctl", "-o", "json", "status"), "the delegated subtree is not used"
    run("bulkheadctl", "apply", "-f", "/usr/share/doc/bulkhead/examples/tenants.yaml")
    for tenant in ("acme", "globex"):
        run("bulkheadctl", "delete", "tenant", tenant, code=None)


def upgrade():
    with open(CONFIG, "a", encoding="utf-8") as file:
        file.write(KEPT)
    before = run("bulkheadd", "--version")
    with Stands("upgrade"):
        old, holder = service.main_pid(), (ROOT / "holder/cgroup.procs").read_text(encoding="utf-8")
        run("apt-get", "install", "-y", *service.packages("bulkhead"), *service.packages("bulkhead-controller"))
        assert service.main_pid() != old, "the agent was not restarted"
        assert (ROOT / "holder/cgroup.procs").read_text(encoding="utf-8") == holder, "the holder was restarted"
        service.tell("figure", what="upgrade", **{"is": "%s → %s" % (before.strip(), run("bulkheadd", "--version").strip())})
    assert run("bulkheadd", "--version") != before
    assert CONFIG.read_text(encoding="utf-8").endswith(KEPT), "the conffile was not kept"


def units():
    for unit, most in UNITS.items():
        run("systemd-analyze", "verify", "--man=no", unit + ".service")  # a guest has no man
        for page in re.findall(r"man:([\w.-]+)\((\d)\)", property_of(unit, "Documentation")):
            assert pathlib.Path("/usr/share/man/man%s/%s.%s.gz" % (page[1], *page)).exists(), page
        said = run("systemd-analyze", "security", "--no-pager", "--threshold=%d" % most, unit + ".service")
        service.tell("figure", what="systemd-analyze security " + unit, **{
            "is": said.strip().splitlines()[-1].partition(": ")[2] + "; at most %.1f" % (most / 10)})


def remove():
    with Stands("remove", agent=False):
        said = run("apt-get", "remove", "-y", "bulkhead")
        assert "every wall goes on standing" in said and "to lift the walls" in said
        assert not pathlib.Path("/usr/sbin/bulkheadd").exists()
        run("systemctl", "daemon-reload")
        run("systemctl", "stop", "bulkhead-tenants.service", code=4)
    with Stands("install again"):
        run("apt-get", "install", "-y", *service.packages("bulkhead"))
    assert CONFIG.read_text(encoding="utf-8").endswith(KEPT), "the conffile was not kept"
    run("apt-get", "remove", "-y", "bulkhead")
    with Stands("purge (refused)", agent=False):  # dpkg has deleted conffiles before it asks the package
        run("dpkg", "--purge", "bulkhead", code=1)
    with Stands("install after that"):
        run("apt-get", "install", "-y", *service.packages("bulkhead"))


def purge():
    run("systemctl", "disable", "docker")
    run("systemctl", "stop", "docker")
    for path in ("/etc/systemd/system/docker.service", "/etc/systemd/system/docker.service.d/bulkhead.conf"):
        pathlib.Path(path).unlink()
    pathlib.Path("/etc/systemd/system/docker.service.d").rmdir()
    run("apt-get", "remove", "-y", "bulkhead")
    for tenant in ("acme", "rival"):
        (ROOT / tenant / "cgroup.kill").write_text("1", encoding="utf-8")
    eventually("the end of every task", lambda: not ROOT.exists() or not any(
        file.read_text(encoding="utf-8") for file in ROOT.glob("*/*/cgroup.procs")))
    run("dpkg", "--purge", "bulkhead", "bulkhead-controller")
    before, now = service.noted("files"), files()
    left = {path: what for path, what in now.items() if path not in before}
    gone = {path: what for path, what in before.items() if path not in now}
    other = {path: (before[path], now[path]) for path in before if path in now and list(now[path]) != before[path]}
    assert not left and not gone and not other, "left: %s\ngone: %s\nchanged: %s" % (left, gone, other)
    for path in (PINS, ROOT, ROOT.parent, pathlib.Path("/run/bulkhead"), pathlib.Path("/run/bulkhead-controller"),
                 pathlib.Path("/run/systemd/system/bulkhead-tenants.service")):
        assert not path.exists(), path
    groups = pathlib.Path("/etc/group").read_text(encoding="utf-8") + pathlib.Path("/etc/passwd").read_text(encoding="utf-8")
    assert "bulkhead" not in groups, groups
    assert "bulkhead" not in run("systemctl", "list-units", "--all", "--plain", "--no-legend", "bulkhead*").replace(
        "bulkhead-vm.service", ""), "units are left"
    service.tell("figure", what="files before installing and after purging", **{"is": "the same %d" % len(now)})
