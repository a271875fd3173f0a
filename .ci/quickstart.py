"""Runs the command given as arguments, which starts an example server without any configuration, and the curl lines that
the server prints. The comment above each line has the status to expect. There must be lines for 200, 401 and 403."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile

from server import free_port, status as status_of

EXPECTED = {"200", "401", "403"}
CONFIGURATION = ("AUTH0_", "AUTHOK_", "AZURE_", "CLERK_", "PORTCULLIS_")


def main(command):
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(CONFIGURATION)}
    environment["PORT"] = str(port)
    with tempfile.TemporaryFile("w+") as output:
        # In a separate group of processes, because cargo starts the server as another process.
        server = subprocess.Popen(command, env=environment, stdout=output, start_new_session=True)
        try:
            healthy = status_of(server, f"http://127.0.0.1:{port}/healthz")
            if healthy != 200:
                sys.exit(f"/healthz says {healthy}")
            output.seek(0)
            promised = re.findall(r"^# (\d{3}): (.*)\n(curl .*)$", output.read(), re.MULTILINE)
            answered = [status(line) for _, _, line in promised]
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait()
    for (expected, comment, _), actual in zip(promised, answered):
        print(f"{actual} {comment}")
        if actual != expected:
            sys.exit(f"and not {expected}")
    if set(answered) != EXPECTED:
        sys.exit(f"there is no line for each of {sorted(EXPECTED)}")


def status(line):
    """Returns the status of the answer to a curl command, which runs as a user would paste it."""
    quiet = shlex.join(["--silent", "--output", os.devnull, "--write-out", "%{http_code}"])
    return subprocess.run(["bash", "-c", f"{line} {quiet}"], capture_output=True, check=True, text=True).stdout


if __name__ == "__main__":
    main(sys.argv[1:])
