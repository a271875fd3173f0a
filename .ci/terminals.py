"""Runs scripts as in a terminal, each in its own session of processes, so that all of them can be stopped.

Needs Linux, because it finds the processes of a session and their ports in `/proc`.
"""

import ctypes
import fcntl
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

PAUSE, QUIET, GRACE = 0.05, 0.4, 5
LOCAL_URL = re.compile(r"http://(?:127\.0\.0\.1|localhost):(\d+)")
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


class Terminal:
    """A script that runs, and what it printed so far."""

    def __init__(self, script, folder, environment, log):
        self.output, self.errors = log.with_suffix(".out"), log.with_suffix(".err")
        with open(self.output, "w") as output, open(self.errors, "w") as errors:
            # Job control would put background jobs in other groups. They stay in the session.
            self.process = subprocess.Popen(
                ["bash", "-e", "-o", "pipefail", "-c", script],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )

    def printed(self):
        return self.output.read_text(errors="replace")

    def wait(self, seconds, may_serve):
        """Waits for the end of the script, or until it serves. Returns its exit status; `None` means that it serves, or that
        the time is over, and then `serves` is false."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self.process.poll()
            if status is not None:
                return status
            if may_serve and self.serves():
                self.wait_until_quiet(deadline)
                return self.process.poll()
            time.sleep(PAUSE)
        return self.process.poll()

    def serves(self):
        """Returns whether a process of the session listens on a port that it printed."""
        ports = {int(port) for port in LOCAL_URL.findall(self.printed())}
        return bool(ports & listening_ports(self.processes()))

    def wait_until_quiet(self, deadline):
        size, since = -1, time.monotonic()
        while time.monotonic() < min(since + QUIET, deadline):
            if self.output.stat().st_size != size:
                size, since = self.output.stat().st_size, time.monotonic()
            time.sleep(PAUSE)

    def processes(self):
        """Returns the processes of the session, in whichever group they are."""
        return [pid for pid, session, state in all_processes() if session == self.process.pid and state != "Z"]

    def stop(self):
        """Ends every process of the session. It raises if one is left, because its port would not be free."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + GRACE
            for pid in self.processes():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            while self.processes() and time.monotonic() < deadline:
                self.process.poll()
                time.sleep(PAUSE)
        if self.processes():
            raise RuntimeError(f"the processes {self.processes()} do not end")
        self.process.wait()


def all_processes():
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                # The name of the program is in parentheses, and may have spaces.
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            yield int(entry.name), int(session), state


def listening_ports(pids):
    sockets = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = pathlib.Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, rows):
            if fields[3] == "0A":
                sockets[f"socket:[{fields[9]}]"] = int(fields[1].rpartition(":")[2], 16)
    ports = set()
    for pid in pids:
        try:
            ports |= {sockets.get(os.readlink(file.path)) for file in os.scandir(f"/proc/{pid}/fd")}
        except OSError:
            pass
    return ports - {None}


def enter_own_network():
    """Enters a network without other programs, where the ports of the documents are free. Returns whether it could."""
    user = os.getuid()
    flags = CLONE_NEWNET if user == 0 else CLONE_NEWNET | CLONE_NEWUSER
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        return False
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    if user != 0:
        pathlib.Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    return True
