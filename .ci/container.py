"""Puts a static example-axum into an image that has nothing else, and runs it there.

    python3 .ci/container.py PROGRAM

Without a CA store, an issuer over https cannot be used, and the log says why. With one mounted, the same image is ready. The
issuer is a small server with a certificate of an authority that only this script knows.
"""

import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
STORE = "/etc/ssl/certs/ca-certificates.crt"
JWK = {"kty": "OKP", "crv": "Ed25519", "kid": "1", "alg": "EdDSA", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        context = folder / "context"
        context.mkdir()
        shutil.copy(program, context / "example-axum")
        buildah = Buildah(folder)
        image = buildah("build", "--quiet", "--file", ROOT / "examples/axum/Containerfile", context).strip()
        issuer = Issuer(folder)

        log = Run(buildah, image, folder, issuer, volumes=[]).ends_or_answers(ready=False)
        expect("the system has no CA store" in log, f"the log does not name the CA store:\n{log}")
        print("without a CA store: not ready, and the log says why")

        mounted = [f"{folder / 'authority.pem'}:{STORE}:ro"]
        Run(buildah, image, folder, issuer, mounted).ends_or_answers(ready=True)
        print("with a CA store mounted: ready")

        files = buildah.files(image)
        expect(files == ["example-axum"], f"the image has {files}")
        size = program.stat().st_size / 1e6
        print(f"the image has one file of {size:.1f} MB")
        stated = re.findall(r"The image has about (\d+) MB", (ROOT / "crates/portcullis/docs/building.md").read_text())
        expect(stated == [f"{size:.0f}"], f"crates/portcullis/docs/building.md says {stated} MB")


class Buildah:
    """Buildah with its images in a temporary folder."""

    def __init__(self, folder):
        self.options = ["--root", folder / "images", "--runroot", folder / "run", "--storage-driver", "vfs"]

    def command(self, *arguments):
        return ["buildah", *map(str, self.options), *map(str, arguments)]

    def __call__(self, *arguments):
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True)
        expect(done.returncode == 0, f"buildah {arguments[0]}: {done.stderr}")
        return done.stdout

    def files(self, image):
        container = self("from", "--pull-never", image).strip()
        mounted = pathlib.Path(self("mount", container).strip())
        return sorted(str(path.relative_to(mounted)) for path in mounted.rglob("*") if path.is_file())


class Run:
    """The image, run as a user without rights, in the network of this machine."""

    def __init__(self, buildah, image, folder, issuer, volumes):
        container = buildah("from", "--pull-never", image).strip()
        variables = {
            "PORT": 0,
            "PORTCULLIS_ISSUER": issuer.url,
            "PORTCULLIS_AUDIENCE": "api",
            "PORTCULLIS_JWKS_URL": f"{issuer.url}/keys",
        }
        options = [f"--env={name}={value}" for name, value in variables.items()]
        options += [f"--volume={volume}" for volume in volumes]
        command = buildah.command("run", "--isolation=chroot", "--user=65534:65534", *options, container, "/example-axum")
        self.log = open(folder / "log", "w+")
        # A group of processes, so that all of them end.
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True
        )

    def ends_or_answers(self, ready):
        """Waits until the service is ready, or for its end or a refusal. Returns its log."""
        try:
            first = self.process.stdout.readline()
            if first:
                address = first.split()[-1]
                status = 0
                for _ in range(20):
                    status = status_of(f"{address}/readyz")
                    if status == 200:
                        break
                    time.sleep(0.2)
                expect((status == 200) == ready, f"/readyz has the status {status}:\n{self.text()}")
            else:
                expect(not ready, f"the service did not start:\n{self.text()}")
            return self.text()
        finally:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def text(self):
        self.log.flush()
        return pathlib.Path(self.log.name).read_text()


class Issuer:
    """Publishes a key set over https."""

    def __init__(self, folder):
        openssl = lambda *arguments: subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl(*new, "-x509", "-days", "1", "-subj", "/CN=authority", "-keyout", "authority.key", "-out", "authority.pem")
        openssl(*new, "-subj", "/CN=issuer", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "server.key", "-out", "server.csr")
        (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        signer = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", "1"]
        openssl("x509", "-req", "-in", "server.csr", *signer, "-extfile", "extensions", "-out", "server.pem")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "server.pem", folder / "server.key")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), KeySet)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()


class KeySet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"keys": [JWK]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def status_of(url):
    try:
        return urllib.request.urlopen(url, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def expect(holds, problem):
    if not holds:
        sys.exit(problem)


if __name__ == "__main__":
    main()
