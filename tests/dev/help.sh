# shellcheck shell=bash
# What ./dev says of itself; sourced by it.

help_text() {
  case ${1:-} in
    demo) cat <<'H'
./dev demo
Builds, starts the agent and the reference controller on a private state directory, runs two tenants with real
programs, shows each wall and checks it, and cleans up. Needs root. Exits 0 only if every wall held.
H
      ;;
    test) cat <<'H'
./dev test [TIER...]
Builds and runs every test tier that this machine can run: unit fuzz contract bpf kernel e2e vm. Names of tiers choose
among them. vm builds packages, installs them in an emulated Debian guest and runs there what another kernel or systemd may
answer otherwise. By name only: asan and tsan, unit and e2e once more under address+undefined and thread sanitizer.
A tier that cannot run here is named with its reason. The last line is "N passed, N failed[, N skipped]".
Exits 0 only if nothing failed.
H
      ;;
    run) cat <<'H'
./dev run [CONFIG]
Builds and runs the agent in the foreground with packaging/examples/bulkheadd.yaml, or CONFIG. Needs root.
Talk to it with build/dev/agent/cli/bulkheadctl. Ctrl-C stops it; its walls stay.
H
      ;;
    build) cat <<'H'
./dev build [PRESET]
Builds everything of a preset into build/PRESET: dev (default), asan, tsan, release.
H
      ;;
    unit|kernel|e2e) cat <<H
./dev $1 [CTEST-ARGUMENT...]
Builds and runs the $1 tier alone; arguments go to ctest, such as -R NAME.
H
      [[ $1 == unit ]] || echo "Needs root."
      ;;
    vm) cat <<'H'
./dev vm [NAME|all] [--tier TIER] [-R REGEX] [--quick] [--timeout SECONDS] [--fresh]
Builds, then runs the contract, bpf, kernel, e2e and lifecycle tiers inside a Debian guest: systemd as PID 1, unified cgroup
v2, another kernel than this machine's. e2e tries the programs of the packages; lifecycle installs them as a user would and
causes every event in the life of the service, a reboot included, and prints what each did to tasks. Needs root and qemu; the
guest is emulated (no KVM), so it is several times slower. The image of a guest is made once, with mmdebstrap, and kept in
build/vm/images; --fresh makes it again with today's packages. Results, console and journal lie in build/vm/NAME.
Exits 0 only if nothing failed. --quick runs what ./dev test vm runs.
  debian12       systemd 252, kernel 6.1 (the default)
  debian12-6.12  systemd 252, kernel 6.12 of bookworm-backports
  debian13       systemd 257, kernel 6.12, with packages built in a clean root of Debian 13
  all            one after the other
H
      ;;
    package) cat <<'H'
./dev package [--suite SUITE]
Builds bulkhead_VERSION_ARCH.deb (agent, bulkheadctl, units, manual pages), bulkhead-controller_VERSION_ARCH.deb and their
-dbgsym into build/package, from what git would commit now, and holds them against lintian: a warning fails.
The version is that of packaging/debian/changelog, which must be the one of CMakeLists.txt.
--suite builds for another release of Debian, such as trixie, in a clean root of it (needs root), into build/package-SUITE.
H
      ;;
    bench) cat <<'H'
./dev bench [NAME] [--json FILE]
Builds optimised and runs one benchmark or all; prints each figure beside what it is compared with, in the same run.
--json FILE writes the figures as JSON; FILE may be "-". Needs root.
H
      bench_names | sed 's/^/  /'
      ;;
    fuzz) cat <<'H'
./dev fuzz [TARGET] [SECONDS]
Builds with clang and fuzzes one target, or each in turn, for SECONDS (default 60). Findings stay in build/fuzz.
H
      fuzz_targets | sed 's/^/  /'
      ;;
    lint) cat <<'H'
./dev lint [--all]
Formatting (clang-format), C++ that changed against main or, with --all, every C++ file (clang-tidy), the protos (buf,
through npx, where npm is there), shell scripts (shellcheck). Changes nothing.
H
      ;;
    format) cat <<'H'
./dev format
Formats every C++, BPF and proto file in place with clang-format.
H
      ;;
    *) cat <<'H'
./dev COMMAND

  demo                    two tenants walled off from each other and metered, shown and checked
  test [TIER...]          every test tier this machine can run
  run [CONFIG]            the agent in the foreground
  build [PRESET]          dev, asan, tsan, release
  unit | kernel | e2e     one tier; arguments go to ctest
  vm [NAME|all]           the same tiers, and the life of the service, in Debian guests: systemd, unified cgroup v2
  bench [NAME]            benchmarks, each beside what it is compared with
  fuzz [TARGET] [SECONDS] fuzzers
  lint | format           style
  package                 Debian packages of agent and controller

./dev COMMAND --help tells more. On a bare Debian 12 machine, as root, everything that is missing is installed first.
H
      ;;
  esac
}
