#!/usr/bin/env python3
"""Counts the instructions of operations of the library, and compares them with .ci/instructions.toml.

    python3 .ci/instructions.py          fails when an operation takes more instructions than the table allows
    python3 .ci/instructions.py renew    writes the table anew

Instructions do not depend on the speed of the machine or on its load. valgrind counts them: of two runs of
benches/instructions with different numbers of rounds, the difference is divided by the difference of the rounds. The count of a
bare signature check is subtracted where there is one, because AWS-LC uses other code on another processor.

A count also fails when it is less than the table allows: renew the table, so that a later slowdown is found. With another
compiler, C library, valgrind or processor, counts differ a little, so that the tolerance is wider. At the end, the program does extra
work on purpose, which the comparison must find.
"""

import concurrent.futures
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / ".ci/instructions.toml"
# The name of each row, and what is subtracted from it.
ROWS = {
    "rs256-verify": "rs256-bare",
    "hs256-verify": "hs256-bare",
    "repeated": None,
    "malformed": None,
    "unknown-key": None,
    "wrong-algorithm": None,
    "gate-repeated": None,
    "gate-malformed": None,
}
TOLERANCE = 0.03
TOLERANCE_ELSEWHERE = 0.15
ROUNDS = (40, 240)
# The operation that is planted with extra work.
PLANTED = "rs256-verify"
# The profile of the tests, with optimized Rust. Only settings that leave AWS-LC as the tests build it: it is the longest part of
# a build. Assertions are off where the counted code is.
COUNTED = ("portcullis", "portcullis-bench-instructions", "quick_cache", "serde_json")
PROFILE = ["opt-level=3", "codegen-units=4"]
PROFILE += [f"package.{name}.{setting}=false" for name in COUNTED for setting in ("debug-assertions", "overflow-checks")]


def main(arguments):
    if arguments not in ([], ["renew"]):
        sys.exit(__doc__)
    program = build()
    wanted = set(ROWS) | {bare for bare in ROWS.values() if bare}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = {row: pool.submit(count, program, row) for row in sorted(wanted)}
        planted = pool.submit(count, program, PLANTED, "planted")
        counts = {row: job.result() for row, job in jobs.items()}
    found = {row: counts[row] - (counts[bare] if bare else 0) for row, bare in ROWS.items()}
    if arguments == ["renew"]:
        return renew(found)

    table = tomllib.loads(TABLE.read_text())
    here = surroundings()
    other = [f"{name}: {table['counted with'].get(name)}, here {value}" for name, value in here.items() if table["counted with"].get(name) != value]
    tolerance = TOLERANCE_ELSEWHERE if other else TOLERANCE
    for difference in other:
        print(f"the table was counted with another {difference}")
    if table["counted with"]["architecture"] != here["architecture"]:
        sys.exit("Counts of another architecture cannot be compared: renew the table there.")
    print(f"tolerance {tolerance:.0%}")
    wrong = compare(table["instructions"], found, tolerance)
    slower = {**found, PLANTED: planted.result() - counts[ROWS[PLANTED]]}
    finds_it = len(compare({PLANTED: found[PLANTED]}, {PLANTED: slower[PLANTED]}, tolerance, quiet=True)) == 1
    print(f"with extra work on purpose: {PLANTED} {slower[PLANTED]:,.0f}, {'found' if finds_it else 'NOT found'}")
    if not finds_it:
        wrong.append("The comparison does not find the extra work.")
    if wrong:
        sys.exit("\n".join(wrong) + "\nIf this is intended: python3 .ci/instructions.py renew")


def compare(allowed, found, tolerance, quiet=False):
    """Prints each row, and returns a sentence for each that differs by more than the tolerance."""
    wrong = []
    if allowed.keys() != found.keys():
        wrong.append(f"The table has the rows {sorted(allowed)}, and counted were {sorted(found)}.")
    for row in allowed.keys() & found.keys():
        change = found[row] / allowed[row] - 1
        if not quiet:
            print(f"{row:16} {found[row]:9,.0f} instructions, allowed {allowed[row]:9,} {change:+.1%}")
        if abs(change) > tolerance:
            wrong.append(f"{row} takes {found[row]:,.0f} instructions, and the table says {allowed[row]:,} ({change:+.1%}).")
    return wrong


def build():
    """Builds the program that repeats an operation, and returns its path."""
    command = ["cargo", "build", "--package=portcullis-bench-instructions", "--locked", "--message-format=json-render-diagnostics"]
    for setting in PROFILE:
        command += ["--config", f"profile.dev.{setting}"]
    # Incremental builds divide the code otherwise.
    environment = {**os.environ, "CARGO_INCREMENTAL": "0"}
    output = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True).stdout
    programs = [json.loads(line).get("executable") for line in output.splitlines()]
    return next(filter(None, programs))


def count(program, row, *planted):
    """Returns the number of instructions of one round."""
    few, many = (instructions([program, row, str(rounds), *planted]) for rounds in ROUNDS)
    return (many - few) / (ROUNDS[1] - ROUNDS[0])


def instructions(command):
    with tempfile.TemporaryDirectory() as folder:
        valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        run = subprocess.run(valgrind + command, stderr=subprocess.PIPE, text=True)
        found = re.search(r"Collected : (\d+)", run.stderr)
        if run.returncode or not found:
            sys.exit(f"{' '.join(command)} failed:\n{run.stderr}")
        return int(found[1])


def surroundings():
    """Returns what counts depend on, apart from the code."""
    flags = re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    return {
        "architecture": platform.machine(),
        "avx2": "avx2" in (flags[1].split() if flags else []),
        "C library": " ".join(platform.libc_ver()),
        "rustc": output("rustc", "--version"),
        "valgrind": output("valgrind", "--version"),
    }


def output(*command):
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def renew(found):
    lines = ["# Instructions of one operation. Written by: python3 .ci/instructions.py renew", "", "[instructions]"]
    lines += [f"{row} = {value:_.0f}" for row, value in found.items()]
    lines += ["", '["counted with"]'] + [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in surroundings().items()]
    TABLE.write_text("\n".join(lines) + "\n")
    print(TABLE.read_text())


if __name__ == "__main__":
    main(sys.argv[1:])
