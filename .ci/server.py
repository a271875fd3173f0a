"""Asks a server that was just started, over HTTP on this machine."""

import socket
import sys
import time
import urllib.error
import urllib.request

# Seconds. A server that cargo starts may have to be built first.
PATIENCE, PAUSE = 600, 0.1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status(server, url):
    """Returns the status of the first answer. The script ends if there is no answer, or if the server ends."""
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
