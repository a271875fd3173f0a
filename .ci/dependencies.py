"""Counts the crates that this library and others add to a service, and compares the list of direct dependencies with the manifests.

usage: python3 .ci/dependencies.py          fails where crates/portcullis/docs/dependencies.md differs, or the core is too large
       python3 .ci/dependencies.py renew    writes the table of counts anew

A crate counts once for each version. Procedural macros and what only builds use are not counted: they are in no program. Each
crate of others is resolved without the rest of its bench, with the versions of its lock file and the features of its manifest.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "crates" / "portcullis" / "docs" / "dependencies.md"
# The counts differ between systems.
TARGET = "x86_64-unknown-linux-gnu"
LIMIT_OF_CORE = 45

CORE = "`portcullis`, no features"
OURS = {
    CORE: ["--package=portcullis", "--no-default-features"],
    "`portcullis`": ["--package=portcullis"],
    "`portcullis-axum`": ["--package=portcullis-axum"],
    "`portcullis-actix`": ["--package=portcullis-actix"],
}
# The crates of others with keys that are fetched, as the folders of `benches/peers` use them.
PEERS = {
    "oauth-resource-server": ["oauth-resource-server"],
    "jwt-authorizer": ["jwt-authorizer"],
    "axum-jwt-auth": ["axum-jwt-auth"],
    "tower-oauth2-resource-server": ["tower-oauth2-resource-server"],
    "huskarl": ["huskarl-resource-server", "huskarl-reqwest"],
    "jwtk": ["jwtk"],
    "jwks_client_rs": ["jwks_client_rs"],
}


def main(arguments):
    text = DOCUMENT.read_text()
    counts = {name: count(ROOT, ["--locked", *options]) for name, options in OURS.items()}
    complaints = []
    if counts[CORE] > LIMIT_OF_CORE:
        complaints.append(f"{CORE}: {counts[CORE]} crates, more than {LIMIT_OF_CORE}")
    counts |= {", ".join(f"`{name}`" for name in names): count_peer(folder, names) for folder, names in PEERS.items()}
    with_counts = replace_table(text, counts)
    if arguments == ["renew"]:
        DOCUMENT.write_text(with_counts)
    elif with_counts != text:
        complaints.append("the table of counts is out of date: run python3 .ci/dependencies.py renew")
    used, listed = direct_dependencies(), listed_dependencies(text)
    complaints += compare(used, listed)
    print(f"{counts[CORE]} crates in the core without features, {len(counts)} crates counted, {len(used)} direct dependencies")
    for complaint in complaints:
        print(f"{DOCUMENT.relative_to(ROOT)}: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def count(folder, options):
    """Returns the number of crates in a program that uses the package: the package and all that it depends on."""
    command = ["cargo", "tree", "--edges=normal,no-proc-macro", "--prefix=none", "--format={p}", f"--target={TARGET}", *options]
    tree = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout
    crates = {tuple(line.split()[:2]) for line in tree.splitlines() if line.strip()}
    if len(crates) < 10:
        sys.exit(f"{command}: no dependencies found")
    return len(crates)


def count_peer(folder, names):
    bench = ROOT / "benches" / "peers" / folder
    dependencies = tomllib.loads((bench / "Cargo.toml").read_text())["dependencies"]
    with tempfile.TemporaryDirectory() as copy:
        copy = pathlib.Path(copy)
        lines = ["[workspace]", "[package]", 'name = "counted"', 'edition = "2024"', "[dependencies]"]
        for name in names:
            settings = dependencies[name]
            settings = {"version": settings} if isinstance(settings, str) else settings
            members = ", ".join(f"{key} = {json.dumps(value)}" for key, value in settings.items())
            lines.append(f"{name} = {{ {members} }}")
        (copy / "Cargo.toml").write_text("\n".join(lines) + "\n")
        (copy / "src").mkdir()
        (copy / "src" / "lib.rs").touch()
        shutil.copy(bench / "Cargo.lock", copy)
        # The package itself stands for the service, and does not count.
        return count(copy, ["--package=counted"]) - 1


def replace_table(text, counts):
    rows = "".join(f"| {name} | {number} |\n" for name, number in counts.items())
    head = "| with its default features, or as the bench of others uses it | crates |\n|---|---|\n"
    found = re.findall(re.escape(head) + r"(?:\|.*\n)*", text)
    if len(found) != 1:
        sys.exit(f"{DOCUMENT} must have one table that begins:\n{head}")
    return text.replace(found[0], head + rows)


def direct_dependencies():
    """Returns the direct dependencies of the published library crates, with their users. Those on each other do not count."""
    metadata = json.loads(subprocess.run(
        ["cargo", "metadata", "--format-version=1", "--no-deps", "--locked"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout)
    used = {}
    for package in metadata["packages"]:
        is_library = any("lib" in target["kind"] for target in package["targets"])
        if package["publish"] == [] or not is_library:
            continue
        for dependency in package["dependencies"]:
            if dependency["kind"] != "dev" and "path" not in dependency:
                used.setdefault(dependency["name"], set()).add(package["name"])
    return used


def listed_dependencies(text):
    """Returns the rows of the table of direct dependencies: each name with its users."""
    head = "| dependency | of | what for |\n|---|---|---|\n"
    found = re.findall(re.escape(head) + r"((?:\|.*\n)*)", text)
    if len(found) != 1:
        sys.exit(f"{DOCUMENT} must have one table that begins:\n{head}")
    listed = {}
    for row in found[0].splitlines():
        names, users, reason = [cell.strip() for cell in row.strip("|").split("|")]
        if len(reason.split()) < 3:
            sys.exit(f"{DOCUMENT}: the reason for {names} is missing")
        for name in re.findall(r"`([^`]+)`", names):
            if name in listed:
                sys.exit(f"{DOCUMENT}: {name} is in two rows")
            listed[name] = {"portcullis" if user == "core" else f"portcullis-{user}" for user in users.split(", ")}
    return listed


def compare(used, listed):
    complaints = [f"no row for {name}, which {users(used[name])} uses" for name in sorted(used.keys() - listed.keys())]
    complaints += [f"a row for {name}, which no library uses" for name in sorted(listed.keys() - used.keys())]
    complaints += [
        f"the row of {name} names {users(listed[name])}, but its users are {users(used[name])}"
        for name in sorted(used.keys() & listed.keys())
        if used[name] != listed[name]
    ]
    return complaints


def users(names):
    return ", ".join(sorted(names))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["renew"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
