"""./dev demo: two tenants on one host, walled off from each other and metered. Every wall is shown and checked."""
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
COLOUR = sys.stdout.isatty()
failed = []
checks = 0


def paint(code, text):
    return "\x1b[%sm%s\x1b[0m" % (code, text) if COLOUR else text


def title(text, *explanation):
    print("\n" + paint("1", text))
    for line in explanation:
        print(paint("2", "  " + line))
    sys.stdout.flush()


def check(holds, what, figures=""):
    global checks
    checks += 1
    print("  %s %s%s" % (paint("32", "✓") if holds else paint("31", "✗"), what, paint("36", "  " + figures) if figures else ""))
    sys.stdout.flush()
    if not holds:
        failed.append(what)


def shell(node, *args):
    """Shows a command as a person would type it, and what it says."""
    print("  " + paint("33", "$ bulkheadctl " + " ".join(map(str, args))))
    for line in node.ctl(*args).stdout.rstrip().splitlines():
        print("    " + line)


def measure(cgroup, seconds):
    """CPUs in use over some seconds, and periods throttled meanwhile, both by the kernel."""
    began, cpu, throttled = time.monotonic(), cgroup.cpu_ns(), cgroup.throttled_periods()
    harness.eventually(lambda: time.monotonic() - began >= seconds, "time to pass")
    return (cgroup.cpu_ns() - cpu) / 1e9 / (time.monotonic() - began), cgroup.throttled_periods() - throttled


def show_cpu(node):
    title("1. CPU: a program that wants a whole CPU gets the quarter that its task may have",
          "acme/burner has limits.cpu.max 250m")
    burner = node.spawn("acme/burner", "burn", "60")
    cgroup = node.cgroup("acme/burner")
    harness.eventually(lambda: cgroup.cpu_ns() > 5e7, "the burner to burn")
    cpus, throttled = measure(cgroup, 2)
    check(0 < cpus < 0.30, "held to its quota", "used %.2f of 1.00 CPU" % cpus)
    check(throttled > 0, "throttling is visible", "%d periods of 100 ms in 2 s" % throttled)
    burner.finish()


def show_aggregate(node):
    title("2. Tenant: two tasks without limits of their own share what their tenant may have",
          "rival has limits.cpu.max 400m; rival/one and rival/two have none")
    burners = [node.spawn("rival/" + name, "burn", "60") for name in ("one", "two")]
    for name in ("one", "two"):
        harness.eventually(lambda n=name: node.cgroup("rival/" + n).cpu_ns() > 5e7, "both to burn")
    cpus, _ = measure(node.cgroup("rival"), 2)
    check(0 < cpus < 0.46, "both together held to the tenant's quota", "used %.2f of 2.00 CPUs" % cpus)
    for burner in burners:
        burner.finish()


def show_memory(node):
    title("3. Memory: a hog is killed, and nobody else", "acme/hog has limits.memory.max 64MiB and takes 400 MiB")
    calm = node.spawn("acme/web", "sleep")
    pid = calm.line()["pid"]
    done = node.run("acme/hog", harness.PYTHON, harness.PROGRAMS, "hog", "400")
    cgroup = node.cgroup("acme/hog")
    check(done.returncode in (-9, 137) and cgroup.oom_kills() > 0, "the hog was OOM-killed",
          "exit status %d, %d kill, peak %.1f MiB" % (done.returncode, cgroup.oom_kills(), cgroup.memory_peak() / 2**20))
    check(cgroup.memory_peak() <= 64 << 20, "it never had more than its limit")
    check(os.path.exists("/proc/%d" % pid), "its neighbour acme/web lives on", "pid %d" % pid)
    calm.finish()


def show_pids(node):
    title("4. Processes: a fork bomb fizzles out", "acme/bomb has limits.pids.max 32 and forks up to 5000 times")
    figures = node.program("acme/bomb", "fork-bomb", "5000")
    check(figures["forked"] < 32 and figures["refused"] > 0, "stopped at the wall",
          "%d forked, then refused; %d refusals counted by the kernel" % (
              figures["forked"], node.cgroup("acme/bomb").pids_failures()))


def show_isolation(node):
    title("5. Network: tenants on the same loopback do not reach each other",
          "acme/db serves TCP and UDP; acme/web and rival/one call. No policy was written: this is the baseline")
    for host in ("127.0.0.1", "::1"):
        port = node.spawn("acme/db", "serve", host).line()["port"]
        targets = ["tcp", host, port, "udp", host, port]
        same = node.program("acme/web", "connect", *targets)["results"]
        other = node.program("rival/one", "connect", *targets)["results"]
        check(same == ["reply", "reply"], "same tenant, %s: passes" % host, "tcp %s, udp %s" % tuple(same))
        check(other == ["EPERM", "EPERM"], "other tenant, %s: refused at once" % host, "tcp %s, udp %s" % tuple(other))


def show_egress(node):
    title("6. Network: egress by address, in network namespaces of their own",
          "policy acme/out lets label app=caller reach 10.99.0.0/24 except 10.99.0.3, and nothing else")
    here, there = harness.Netns(), harness.Netns()
    here.join(there, "10.99.0.1/24", "10.99.0.2/24", "10.99.0.3/24")
    outside = harness.Task([*there.prefix(), harness.PYTHON, harness.PROGRAMS, "serve", "0.0.0.0"],
                           node.folder / "outside.log")
    harness.at_cleanup(outside.end)
    port = outside.line()["port"]
    for host, wanted, word in (("10.99.0.2", "reply", "passes"), ("10.99.0.3", "EPERM", "refused")):
        got = node.program("acme/caller", "connect", "tcp", host, port, "udp", host, port, prefix=here.prefix())["results"]
        check(got == [wanted, wanted], "%s: %s" % (host, word), "tcp %s, udp %s" % tuple(got))


def show_crash(node, manifest):
    title("7. Crash: the agent is killed with -9; walls and tasks do not notice")
    server = node.spawn("acme/db", "serve", "127.0.0.1")
    port = server.line()["port"]
    flow = node.spawn("acme/web", "flow", "tcp", "127.0.0.1", port)
    prober = node.spawn("rival/one", "probe", "127.0.0.1", port)
    flow.line(), prober.line()
    node.kill()
    harness.eventually(lambda: not node.alive(), "the agent to be gone")
    began = time.monotonic()
    harness.eventually(lambda: time.monotonic() - began > 1, "a second without the agent")
    node.start()
    flowed, probed = flow.finish(), prober.finish()
    check(not flowed["broken"], "an open connection of acme went on", "%d round trips, none lost" % flowed["rounds"])
    check(probed["passed"] == 0, "rival never got through", "%d tries, TCP and UDP" % probed["tries"])
    again = node.apply(manifest)
    check("created" not in again and " changed" not in again, "the restarted agent adopted everything: nothing left to change")
    server.finish()


def show_metering(node, controller):
    title("8. Metering: the controller's totals are the kernel's own counters")
    for task in ("acme/web", "rival/one"):
        node.spawn(task, "burn", "60")
        harness.eventually(lambda t=task: node.cgroup(t).cpu_ns() > 3e8, "some use")
    tasks = {tenant: [path.rsplit("/", 1)[1] for path in node.cgroup(tenant).paths() if path.count("/") == 2]
             for tenant in ("acme", "rival")}
    for tenant, names in tasks.items():
        for name in names:  # stopped processes use nothing: the counters stand still
            for pid in node.cgroup("%s/%s" % (tenant, name)).processes():
                os.kill(pid, signal.SIGSTOP)
    for tenant, names in tasks.items():
        seen = {"controller": None, "kernel": None}

        def equal():
            seen["kernel"] = sum(node.cgroup("%s/%s" % (tenant, name)).cpu_ns() for name in names)
            seen["controller"] = int(controller.usage(tenant).get("cpuNs", 0))
            return seen["controller"] == seen["kernel"]
        try:
            harness.eventually(equal, "totals to be equal", 10)
        except AssertionError:
            pass  # shown below
        check(seen["controller"] == seen["kernel"], "%s: CPU time over %d tasks" % (tenant, len(names)),
              "controller %s ns, kernel %s ns" % (seen["controller"], seen["kernel"]))


def main():
    print(paint("1", "Bulkhead: two tenants, one host, real walls."))
    print("Agent and reference controller run on a private state directory; all is removed at the end.")
    controller = harness.Controller().start()
    node = harness.Node(controller.address).start()
    manifest = (HERE / "tenants.yaml").read_text(encoding="utf-8")
    title("The tenants", "tests/demo/tenants.yaml, applied")
    shell(node, "apply", "-f", HERE / "tenants.yaml")
    show_cpu(node)
    show_aggregate(node)
    show_memory(node)
    show_pids(node)
    show_isolation(node)
    show_egress(node)
    show_crash(node, manifest)
    show_metering(node, controller)
    title("What the agent says")
    shell(node, "top", "--once")
    shell(node, "get", "tasks")
    return node.sanitizer_findings()


if __name__ == "__main__":
    status = 1
    try:
        problems = main()
        status = 1 if failed or problems or not checks else 0
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        print("\n" + paint("31", "demo: %s" % error))
    finally:
        harness.clean_up()
    if status == 0:
        print("\n" + paint("1;32", "All %d checks held. Everything that was made is removed again." % checks))
    else:
        print("\n" + paint("1;31", "%d of %d checks failed%s" % (len(failed), checks, ": " + "; ".join(failed) if failed else "")))
    sys.exit(status)
