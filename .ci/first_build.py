"""Measures user seconds of builds from an empty folder. Run it by hand, on an idle machine: it takes minutes.

usage: python3 .ci/first_build.py        the README's first command, next to the same program outside this workspace, built as
                                         cargo does without a profile; fails above 1.2 times the seconds
       python3 .ci/first_build.py peer   a service with one guarded route on Axum, next to the same with oauth-resource-server,
                                         the library of others with the fewest crates; says which crates take the seconds
"""

import json
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = "example-axum"
LIMIT = 1.2


AXUM = 'axum = { version = "0.8", default-features = false, features = ["http1", "tokio"] }'
TOKIO = 'tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }'
SERVE = """
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
    Ok(())
}
"""
OURS = (
    [AXUM, TOKIO, f'portcullis-axum = {{ path = "{ROOT}/crates/portcullis-axum" }}'],
    ROOT / "Cargo.lock",
    """use axum::{Router, routing::get};
use portcullis_axum::{Auth, Config, Gate};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gate = Gate::new(Config::new("https://issuer.example", "https://api.example.com").verifier()?);
    let me = async |auth: Auth| auth.subject().unwrap_or_default().to_owned();
    let app: Router = Router::new().route("/private", get(me)).with_state(gate);"""
    + SERVE,
)
PEER = (
    [AXUM, TOKIO, 'oauth-resource-server = { version = "=0.4.1", features = ["axum"] }'],
    ROOT / "benches" / "peers" / "oauth-resource-server" / "Cargo.lock",
    """use std::sync::Arc;

use axum::{Router, routing::get};
use oauth_resource_server::axum::AuthLayer;
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator, static_token_policy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = OAuthConfig {
        enabled: true,
        issuer: "https://issuer.example".into(),
        audience: "https://api.example.com".into(),
        resource: "https://api.example.com".into(),
        required_scope: Some("read".into()),
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth"))?.expect("it is enabled");
    let validator = Arc::new(OAuthValidator::new(&config)?);
    let layer = AuthLayer::from_decision(static_token_policy(None, Some(&config), false)?, Some(validator))?;
    let app: Router = Router::new().route("/private", get(async || "hello")).route_layer(layer);"""
    + SERVE,
)


def main(arguments):
    folder = ROOT / "target" / "first-build"
    shutil.rmtree(folder, ignore_errors=True)
    if arguments == ["peer"]:
        return compare_with_peer(folder)
    outside = folder / "outside"
    shutil.copytree(ROOT / "examples" / "axum", outside)
    shutil.copy(ROOT / "Cargo.lock", outside)
    (outside / "Cargo.toml").write_text(manifest())
    subprocess.run(["cargo", "fetch"], cwd=ROOT, check=True)

    inside_seconds = build(ROOT, folder / "target-inside", EXAMPLE)
    outside_seconds = build(outside, folder / "target-outside", EXAMPLE)
    shutil.rmtree(folder)
    ratio = inside_seconds / outside_seconds
    print(f"{ratio:.2f} times the seconds outside")
    if ratio > LIMIT:
        sys.exit(f"more than {LIMIT}")


def compare_with_peer(folder):
    seconds = []
    for name, (dependencies, lock, program) in {"first-route": OURS, "first-route-of-peer": PEER}.items():
        (folder / name / "src").mkdir(parents=True)
        lines = ["[workspace]", "[package]", f'name = "{name}"', 'edition = "2024"', "[dependencies]", *dependencies]
        (folder / name / "Cargo.toml").write_text("\n".join(lines) + "\n")
        (folder / name / "src" / "main.rs").write_text(program)
        shutil.copy(lock, folder / name)
        subprocess.run(["cargo", "fetch"], cwd=folder / name, check=True)
        seconds.append(build(folder / name, folder / name / "target", name, "--timings"))
        print_slowest(folder / name / "target" / "cargo-timings" / "cargo-timing.html")
    shutil.rmtree(folder)
    print(f"{seconds[0] / seconds[1]:.2f} times the seconds of oauth-resource-server")


def print_slowest(page):
    """Prints which compilations took longest, by the clock. Several run at once."""
    found = re.search(r"const UNIT_DATA = (\[.*?\]);", page.read_text(), re.DOTALL)
    units = sorted(json.loads(found[1]), key=lambda unit: -unit["duration"])
    for unit in units[:15]:
        print(f"  {unit['duration']:6.1f} s  {unit['name']} {unit['version']}{unit['target']}")


def manifest():
    """Returns the manifest of the example as a crate that inherits nothing from the workspace."""
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["dependencies"]
    example = tomllib.loads((ROOT / "examples" / "axum" / "Cargo.toml").read_text())
    lines = ["[workspace]", "[package]", f'name = "{EXAMPLE}"', 'edition = "2024"', "[dependencies]"]
    for name, own in example["dependencies"].items():
        shared = workspace[name] if isinstance(workspace[name], dict) else {"version": workspace[name]}
        members = []
        if "path" in shared:
            members.append(f'path = "{ROOT / shared["path"]}"')
        else:
            members.append(f'version = "{shared["version"]}"')
        if not shared.get("default-features", True) and not own.get("default-features", False):
            members.append("default-features = false")
        features = shared.get("features", []) + own.get("features", [])
        members.append(f"features = {features}".replace("'", '"'))
        lines.append(f"{name} = {{ {', '.join(members)} }}")
    return "\n".join(lines) + "\n"


def build(folder, target, package, *options):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = ["cargo", "build", "--quiet", f"--package={package}", f"--target-dir={target}", *options]
    subprocess.run(command, cwd=folder, check=True)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    print(f"{folder}: {seconds:.0f} s of user time", flush=True)
    return seconds


if __name__ == "__main__":
    main(sys.argv[1:])
