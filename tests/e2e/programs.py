"""The tenants' programs: what tests and the demo run inside tasks. Each prints JSON lines; SIGTERM ends the endless ones
with a last line of figures."""
import errno
import json
import os
import selectors
import signal
import socket
import sys
import time

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
stopping = False


def say(**values):
    print(json.dumps(values), flush=True)


def stop(_number, _frame):
    global stopping
    stopping = True


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def burn(seconds):
    """Keeps one CPU busy for so long, by the clock on the wall."""
    end, rounds = time.monotonic() + float(seconds), 0
    while time.monotonic() < end and not stopping:
        rounds += 1
    say(rounds=rounds, cpu_seconds=time.process_time())


def hog(mebibytes):
    """Takes memory MiB by MiB and touches it."""
    held = []
    for taken in range(1, int(mebibytes) + 1):
        held.append(bytearray(b"x" * (1 << 20)))
        if taken % 8 == 0:
            say(mebibytes=taken)
    say(mebibytes=len(held), done=True)


def fork_bomb(most):
    """Forks until refused, or `most` children."""
    children, refused = [], 0
    while len(children) < int(most) and refused < 50:
        try:
            child = os.fork()
        except OSError as error:
            if error.errno != errno.EAGAIN:
                raise
            refused += 1
            continue
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pause()
            os._exit(0)
        children.append(child)
    say(forked=len(children), refused=refused)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def serve(host, port="0"):
    """Echoes TCP and UDP on the same port. Counts what came from a prober, which must be nothing."""
    for _ in range(50):
        tcp = socket.socket(family(host), socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((host, int(port)))
        udp = socket.socket(family(host), socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname()[:2])
            break
        except OSError:  # somebody's UDP port; another number then
            tcp.close()
            udp.close()
    tcp.listen(64)
    watch = selectors.DefaultSelector()
    for sock in (tcp, udp):
        sock.setblocking(False)
        watch.register(sock, selectors.EVENT_READ)
    accepted = echoed = denied = 0
    say(port=tcp.getsockname()[1])
    while not stopping:
        for key, _ in watch.select(0.1):
            sock = key.fileobj
            try:
                if sock is tcp:
                    connection, _ = tcp.accept()
                    connection.setblocking(False)
                    watch.register(connection, selectors.EVENT_READ)
                    accepted += 1
                    continue
                data, peer = sock.recvfrom(4096)
                denied += data.startswith(b"DENIED")
                if sock is udp:
                    udp.sendto(data, peer)
                elif data:
                    sock.send(data)
                else:
                    watch.unregister(sock)
                    sock.close()
                echoed += len(data) > 0
            except OSError:
                if sock not in (tcp, udp):
                    watch.unregister(sock)
                    sock.close()
    say(accepted=accepted, echoed=echoed, denied=denied)


def ask(kind, host, port, timeout=1.0, text=b"hello"):
    """One round trip; "reply", or why not."""
    with socket.socket(family(host), KINDS[kind]) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect((host, int(port)))
            sock.send(text)
            return "reply" if sock.recv(100) == text else "garbled"
        except socket.timeout:
            return "timeout"
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error))


def connect(*targets):
    """Round trips to "tcp 127.0.0.1 80" …; one word for each."""
    say(results=[ask(*targets[at:at + 3]) for at in range(0, len(targets), 3)])


def flow(kind, host, port):
    """Endless round trips on one socket, each checked. Ends with their number and what broke."""
    sock = socket.socket(family(host), KINDS[kind])
    sock.settimeout(10)
    sock.connect((host, int(port)))
    rounds, broken, longest = 0, [], 0.0
    say(connected=True)
    while not stopping and not broken:
        text, began = b"%d" % rounds, time.monotonic()
        try:
            sock.send(text)
            if sock.recv(100) != text:
                broken.append("garbled at %d" % rounds)
        except OSError as error:
            broken.append("%s at %d" % (error, rounds))
        longest = max(longest, time.monotonic() - began)
        rounds += 1
        time.sleep(0.002)
    say(rounds=rounds, broken=broken, longest_ms=round(longest * 1000))


def probe(host, port):
    """Endless tries, TCP and UDP, of what must never pass."""
    tries = passed = 0
    kinds = ("tcp", "udp")
    say(probing=True)
    while not stopping:
        passed += ask(kinds[tries % 2], host, port, 0.05, b"DENIED") == "reply"
        tries += 1
        time.sleep(0.002)
    say(tries=tries, passed=passed)


def sleep():
    """Does nothing until told to end."""
    say(pid=os.getpid())
    while not stopping:
        signal.pause()
    say(ended=True)


def main():
    commands = {"burn": burn, "hog": hog, "fork-bomb": fork_bomb, "serve": serve, "connect": connect, "flow": flow,
                "probe": probe, "sleep": sleep}
    signal.signal(signal.SIGTERM, stop)
    commands[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
