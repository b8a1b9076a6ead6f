"""The package as a service, inside a guest: what every event in the life of agent, holder, package and machine does to tasks.

`lifecycle.py EVENT` causes one. One guest runs them in the order of EVENTS: each builds on those before it, the first installs,
the last purges. What must hold after each is in service.Stands; each prints a row of the matrix.
"""
import sys

import events_agent as agent
import events_package as package

EVENTS = {
    "install": package.install, "witnesses": agent.witnesses, "upgrade": package.upgrade, "units": package.units,
    "daemon-reload": agent.systemctl("daemon-reload"), "daemon-reexec": agent.systemctl("daemon-reexec"),
    "reload": agent.reload, "bundle": agent.bundle,
    "restart": agent.systemctl("restart", "bulkheadd"), "stop-start": agent.stop_and_start,
    "kill-9": agent.kill_9, "watchdog": agent.watchdog, "isolate": agent.isolate, "set-property": agent.set_property,
    "capabilities": agent.capabilities, "gate": agent.gate, "tenants-refuse-to-stop": agent.tenants_refuse_to_stop,
    "tenants-killed": agent.tenants_killed, "reboot": agent.reboot, "rebooted": agent.rebooted,
    "holder-killed": agent.holder_killed, "remove": package.remove, "purge": package.purge,
}
REBOOTS = {"reboot"}

if __name__ == "__main__":
    EVENTS[sys.argv[1]]()
