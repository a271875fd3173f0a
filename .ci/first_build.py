"""Measures the README's first command: user seconds of its build from an empty folder, next to the same program outside
this workspace, built as cargo does without a profile. Fails above 1.2 times the seconds. Run it by hand, on an idle
machine: it takes minutes.

usage: python3 .ci/first_build.py
"""

import pathlib
import resource
import shutil
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXAMPLE = "example-axum"
LIMIT = 1.2


def main():
    folder = ROOT / "target" / "first-build"
    shutil.rmtree(folder, ignore_errors=True)
    outside = folder / "outside"
    shutil.copytree(ROOT / "examples" / "axum", outside)
    shutil.copy(ROOT / "Cargo.lock", outside)
    (outside / "Cargo.toml").write_text(manifest())
    subprocess.run(["cargo", "fetch"], cwd=ROOT, check=True)

    inside_seconds = build(ROOT, folder / "target-inside")
    outside_seconds = build(outside, folder / "target-outside")
    shutil.rmtree(folder)
    ratio = inside_seconds / outside_seconds
    print(f"{ratio:.2f} times the seconds outside")
    if ratio > LIMIT:
        sys.exit(f"more than {LIMIT}")


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


def build(folder, target):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(["cargo", "build", "--quiet", f"--package={EXAMPLE}", f"--target-dir={target}"], cwd=folder, check=True)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    print(f"{folder}: {seconds:.0f} s of user time", flush=True)
    return seconds


if __name__ == "__main__":
    main()
