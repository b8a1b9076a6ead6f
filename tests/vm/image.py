"""Builds the disk of a guest with mmdebstrap: systemd, a kernel, what the tests call, and the libraries of our binaries.

An image is kept under a hash of what it is made from and never written to again: a guest runs on a throw-away overlay. What
a guest runs comes on a second disk, so a change of the code makes a new image only when it needs a library for the first time.
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MIRROR = os.environ.get("BULKHEAD_MIRROR", "http://deb.debian.org/debian")
KERNEL = "linux-image-cloud-amd64"
# QEMU 7.2 emulates cmpxchg16b such that kernels from 6.12 on double-fault at boot.
NEW_KERNEL_CPU = "max,cx16=off,la57=off"

# backports: the kernel comes from there.
GUESTS = {
    "debian12": {"suite": "bookworm", "backports": False, "cpu": "max", "what": "systemd 252, kernel 6.1"},
    "debian12-6.12": {"suite": "bookworm", "backports": True, "cpu": NEW_KERNEL_CPU, "what": "systemd 252, kernel 6.12"},
    "debian13": {"suite": "trixie", "backports": False, "cpu": NEW_KERNEL_CPU, "what": "systemd 257, kernel 6.12"},
}

PACKAGES = ["systemd", "systemd-sysv", "udev", "dbus", "kmod", "initramfs-tools", "zstd", "python3", "python3-grpcio",
            "python3-protobuf", "python3-prometheus-client", "iproute2", "util-linux", "mount", "procps", "libcap2-bin", "passwd",
            "login"]

# The root file system lies on a virtio disk; a guest needs no other driver before it is mounted.
EARLY_MODULES = "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n"

# Mounts the second disk where its files lay on the host, so that no path in them changes, and runs what it carries.
START = """\
#!/bin/sh
set -eu
root=$(sed 's/.*bulkhead.root=\\([^ ]*\\).*/\\1/' /proc/cmdline)
mkdir -p "$root"
mount -o ro /dev/vdb "$root"
exec /usr/bin/python3 "$root/tests/vm/guest.py" "$root"
"""

UNIT = """\
[Unit]
Description=Bulkhead's tests
SuccessAction=poweroff-force
FailureAction=poweroff-force
IgnoreOnIsolate=yes

[Service]
Type=exec
ExecStart=/usr/local/sbin/bulkhead-vm
Environment=HOME=/root PYTHONDONTWRITEBYTECODE=1
StandardOutput=journal+console
StandardError=journal+console
TasksMax=infinity
OOMPolicy=continue
"""

# They would fight for the console, or wake up in the middle of a test.
MASKED = ["serial-getty@ttyS0.service", "getty@tty1.service", "apt-daily.timer", "apt-daily-upgrade.timer",
          "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
          "systemd-tmpfiles-clean.timer"]


class Unavailable(Exception):
    """This machine cannot make the image, for a reason that lies outside of the tree: no network, no mirror."""


def image(name, libraries, cache, fresh=False):
    """The folder with root.ext4, vmlinuz and initrd.img of a guest; built if it is not there, which may be Unavailable."""
    guest = GUESTS[name]
    inputs = [guest["suite"], guest["backports"], MIRROR, pathlib.Path(__file__).read_text(encoding="utf-8")]
    folder = cache / ("%s-%s" % (name, hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]))
    held = set()
    if folder.exists():
        held = set(json.loads((folder / "packages.json").read_text(encoding="utf-8")))
        if libraries <= held and not fresh:
            return folder
    packages = sorted({*PACKAGES, *held, *libraries})
    if os.geteuid() != 0:
        raise SystemExit("vm: making the image of a guest needs root")
    print("==> making the image of %s (%s)" % (name, guest["what"]), flush=True)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="new-") as scratch:
        new = pathlib.Path(scratch) / "image"
        new.mkdir()
        tree = pathlib.Path(scratch) / "tree"
        _bootstrap(guest, packages, tree)
        _furnish(tree)
        (new / "packages.json").write_text(json.dumps(packages), encoding="utf-8")
        shutil.copy(tree / "vmlinuz", new / "vmlinuz")
        shutil.copy(tree / "initrd.img", new / "initrd.img")
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-d", tree, new / "root.ext4", "4G"], stdout=subprocess.DEVNULL,
                       check=True)
        for old in cache.glob(name + "-????????????????"):
            shutil.rmtree(old)
        new.rename(folder)
    return folder


def _bootstrap(guest, packages, tree):
    suite, kernel = guest["suite"], KERNEL
    lines = ["deb %s %s main" % (MIRROR, suite),
             "deb %s-security %s-security main" % (MIRROR, suite)]
    if guest["backports"]:
        kernel += "/%s-backports" % suite
        lines.append("deb %s %s-backports main" % (MIRROR, suite))
    hook = 'mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"; ' \
           'echo MODULES=list >"$1/etc/initramfs-tools/conf.d/bulkhead"; ' \
           'printf "%s" >"$1/usr/share/initramfs-tools/modules.d/bulkhead"' % EARLY_MODULES.replace("\n", "\\n")
    command = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
               "--include=" + ",".join([*packages, kernel]), "--essential-hook=" + hook,
               "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
               "--dpkgopt=path-exclude=/usr/share/locale/*", suite, str(tree), *lines]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout[-4000:])
        errors = [line for line in done.stdout.splitlines() if line.startswith("E: ")]
        raise Unavailable("mmdebstrap cannot make %s from %s: %s" % (suite, MIRROR, errors[0] if errors else "see above"))


def _furnish(tree):
    def write(path, text, mode=0o644):
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
    write("usr/local/sbin/bulkhead-vm", START, 0o755)
    write("etc/systemd/system/bulkhead-vm.service", UNIT)
    wants = tree / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "bulkhead-vm.service").symlink_to("/etc/systemd/system/bulkhead-vm.service")
    for unit in MASKED:
        link = tree / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    write("etc/hostname", "bulkhead-vm\n")
    write("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 bulkhead-vm\n::1 localhost\n")
    write("etc/machine-id", "b01dface00000000000000000000b01d\n")


# --- what our binaries need ---------------------------------------------------------------------------------------------

def shared_libraries(binaries):
    """The files that the dynamic linker takes for these."""
    found = set()
    for binary in binaries:
        done = subprocess.run(["ldd", str(binary)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        for line in done.stdout.splitlines():
            words = line.split()
            if "not found" in line:
                raise SystemExit("vm: %s: this machine has no %s" % (binary, words[0]))
            if len(words) > 2 and words[1] == "=>":
                found.add(words[2])
    return found


def packages_of(libraries):
    """The packages that these came from. dpkg knows a file by its name before /lib became a link to /usr/lib."""
    found = set()
    for library in sorted(libraries):
        real = os.path.realpath(library)
        names = {library, real, real.removeprefix("/usr"), "/usr" + real.removeprefix("/usr")}
        done = subprocess.run(["dpkg", "-S", *names], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        packages = {line.split(":")[0] for line in done.stdout.splitlines() if not line.startswith("diversion ")}
        if not packages:
            raise SystemExit("vm: no package has %s, which our binaries need" % library)
        found |= packages
    return found
