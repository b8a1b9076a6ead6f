"""Stands in for a container runtime, as docker.service: writes down what stood when it started and when it was stopped, and,
where they do not run yet, starts the witnesses in their tasks."""
import subprocess
import sys
import time

import service

service.note(sys.argv[1], {"at": time.clock_gettime(time.CLOCK_MONOTONIC), "links": service.walls(),
                           "ready": subprocess.run(["bulkheadctl", "status"], stdout=subprocess.DEVNULL, check=False).returncode})
if sys.argv[1] == "start" and not service.COUNTERS.exists():
    service.start_witnesses()
