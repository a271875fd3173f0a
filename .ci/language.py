"""Counts wordings that make readers stop, in comments, error texts and documents, and fails above one in a thousand words.

The rules are in CONTRIBUTING.md. This is only the part of them that a program can see. Each place is printed with what to
write instead.
"""

import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 1.0  # per thousand words

INSTEAD = {
    r"somebody|someone|nobody|everybody": "the caller, each request, or the thing itself",
    r"whoever|whomever|whatever|whom": "the caller, any value, each request",
    r"octets?": "bytes",
    r"of (?:one's|its|their|your|our|my) own": "your own X, a custom X",
    r"stands? (?:in|for|there|here|twice|where|beside|outside|within|alone)": "is in, means, appears twice",
    r"is none|are none": "there is no X, X has no Y",
    r"(?<!there )(?:is|are) no(?! longer| more)": "there is no X, X has no Y",
    r"alone": "only",
    r"besides?": "next to, in the background, as well as",
    r"in the place of": "instead of, replaces",
    r"nothing but|but for|none but": "only, except",
    r"(?:can't|cannot|could not|can) be had": "is unavailable, could not be fetched",
    r"so long (?:as|may)": "while, for up to",
    r"the (?:last )?word of|the last word": "overrides, decides",
    r"(?<=, )say": "for example",
    r"all the same|likewise": "still, also",
    r"a mistake": "an error",
}
PATTERNS = [(re.compile(rf"(?<![\w-])(?:{wording})(?![\w-])", re.IGNORECASE), use) for wording, use in INSTEAD.items()]
QUOTATION = re.compile(r'RFC \d+.*"')
COMMENT = {".rs": re.compile(r'(?<![:"])//[/!]?(.*)|#\[error\("(.*)"'), ".toml": re.compile(r"(?:^|\s)#(.*)")}


def main():
    words, found = 0, collections.Counter()
    for name in subprocess.check_output(["git", "ls-files", "*.rs", "*.md", "*.toml"], cwd=ROOT, text=True).splitlines():
        path = ROOT / name
        # A file that is deleted and not yet committed.
        if not path.exists():
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            text = prose(path.suffix, line)
            # The table of examples before and after.
            is_example = name == "CONTRIBUTING.md" and line.startswith("|")
            if not text or is_example or QUOTATION.search(text):
                continue
            words += len(text.split())
            for pattern, use in PATTERNS:
                for wording in pattern.findall(text):
                    found[name] += 1
                    print(f"{name}:{number}: {wording}: write {use}: {text.strip()[:110]}")
    total = found.total()
    rate = 1000 * total / max(words, 1)
    print(f"{total} in {words} words, {rate:.2f} in a thousand")
    if not words or rate > LIMIT:
        for name, count in found.most_common(10):
            print(f"{count:6} {name}", file=sys.stderr)
        sys.exit(f"more than {LIMIT} in a thousand")


def prose(suffix, line):
    """Returns the part of a line that people read as text."""
    if suffix == ".md":
        return line
    match = COMMENT[suffix].search(line)
    return next((group for group in match.groups() if group), "") if match else ""


if __name__ == "__main__":
    main()
