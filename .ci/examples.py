"""Does what the README of each example says, as a new user does: pastes its shell blocks, one after the other.

    python3 .ci/examples.py TARGET [EXAMPLE...]

Blocks run from a new folder in the checkout. A comment with a status, for example `# 401`, is about the requests up to the
next one. A block of `text` below a shell block is what the block prints, among other lines. If a server prints commands
under comments with a status, they are run too. The first command of the README of the project is run in the same way.

A block that starts a server first stops the earlier ones, unless the sentence before it says "another terminal".
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import blocks as documents
import terminals

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Seconds for one block. What it runs is built before.
PATIENCE = 300
# What an API without configuration has to show.
STATUSES = {"200", "401", "403"}
CONFIGURATION = ("ACCESS_TOKEN_", "AUTH0_", "AUTHOK_", "AZURE_", "CLERK_", "DATABASE_", "JWT_", "PORTCULLIS_", "REFRESH_")
SETTINGS = {"CLIENT_ORIGIN", "PORT", "PUBLIC_URL", "REDIS_URL", "RUST_LOG", "SESSIONS_URL", "TOKEN", "URL"}
# The example and the first line of each block that is not run, and the reason.
NOT_RUN = {
    ("monitoring", "promtool test rules examples/monitoring/alerts_test.yml"): (
        "needs the program promtool of Prometheus"
    ),
}


class Failure(Exception):
    """Why a block fails."""


def main(target, names):
    folders = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
    plan, problems = {}, []
    if not names:
        plan["README.md"] = first_command()
    for folder in folders:
        if names and folder.name not in names:
            continue
        readme = folder / "README.md"
        found = documents.blocks(folder.name, readme.read_text()) if readme.exists() else []
        run = [block for block in found if (folder.name, block.first_line) not in NOT_RUN]
        if not readme.exists():
            problems.append(f"examples/{folder.name} has no README.md")
        elif not run:
            problems.append(f"examples/{folder.name}/README.md has no block that is run")
        plan[folder.name] = found
    existing = {(block.readme, block.first_line) for found in plan.values() for block in found}
    if not names:
        problems += [f"NOT_RUN names a block that does not exist: {name}: {line}" for name, line in NOT_RUN.keys() - existing]
    if problems:
        sys.exit("\n".join(problems))

    build(target, [program for found in plan.values() for block in found for program in block.programs])
    if "openid-login" in plan:
        check_openid_login(target)
    if not terminals.enter_own_network():
        print("in the network of this machine: the ports of the documents must be free")
    started = time.monotonic()
    failed = [name for name, found in plan.items() if not Walk(target, name).succeeds(found)]
    print(f"{time.monotonic() - started:6.1f} s in all")
    if failed:
        sys.exit(f"failed: {' '.join(failed)}")


def first_command():
    """Returns the only block of the README of the project that runs a program."""
    found = documents.blocks("README.md", (ROOT / "README.md").read_text())
    found = [block for block in found if block.may_serve]
    if len(found) != 1:
        sys.exit(f"README.md has to have one block with `cargo run`, and has {len(found)}")
    return found


def build(target, programs):
    for program in dict.fromkeys(programs):
        cargo(target, ROOT, "build", f"--package={program}")


def check_openid_login(target):
    """Checks the separate workspace, in the folder where stage `lints` has built its dependencies."""
    cargo(target / "openid", ROOT / "examples/openid-login", "check")


def cargo(target, folder, *command):
    """Runs cargo without a limit of time, before the blocks: they have a limit, and a network without other machines."""
    started = time.monotonic()
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    if subprocess.run(["cargo", *command, "--quiet", "--locked"], cwd=folder, env=environment).returncode != 0:
        sys.exit(f"cargo {' '.join(command)} failed")
    print(f"{time.monotonic() - started:6.1f} s  cargo {' '.join(command)}", flush=True)


class Walk:
    """One README, and the servers that its blocks started."""

    def __init__(self, target, name):
        self.name, self.servers, self.number = name, [], 0
        # In the checkout, so that cargo finds the workspace.
        self.folder = ROOT / "target" / "examples" / name
        self.logs = self.folder.with_name(f"{name}.logs")
        for folder in (self.folder, self.logs):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        for entry in ROOT.iterdir():
            if not entry.name.startswith((".", "Cargo", "target")):
                (self.folder / entry.name).symlink_to(entry)
        kept = os.environ.items()
        self.environment = {
            name: value for name, value in kept if not name.startswith(CONFIGURATION) and name not in SETTINGS
        }
        # Stage `lints` has built the separate workspace there.
        self.environment["CARGO_TARGET_DIR"] = str(target / "openid" if name == "openid-login" else target)
        self.environment["PATH"] = f"{self.recording_curl()}{os.pathsep}{os.environ['PATH']}"

    def recording_curl(self):
        """Makes a program `curl` that also writes the status of the response to the file `$RECORD`."""
        folder = self.logs / "bin"
        folder.mkdir()
        program = folder / "curl"
        program.write_text(
            "#!/bin/sh\n"
            "fields=$(mktemp)\n"
            f'{shutil.which("curl")} --dump-header "$fields" "$@"\n'
            "result=$?\n"
            r"""status=$(sed -nE 's/^HTTP\/[^ ]+ ([0-9]+).*/\1/p' "$fields" | tail -n 1)""" + "\n"
            'echo "got $status" >>"$RECORD"\n'
            'rm "$fields"\n'
            "exit $result\n"
        )
        program.chmod(0o755)
        return folder

    def succeeds(self, found):
        try:
            for block in found:
                reason = NOT_RUN.get((self.name, block.first_line))
                if reason:
                    print(f" not run  {self.name}:{block.line} {block.first_line}: {reason}", flush=True)
                    continue
                self.run(block)
        except Failure:
            return False
        finally:
            self.stop()
        return True

    def run(self, block):
        if block.may_serve and not block.other_terminal:
            self.stop()
        title = f"{self.name}:{block.line} {block.first_line}"
        terminal = self.paste(title, block.recorded(), block.printed, block.may_serve)
        if terminal.process.poll() is not None:
            return
        shown = set()
        for comment, command in documents.lines_to_try(terminal.printed()):
            self.paste(f"{self.name}   {comment}", f"{documents.recorded(comment)}\n{command}", [], may_serve=False)
            shown.add(comment[2:5])
        if self.name in ("README.md", "axum", "actix") and shown and not STATUSES <= shown:
            self.fail(f"the server prints no command for {sorted(STATUSES - shown)}")
        if self.name == "README.md" and not shown:
            self.fail("the server prints no commands")

    def paste(self, title, script, printed, may_serve):
        self.number += 1
        log = self.logs / f"{self.number}.log"
        record = log.with_suffix(".record")
        record.touch()
        started = time.monotonic()
        environment = {**self.environment, "RECORD": str(record)}
        terminal = terminals.Terminal(script, self.folder, environment, log)
        # It may have started servers in the background.
        self.servers.append(terminal)
        status = terminal.wait(PATIENCE, may_serve)
        problem = documents.wrong_status(record.read_text())
        missing = documents.missing_line(printed, terminal.printed())
        if status is None and not (may_serve and terminal.serves()):
            problem = f"it does not end within {PATIENCE} s"
        elif status not in (None, 0):
            problem = problem or f"the exit status is {status}"
        elif missing is not None:
            problem = problem or f"it does not print: {missing}"
        print(f"{time.monotonic() - started:6.1f} s  {title}", flush=True)
        if problem:
            print(terminal.printed()[-4000:], terminal.errors.read_text(errors="replace")[-4000:], sep="\n")
            self.fail(problem)
        return terminal

    def fail(self, problem):
        print(f"FAILED {self.name}: {problem}", flush=True)
        raise Failure(problem)

    def stop(self):
        while self.servers:
            self.servers.pop().stop()


if __name__ == "__main__":
    # The end of the time limit must also stop the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:])
