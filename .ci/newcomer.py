"""Does what the README tells a newcomer, from an empty folder: dependencies, program and tests, as they are printed.

Four users: one on Axum, one on Actix Web, one with a custom key provider, and one with a preset that reads variables. For
each, the tests pass and the server answers on the README's three routes. The crates come from this checkout.
"""

import os
import pathlib
import re
import subprocess
import sys

from server import free_port, status

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM_LINES, TEST_LINES = 24, 30
WORDS_IN_TEN_MINUTES = 2400
ANSWERS = {"/public": 200, "/private": 401, "/messages": 401}
VARIABLES = {"AUTH0_DOMAIN": "tenant.eu.auth0.com", "AUTH0_AUDIENCE": "https://api.example.com"}


def main(target):
    readme = (ROOT / "README.md").read_text()
    words = len(re.sub(r"```.*?```", "", readme, flags=re.DOTALL).split())
    print(f"README.md: {words} words of prose")
    if words > WORDS_IN_TEN_MINUTES:
        sys.exit(f"too long to be read in ten minutes: more than {WORDS_IN_TEN_MINUTES} words")

    manifest, axum, axum_tests = blocks(readme, "axum::serve")
    actix_manifest, actix, actix_tests = blocks(readme, "HttpServer::new")
    _, keys, keys_tests = blocks(readme, "impl KeyProvider for")

    walk(target, "axum", manifest, axum, axum_tests)
    walk(target, "actix", actix_manifest, actix, actix_tests)
    walk(target, "keys", manifest, with_custom_keys(axum, keys), keys_tests)
    walk(target, "variables", manifest, with_variables(axum), axum_tests, VARIABLES)


def blocks(readme, mark):
    """Returns the dependencies, the program with `mark` in it, and the tests of the program."""
    found = re.findall(r"^```(toml|rust)[^\n]*\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    at = [index for index, (language, text) in enumerate(found) if language == "rust" and mark in text]
    if len(at) != 1 or "#[cfg(test)]" not in found[at[0] + 1][1]:
        sys.exit(f"README.md has to have one program with '{mark}', and its tests in the next block of code")
    program, tests = found[at[0]][1], found[at[0] + 1][1]
    manifest = [text for language, text in found[: at[0]] if language == "toml"][-1]
    for name, text, limit in (("program", program, PROGRAM_LINES), ("tests", tests, TEST_LINES)):
        lines = len(text.splitlines())
        print(f"README.md: {lines} lines of {name} with {mark}")
        if lines > limit:
            sys.exit(f"more than {limit}")
    return manifest, program, tests


def with_custom_keys(axum, keys):
    """Returns the service with keys from the custom provider. The adapter re-exports the core, as the README says."""
    axum = edited(axum, r"use portcullis_auth0::Auth0;\n", "")
    axum = edited(axum, r"\bGate, ", "")
    axum = edited(axum, r"Gate::new\(Auth0.*\)", "gate(VaultKeys(HashMap::new()))?")
    return keys.replace("portcullis::", "portcullis_axum::") + "\n" + axum


def with_variables(axum):
    return edited(axum, r"Auth0::new\(.*?\)", "Auth0::from_env()?")


def edited(program, pattern, replacement):
    program, count = re.subn(pattern, replacement, program)
    if count != 1:
        sys.exit(f"the program has to have one match of {pattern}, and has {count}")
    return program


def walk(target, user, manifest, program, tests, variables={}):
    name = f"newcomer-{user}"
    folder = target / "newcomer" / user
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / ".cargo").mkdir(exist_ok=True)
    # A separate workspace, although its folder is in ours.
    package = f'[workspace]\n\n[package]\nname = "{name}"\nedition = "2024"\n\n'
    (folder / "Cargo.toml").write_text(package + from_the_checkout(manifest))
    (folder / ".cargo" / "config.toml").write_text(profile())
    # The versions that are tested, for the crates that both use.
    (folder / "Cargo.lock").write_text((ROOT / "Cargo.lock").read_text())
    port = free_port()
    (folder / "src" / "main.rs").write_text(program.replace("3000", str(port)) + "\n" + tests)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    subprocess.run(["cargo", "test", "--quiet"], cwd=folder, env=environment, check=True)
    subprocess.run(["cargo", "build", "--quiet"], cwd=folder, env=environment, check=True)
    with subprocess.Popen([target / "debug" / name], env={**os.environ, **variables}) as server:
        try:
            for path, expected in ANSWERS.items():
                answered = status(server, f"http://127.0.0.1:{port}{path}")
                print(f"{name} {path}: {answered}")
                if answered != expected:
                    sys.exit(f"and not {expected}")
        finally:
            server.kill()


def profile():
    """Returns the profile of this workspace, so that crates that are already built are used again."""
    manifest = (ROOT / "Cargo.toml").read_text()
    return re.search(r"^\[profile\.dev\].*?(?=^\[profile\.bench)", manifest, re.MULTILINE | re.DOTALL).group()


def from_the_checkout(manifest):
    return re.sub(r'^(portcullis\S*) = "0\.1"$', rf'\1 = {{ path = "{ROOT}/crates/\1" }}', manifest, flags=re.MULTILINE)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())
