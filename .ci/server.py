"""A server that was just started, asked over HTTP on this machine."""

import socket
import sys
import time
import urllib.error
import urllib.request

# As long as a first build may take, since cargo starts some of them.
PATIENCE, PAUSE = 600, 0.1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status(server, url):
    """Of the first answer; the script ends where none comes, or where the server ends."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"the server ended with {server.returncode}")
        try:
            with urllib.request.urlopen(url) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            return refusal.code
        except OSError:
            time.sleep(PAUSE)
    sys.exit(f"{url} did not answer")
