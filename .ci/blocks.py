"""Reads the shell blocks of a README, and what it says about each."""

import dataclasses
import re

SHELL = {"sh", "bash", "console"}
STATUS = re.compile(r"^# (?:([1-5]\d\d)\b|.*\s([1-5]\d\d)$)")
PROGRAM = re.compile(r"\bcargo run .*?(?:-p |--package[= ])([\w-]+)")
SERVER = re.compile(r"(?:[A-Z0-9_]+=\S* )*cargo run .*?-p example-")


@dataclasses.dataclass
class Block:
    readme: str
    line: int
    script: str
    # The lines that the README prints below the block, as a block of `text`.
    printed: list
    # The sentence before the block says that the servers go on.
    other_terminal: bool

    @property
    def first_line(self):
        return self.script.splitlines()[0]

    @property
    def programs(self):
        """Returns the packages that the block runs."""
        return PROGRAM.findall(self.script)

    @property
    def may_serve(self):
        """Returns whether the last command runs an example, which may be a server."""
        return SERVER.match(self.script.splitlines()[-1]) is not None

    def recorded(self):
        """Returns the script with each comment that has a status as a command that writes it to the record."""
        return "\n".join(map(recorded, self.script.splitlines()))


def recorded(line):
    status = STATUS.match(line)
    return f'echo "expect {status[1] or status[2]}" >>"$RECORD"' if status else line


def blocks(readme, text):
    """Returns the shell blocks of `text`. `readme` is its name."""
    found, lines, before, number = [], text.splitlines(), "", 0
    printed_below = None
    while number < len(lines):
        line = lines[number]
        if not line.startswith("```"):
            if line.strip():
                before, printed_below = line, None
            number += 1
            continue
        language, start = re.split(r"[\s,]", line[3:] + " ")[0], number + 1
        number = next(at for at in range(start, len(lines)) if lines[at].startswith("```"))
        content = lines[start:number]
        if language in SHELL:
            printed_below = Block(readme, start + 1, "\n".join(content).strip(), [], "another terminal" in before)
            found.append(printed_below)
        elif language == "text" and printed_below:
            printed_below.printed = [line for line in content if line.strip()]
        before = ""
        number += 1
    return found


def lines_to_try(output):
    """Returns the commands that a server prints, each under a comment with its status."""
    return re.findall(r"^(# \d{3}: .*)\n(curl .*)$", output, re.MULTILINE)


def missing_line(printed, output):
    """Returns the first line of the README that is not in the output, in this order. `…` is any text."""
    rest = iter(output.splitlines())
    for line in printed:
        pattern = ".*".join(map(re.escape, line.strip().split("…")))
        if not any(re.search(pattern, actual) for actual in rest):
            return line
    return None


def wrong_status(record):
    """Returns what differs between the statuses in comments and those of the responses."""
    expected, answers = None, 0
    for line in record.splitlines():
        kind, _, status = line.partition(" ")
        if kind == "expect":
            if expected and not answers:
                return f"no request follows the comment with {expected}"
            expected, answers = status, 0
        elif expected is None:
            return f"a request, answered with {status or 'nothing'}, has no comment with its status"
        else:
            answers += 1
            if status != expected:
                return f"the status is {status or 'missing'} and not {expected}"
    return f"no request follows the comment with {expected}" if expected and not answers else None
