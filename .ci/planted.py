#!/usr/bin/env python3
"""Plants the changes that a document lists, one after the other, and sees that the named tests fail.

    python3 .ci/planted.py                            all rows of tests/PROMISES.md
    python3 .ci/planted.py 3 17                       the rows with these numbers
    python3 .ci/planted.py tests/STANDARDS.md         all rows of this document
    python3 .ci/planted.py tests/STANDARDS.md DPoP    the rows of its section with this heading
    python3 .ci/planted.py tests/STANDARDS.md 3 17    its rows with these numbers

The changes are made in a separate work tree, which is removed at the end. A row passes if its tests pass without the
change, which `.ci/run` shows, and each of them fails with it. Takes about a minute for each row.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def rows(document):
    """Yields each row's number, section, tests, and the file, the text and the other text of its change."""
    number, section, in_table = 0, None, False
    for line in (ROOT / document).read_text().splitlines():
        if line.startswith("## "):
            section = line[3:]
        if line.startswith(("| Promise |", "| Demand |")):
            in_table = True
        elif not line.startswith("|"):
            in_table = False
        elif in_table and not line.startswith("|---"):
            number += 1
            _, tests, change = line.strip("| ").split(" | ")
            found = re.findall(r"`([^`]+\.rs)::(\w+)`", tests)
            yield number, section, found, re.findall(r"`([^`]*)`", change)


def command(file, name):
    """Returns the command that runs one test."""
    parts = pathlib.PurePath(file).parts
    if parts[0] == "tests":
        package, target = "portcullis-tests", ["--test", parts[1]]
    else:
        package = parts[1] if parts[0] == "crates" else f"example-{parts[1]}"
        if parts[2] == "src":
            target = ["--lib"]
        else:
            target = ["--test", pathlib.PurePath(parts[3]).stem]
    return ["cargo", "test", "--quiet", "-p", package, *target, "--", name]


def main():
    arguments = sys.argv[1:]
    document = arguments.pop(0) if arguments and arguments[0].endswith(".md") else "tests/PROMISES.md"
    numbers = {int(argument) for argument in arguments if argument.isdigit()}
    sections = {argument for argument in arguments if not argument.isdigit()}
    unnoticed = []
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder) / "tree"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", tree], check=True)
        try:
            for number, section, tests, (file, before, after) in rows(document):
                if (numbers or sections) and number not in numbers and section not in sections:
                    continue
                source = tree / file
                original = source.read_text()
                assert original.count(before) == 1, f"row {number}: {file} has not one {before!r}"
                source.write_text(original.replace(before, after))
                for test_file, name in tests:
                    noticed = fails(tree, test_file, name)
                    print(f"{number:3} {'noticed' if noticed else 'NOT NOTICED'}  {test_file}::{name}", flush=True)
                    if not noticed:
                        unnoticed.append((number, name))
                source.write_text(original)
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)
    print(f"{len(unnoticed)} not noticed")
    sys.exit(1 if unnoticed else 0)


def fails(tree, file, name):
    """Whether the test ran and failed. A change that does not compile proves nothing."""
    environment = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target/planted")}
    ran = subprocess.run(command(file, name), cwd=tree, env=environment, capture_output=True, text=True, timeout=900)
    if re.search(r"^error(\[|: could not compile)", ran.stderr, re.M):
        print(ran.stderr[-2000:])
        return False
    return re.search(rf"^test (\S+::)?{name} \.\.\. FAILED|---- (\S+::)?{name} stdout", ran.stdout, re.M) is not None


main()
