"""Every loop of the BPF programs ends in a jump: the verifier of kernel 6.1 refuses one whose last instruction falls through to
its first ("back-edge from insn"), which newer kernels take, so that a machine with a new kernel shows nothing of it."""
import os
import pathlib
import re
import shutil
import subprocess
import unittest

DISASSEMBLER = shutil.which("llvm-objdump") or shutil.which("llvm-objdump-14")
GOTO = re.compile(r"(if .* )?goto ([+-]\d+)")


def functions(text):
    """{name: {index: instruction}} of what llvm-objdump prints."""
    found, body = {}, {}
    for line in text.splitlines():
        if header := re.match(r"[0-9a-f]+ <(.+)>:", line):
            if not header[1].startswith("LBB"):
                body = found.setdefault(header[1], {})
        elif instruction := re.match(r"\s+(\d+):\s+(.+)", line):
            body[int(instruction[1])] = instruction[2].strip()
    return found


def back_edges_without_jump(body):
    """As check_cfg() of 6.1: depth first; an instruction that is no jump must not lead to one that is still being explored."""
    order = sorted(body)
    following = dict(zip(order, order[1:]))

    def ways(index):
        if body[index].startswith("exit"):
            return []
        if jump := GOTO.match(body[index]):
            target = index + int(jump[2]) + 1
            return [(following.get(index), True), (target, True)] if jump[1] else [(target, True)]
        return [(following.get(index), False)]
    bad, open_now, seen = [], {order[0]}, {order[0]}
    stack = [(order[0], iter(ways(order[0])))]
    while stack:
        index, left = stack[-1]
        way = next(left, None)
        if way is None:
            open_now.discard(index)
            stack.pop()
        elif way[0] in open_now and not way[1]:
            bad.append("%d: %s" % (index, body[index]))
        elif way[0] is not None and way[0] not in seen:
            seen.add(way[0])
            open_now.add(way[0])
            stack.append((way[0], iter(ways(way[0]))))
    return bad


class Loops(unittest.TestCase):
    def test_of_the_programs_end_in_a_jump(self):
        if not DISASSEMBLER:
            self.skipTest("llvm-objdump is not installed")
        objects = list(pathlib.Path(os.environ["BULKHEAD_BUILD"], "bpf").glob("*.bpf.o"))
        self.assertTrue(objects, "no BPF object is built")
        for path in objects:
            text = subprocess.run([DISASSEMBLER, "-d", "--no-show-raw-insn", path], stdout=subprocess.PIPE, text=True,
                                  check=True).stdout
            found = functions(text)
            self.assertIn("egress", found)
            self.assertEqual({name: bad for name, body in found.items() if (bad := back_edges_without_jump(body))}, {})

    def test_that_fall_through_are_found(self):
        falls = {0: "r1 = 0", 1: "goto +2 <a>", 2: "if r1 > 8 goto +3 <b>", 3: "r1 += 1", 4: "r2 = 0", 5: "goto -4 <c>", 6: "exit"}
        self.assertEqual(back_edges_without_jump(falls), ["3: r1 += 1"])
        jumps = {0: "r1 = 0", 1: "r1 += 1", 2: "if r1 < 8 goto -2 <a>", 3: "exit"}
        self.assertEqual(back_edges_without_jump(jumps), [])
