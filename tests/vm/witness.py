"""A process inside a task that sees walls from within, on the loopback network that all tasks share.

  receiver FILE   of a tenant that nobody may reach: every datagram that arrives is a leak
  echo FILE       of the own tenant: answers datagrams and one TCP connection
  prober FILE     every 20 ms: one datagram to the receiver, one to echo, and a byte over a TCP connection that is never renewed

Counters are in FILE, which any process may read while this one goes on.
"""
import mmap
import pathlib
import select
import socket
import struct
import sys
import time

RECEIVER, ECHO = ("127.0.0.1", 7101), ("127.0.0.1", 7102)
NAMES = {"receiver": ["leaked"], "echo": ["answered"], "prober": ["denied", "let_through", "allowed", "flow", "broken"]}
PERIOD = 0.02


class Counters:
    def __init__(self, file, names):
        pathlib.Path(file).write_bytes(bytes(8 * len(names)))
        with open(file, "r+b") as opened:
            self.page = mmap.mmap(opened.fileno(), 8 * len(names))
        self.names = names

    def add(self, name):
        at = 8 * self.names.index(name)
        self.page[at:at + 8] = struct.pack("<Q", struct.unpack("<Q", self.page[at:at + 8])[0] + 1)


def read(file, role):
    values = struct.iter_unpack("<Q", pathlib.Path(file).read_bytes())
    return {name: value for name, (value,) in zip(NAMES[role], values)}


def receiver(counters):
    inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inbox.bind(RECEIVER)
    while inbox.recv(64):
        counters.add("leaked")


def echo(counters):
    inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inbox.bind(ECHO)
    listener = socket.create_server(ECHO)
    sources = [inbox, listener]
    while True:
        for ready in select.select(sources, [], [])[0]:
            if ready is listener:
                sources.append(listener.accept()[0])
            elif ready is inbox:
                inbox.sendto(*inbox.recvfrom(64))
                counters.add("answered")
            else:
                ready.sendall(ready.recv(64))


def prober(counters):
    outbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outbox.settimeout(60)  # an emulated machine may stand still for seconds
    flow = socket.create_connection(ECHO, timeout=60)
    while True:
        try:
            outbox.sendto(b"x", RECEIVER)
            counters.add("let_through")
        except PermissionError:
            counters.add("denied")
        try:
            outbox.sendto(b"x", ECHO)
            outbox.recv(64)
            counters.add("allowed")
            flow.sendall(b"x")
            counters.add("flow" if flow.recv(1) == b"x" else "broken")
        except OSError:
            counters.add("broken")
        time.sleep(PERIOD)


if __name__ == "__main__":
    globals()[sys.argv[1]](Counters(sys.argv[2], NAMES[sys.argv[1]]))
