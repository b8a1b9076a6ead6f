"""The machine: QEMU without KVM, booted until its tests are done, over reboots that they ask for."""
import os
import selectors
import subprocess
import time

import image

ROOT = image.HERE.parents[1]
BOOT_SECONDS = 600


class Machine:
    """`folder` keeps console.log and results.jsonl; `root` is the guest's own copy of its image's root file system."""

    def __init__(self, guest, images, folder):
        self.guest, self.images, self.folder = guest, images, folder
        self.console, self.results = folder / "console.log", folder / "results.jsonl"
        self.root, self.disk = folder / "root.ext4", folder / "run.ext4"
        self.power_on = []  # seconds from the start of each boot's QEMU to the first line of its tests
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", images / "root.ext4", self.root], check=True)
        self.console.write_bytes(b"")
        self.results.touch()

    def discard(self):
        for path in (self.root, self.disk):
            path.unlink(missing_ok=True)

    def _command(self):
        # On a busy host the timer does not tick in time for the check that a kernel makes at boot, and it panics.
        kernel = "root=/dev/vda rw console=ttyS0 panic=-1 oops=panic mitigations=off no_timer_check systemd.firstboot=off " \
                 "systemd.show_status=1 bulkhead.root=%s" % ROOT
        return ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", self.guest["cpu"], "-smp", "2", "-m", "2048",
                "-nodefaults", "-display", "none", "-nic", "none", "-no-reboot", "-serial", "stdio",
                "-kernel", str(self.images / "vmlinuz"), "-initrd", str(self.images / "initrd.img"), "-append", kernel,
                "-drive", "file=%s,format=raw,if=virtio,cache=unsafe" % self.root,
                "-drive", "file=%s,format=raw,if=virtio,read-only=on" % self.disk,
                "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
                "-chardev", "file,id=results,path=%s,append=on" % self.results,
                "-device", "virtserialport,chardev=results,name=bulkhead.results"]

    def boot(self, limit):
        """Runs to the guest's end, keeps its console and shows what the tests say. None, or why it was ended."""
        guest = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        start, started, partial = time.monotonic(), False, b""
        try:
            with open(self.console, "ab") as log, selectors.DefaultSelector() as selector:
                selector.register(guest.stdout, selectors.EVENT_READ)
                while True:
                    left = start + (limit if started else min(limit, BOOT_SECONDS)) - time.monotonic()
                    if left <= 0 or not selector.select(left):
                        return "gave up after %d s" % limit if started else "no test started within %d s of boot" % BOOT_SECONDS
                    piece = os.read(guest.stdout.fileno(), 65536)
                    if not piece:
                        return None if guest.wait() == 0 else "qemu ended with status %d" % guest.returncode
                    log.write(piece)
                    log.flush()
                    *lines, partial = (partial + piece).split(b"\n")
                    for line in lines:
                        shown = line.decode("utf-8", errors="replace").partition("[vm] ")[2].rstrip()
                        if shown and not started:
                            started = True
                            self.power_on.append(time.monotonic() - start)
                        if shown:
                            print("  " + shown, flush=True)
        finally:
            guest.kill()
            guest.wait()
