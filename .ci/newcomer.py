"""Does what the README tells a newcomer, from an empty folder: its dependencies, its program and its tests, for each
adapter, as they are printed. The crates come from this checkout, in the way that it names."""

import os
import pathlib
import re
import subprocess
import sys

from server import free_port, status

ROOT = pathlib.Path(__file__).resolve().parent.parent
SECTIONS = ("On Axum", "On Actix Web")
PROGRAM_LINES, TEST_LINES = 24, 30
WORDS_IN_TEN_MINUTES = 2400
ANSWERS = {"/public": 200, "/private": 401, "/messages": 401}


def main(target):
    readme = (ROOT / "README.md").read_text()
    words = len(re.sub(r"```.*?```", "", readme, flags=re.DOTALL).split())
    print(f"README.md: {words} words of prose")
    if words > WORDS_IN_TEN_MINUTES:
        sys.exit(f"too long to be read in ten minutes: more than {WORDS_IN_TEN_MINUTES} words")
    for section in SECTIONS:
        manifest, program, tests = blocks(readme, section)
        for name, text, limit in (("program has", program, PROGRAM_LINES), ("tests have", tests, TEST_LINES)):
            lines = len(text.splitlines())
            print(f"{section}: the {name} {lines} lines")
            if lines > limit:
                sys.exit(f"more than {limit}")
        walk(target / "newcomer" / section.split()[1].lower(), manifest, program, tests, target)


def blocks(readme, section):
    text = re.search(rf"^## {section}\n(.*?)^## ", readme, re.MULTILINE | re.DOTALL)
    found = re.findall(r"^```(?:toml|rust)[^\n]*\n(.*?)^```", text.group(1), re.MULTILINE | re.DOTALL) if text else []
    if len(found) != 3:
        sys.exit(f"README.md has to have dependencies, a program and its tests under '{section}'")
    return found


def walk(folder, manifest, program, tests, target):
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / ".cargo").mkdir(exist_ok=True)
    name = f"newcomer-{folder.name}"
    # A workspace of its own, though it lies below ours.
    (folder / "Cargo.toml").write_text(f'[workspace]\n\n[package]\nname = "{name}"\nedition = "2024"\n\n{from_the_checkout(manifest)}')
    (folder / ".cargo" / "config.toml").write_text(profile())
    # The versions that are tested, as far as they are the same crates.
    (folder / "Cargo.lock").write_text((ROOT / "Cargo.lock").read_text())
    port = free_port()
    # Another port, which is free.
    (folder / "src" / "main.rs").write_text(program.replace("3000", str(port)) + "\n" + tests)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    subprocess.run(["cargo", "test", "--quiet"], cwd=folder, env=environment, check=True)
    subprocess.run(["cargo", "build", "--quiet"], cwd=folder, env=environment, check=True)
    with subprocess.Popen([target / "debug" / name]) as server:
        try:
            for path, expected in ANSWERS.items():
                answered = status(server, f"http://127.0.0.1:{port}{path}")
                print(f"{name} {path}: {answered}")
                if answered != expected:
                    sys.exit(f"and not {expected}")
        finally:
            server.kill()


def profile():
    """Returns the profile of this workspace, so that crates that are already built are used again."""
    manifest = (ROOT / "Cargo.toml").read_text()
    return re.search(r"^\[profile\.dev\].*?(?=^\[profile\.bench)", manifest, re.MULTILINE | re.DOTALL).group()


def from_the_checkout(manifest):
    return re.sub(r'^(portcullis\S*) = "0\.1"$', rf'\1 = {{ path = "{ROOT}/crates/\1" }}', manifest, flags=re.MULTILINE)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
