"""Starts private database servers and runs the tests that need them. The arguments are the command that builds all tests.
After the word `run`, they are a command that only runs while the servers do, with the variables of the tests.

The servers listen on free ports of this machine, keep their data in a temporary folder and do not run as root. They stop with
this script, whichever way it ends. A test that says SKIPPED fails the stage, because each server is there.
"""

import contextlib
import ctypes
import glob
import json
import os
import pathlib
import pwd
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from server import free_port

# Debian's packages, and a program of each.
PACKAGES = {
    "mariadb-server": "/usr/sbin/mariadbd",
    "postgresql": "/usr/lib/postgresql/*/bin/postgres",
    "redis-server": "/usr/bin/redis-server",
    "openssl": "/usr/bin/openssl",
    "curl": "/usr/bin/curl",
}
# Seconds in which a server has to answer, and to stop.
START, STOP = 60, 8
# The name, the password and the database of the tests on each SQL server.
ACCOUNT = "portcullis"
# Redis keeps each write that it acknowledged.
DURABLE = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]


def main(build):
    stop_with_the_reader()
    install()
    if build[0] == "run":
        sys.exit(run_command(build[1:]))
    executables = built(build)
    with private_servers() as servers:
        mysql, postgres, redis = servers.mariadb(), servers.postgres(), servers.redis()
        node, cluster = servers.redis_cluster(1), servers.redis_cluster(3)

        stores = {
            "PORTCULLIS_TEST_MYSQL_URL": mysql,
            "PORTCULLIS_TEST_POSTGRES_URL": postgres,
            "PORTCULLIS_TEST_REDIS_URL": redis,
            "PORTCULLIS_TEST_REDIS_CLUSTER_URL": cluster,
            "PORTCULLIS_TEST_REDIS_SERVER": "redis-server",
        }
        only_servers = ["--skip=memory_passes", "--skip=sqlite_passes", "--skip=faulty_stores"]
        runs = [
            ("all stores", stores, "portcullis-sessions", "conformance", ["--show-output", *only_servers]),
            (
                "a cluster of one node",
                {"PORTCULLIS_TEST_REDIS_CLUSTER_URL": node},
                "portcullis-sessions",
                "conformance",
                ["redis_cluster_passes"],
            ),
            ("all stores", stores, "portcullis-sessions", "portcullis_sessions", ["redis::tests::"]),
            ("all stores", stores, "portcullis-sessions", "key_ring", []),
            ("all stores", stores, "portcullis-sessions", "kills", []),
            ("all stores", stores, "portcullis-sessions", "replay", ["--skip=sqlite"]),
        ]
        application = "PORTCULLIS_TEST_APP_DATABASE_URL", "PORTCULLIS_TEST_APP_REDIS_URL"
        for name, variable, url in [
            ("MariaDB", application[0], mysql),
            ("PostgreSQL", application[0], postgres),
            ("Redis", application[1], redis),
            ("a cluster", application[1], cluster),
        ]:
            filters = ["instances::"] if url == cluster else []
            runs.append((name, {variable: url}, "example-sessions", "app", filters))
        failed = [
            f"{test} on {on}"
            for on, variables, package, test, arguments in runs
            if not passes(on, variables, executables[package, test], arguments)
        ]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run_command(command):
    """Runs the command while there are a MariaDB, a PostgreSQL and a Redis server."""
    with private_servers() as servers:
        stores = {
            "PORTCULLIS_TEST_MYSQL_URL": servers.mariadb(),
            "PORTCULLIS_TEST_POSTGRES_URL": servers.postgres(),
            "PORTCULLIS_TEST_REDIS_URL": servers.redis(),
        }
        return subprocess.run(command, env=os.environ | stores).returncode


@contextlib.contextmanager
def private_servers():
    """What starts servers. They stop at the end, and their data is deleted."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="portcullis-servers-")))
        folder.chmod(0o755)  # other accounts have folders in it
        yield Servers(stack, folder)


def install():
    """Installs the packages that are missing."""
    missing = [package for package, program in PACKAGES.items() if not glob.glob(program)]
    if missing:
        as_root = [] if os.getuid() == 0 else ["sudo", "-n"]
        apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
        subprocess.run([*apt, "update", "-q"], check=True)
        subprocess.run([*apt, "install", "-qy", "--no-install-recommends", *missing], check=True)


def built(command):
    """Builds all tests, as the stage `tests` does. Returns the program and the folder of each, by package and name."""
    arguments = [*command, "--no-run", "--locked", "--message-format=json-render-diagnostics"]
    messages = subprocess.run(arguments, check=True, stdout=subprocess.PIPE, text=True).stdout
    executables = {}
    for message in map(json.loads, messages.splitlines()):
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            folder = pathlib.Path(message["manifest_path"]).parent
            package = re.search(r"^name = \"(.*)\"", (folder / "Cargo.toml").read_text(), re.MULTILINE)[1]
            executables[package, message["target"]["name"]] = message["executable"], folder
    return executables


def passes(on, variables, executable, arguments):
    """Runs a program with tests. Returns whether there was one, all passed and none was skipped."""
    program, folder = executable
    print(f"\n-- {pathlib.Path(program).name.rpartition('-')[0]} on {on}", flush=True)
    started, skipped, passed = time.monotonic(), False, 0
    process = subprocess.Popen(
        [program, *arguments],
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        for line in process.stdout:
            # Not at the start of the line: the harness does not end its line before a test begins.
            skipped |= re.search(r"\bSKIPPED [\w -]+: ", line) is not None
            if result := re.search(r"\btest result: ok\. (\d+) passed", line):
                passed += int(result[1])
            print(line, end="", flush=True)
        process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    print(f"{time.monotonic() - started:.0f} s", flush=True)
    if skipped:
        print("a test was skipped although its server is there", flush=True)
    if passed == 0:
        print("no test passed: do its names fit the filter?", flush=True)
    return process.returncode == 0 and not skipped and passed > 0


class Servers:
    """Starts servers in `folder`. They stop with `stack`."""

    def __init__(self, stack, folder):
        self.stack, self.folder = stack, folder

    def mariadb(self):
        account, home, port = account_of("mysql"), self.home("mariadb", "mysql"), free_port()
        data = home / "data"
        setup = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal"]
        run(home, account, [*setup, "--skip-test-db"])
        # One statement on each line.
        (home / "init.sql").write_text(
            f"CREATE DATABASE {ACCOUNT};\n"
            f"CREATE USER '{ACCOUNT}'@'%' IDENTIFIED BY '{ACCOUNT}';\n"
            f"GRANT ALL ON {ACCOUNT}.* TO '{ACCOUNT}'@'%';\n"
        )
        self.start(
            home,
            account,
            port,
            ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1"]
            + [f"--socket={home}/socket", f"--pid-file={home}/pid", f"--init-file={home}/init.sql"]
            + ["--max-connections=500", "--skip-name-resolve"],
        )
        return f"mysql://{ACCOUNT}:{ACCOUNT}@127.0.0.1:{port}/{ACCOUNT}"

    def postgres(self):
        programs = pathlib.Path(max(glob.glob(PACKAGES["postgresql"]), key=version)).parent
        account, home, port = account_of("postgres"), self.home("postgres", "postgres"), free_port()
        data, password = home / "data", home / "password"
        password.write_text(ACCOUNT)
        # Without optimization, each connection with scram takes a tenth of a second.
        setup = [programs / "initdb", "-D", data, "-U", ACCOUNT, f"--pwfile={password}", "-A", "md5"]
        run(home, account, [*setup, "--encoding=UTF8", "--locale=C"])
        command = [programs / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1"]
        command += ["-c", f"unix_socket_directories={home}", "-c", "max_connections=500"]
        # With this signal it does not wait for its clients.
        self.start(home, account, port, command, signal.SIGINT)
        url = f"postgres://{ACCOUNT}:{ACCOUNT}@127.0.0.1:{port}/postgres"
        ready = [programs / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={port}"]
        until(lambda: subprocess.run(ready).returncode == 0)
        return url

    def redis(self):
        return f"redis://{self.redis_server('redis')}"

    def redis_cluster(self, nodes):
        name = f"redis-cluster-of-{nodes}"
        cluster = ["--cluster-enabled", "yes"]
        addresses = [
            self.redis_server(f"{name}-{node}", *cluster, "--cluster-port", str(free_port())) for node in range(nodes)
        ]
        command = ["redis-cli", "--cluster", "create", *addresses, "--cluster-yes"]
        if nodes == 1:  # of which the command makes no cluster
            command = ["redis-cli", "-p", addresses[0].split(":")[1], "CLUSTER", "ADDSLOTSRANGE", "0", "16383"]
        run(self.folder, None, command)
        for address in addresses:
            info = ["redis-cli", "-p", address.split(":")[1], "CLUSTER", "INFO"]
            until(lambda: "cluster_state:ok" in run(self.folder, None, info))
        return f"redis://{addresses[0]}"

    def redis_server(self, name, *settings):
        account, home, port = account_of("redis"), self.home(name, "redis"), free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", home, *DURABLE, *settings]
        self.start(home, account, port, command)
        return f"127.0.0.1:{port}"

    def home(self, name, account):
        home = self.folder / name
        home.mkdir()
        account = account_of(account)
        if account:
            os.chown(home, account.pw_uid, account.pw_gid)
        return home

    def start(self, home, account, port, command, stop_signal=signal.SIGTERM):
        """Starts a server, and waits until it listens on `port`."""
        with open(home / "log", "wb") as log:
            process = subprocess.Popen(
                command,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
                **as_account(account),
            )
        self.stack.callback(stop, process, stop_signal)

        def listens():
            if process.poll() is not None:
                sys.exit(f"{command[0]} ended with {process.returncode}:\n{(home / 'log').read_text(errors='replace')}")
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(listens)
        print(f"{home.name} listens on {port}", flush=True)


def stop(process, stop_signal):
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(stop_signal)
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(home, account, command):
    """Runs a command and returns what it says. The script ends if it fails."""
    result = subprocess.run(
        command, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, **as_account(account)
    )
    if result.returncode != 0:
        sys.exit(f"{command[0]} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return result.stdout


def until(condition):
    deadline = time.monotonic() + START
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("a server did not start in time")
        time.sleep(0.05)


def account_of(name):
    """Returns the account of a server, which must not be root. `None` if this script does not run as root."""
    if os.getuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    return pwd.getpwnam("nobody")


def as_account(account):
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def die_with_parent():
    """Asks the system to kill this process when the script is killed."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def stop_with_the_reader():
    """Makes the script end, and its servers stop, on a signal and when nothing reads its output any more."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))

    def watch():
        reader = select.poll()
        reader.register(sys.stdout.fileno(), 0)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in reader.poll()):
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def version(path):
    return [int(number) for number in re.findall(r"\d+", path)]


if __name__ == "__main__":
    main(sys.argv[1:])
