"""Answers a question of the gate about the dependency graph: `cargo metadata` on standard input, the question as argument.

published      prints the name of each published crate
libraries      prints the name of each published library crate
features       prints the arguments that build each library crate with no feature and with only one feature, for each
all-features   prints the argument that builds the published crates with all their features
rust-versions  fails where a dependency declares a later rust-version than the workspace's package that uses it
"""

import json
import sys

# It needs CMake and Go, and takes minutes to build: the stage `fips` builds it.
SEPARATE = "fips"


def published(metadata):
    for package in members(metadata):
        if is_published(package):
            print(package["name"])


def libraries(metadata):
    for package in members(metadata):
        if is_published(package) and is_library(package):
            print(package["name"])


def features(metadata):
    for package in members(metadata):
        if not is_published(package) or not is_library(package):
            continue
        bare = f"--package={package['name']} --no-default-features"
        print(bare)
        for feature in sorted(package["features"]):
            if feature not in ("default", SEPARATE):
                print(f"{bare} --features={feature}")


def all_features(metadata):
    names, complaints = [], []
    for package in filter(is_published, members(metadata)):
        features = sorted(set(package["features"]) - {"default", SEPARATE})
        names += [f"{package['name']}/{feature}" for feature in features]
        docs = ((package["metadata"] or {}).get("docs") or {}).get("rs") or {}
        if SEPARATE in package["features"] and sorted(docs.get("features", [])) != features:
            complaints.append(f"{package['name']}: package.metadata.docs.rs must have features = {json.dumps(features)}")
    print(f"--features={','.join(names)}")
    return complaints


def rust_versions(metadata):
    packages = {package["id"]: package for package in metadata["packages"]}
    # Users do not build development dependencies.
    uses = {
        node["id"]: [dep["pkg"] for dep in node["deps"] if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])]
        for node in metadata["resolve"]["nodes"]
    }
    compared = 0
    complaints = []
    for package in members(metadata):
        name, declared = package["name"], package["rust_version"]
        if declared is None:
            complaints.append(f"{name} declares no rust-version")
            continue
        for used in closure(package["id"], uses):
            needed = packages[used]["rust_version"]
            if needed is None:
                continue
            compared += 1
            if version(needed) > version(declared):
                used_name = f"{packages[used]['name']} {packages[used]['version']}"
                complaints.append(f"{name} declares rust-version {declared}, but {used_name} needs {needed}")
    print(f"{compared} declared versions compared")
    if not compared:
        complaints.append("nothing to compare")
    return complaints


def is_published(package):
    return package["publish"] != []


def is_library(package):
    return any("lib" in target["kind"] for target in package["targets"])


def members(metadata):
    ids = set(metadata["workspace_members"])
    return [package for package in metadata["packages"] if package["id"] in ids]


def closure(root, uses):
    seen, open_ = set(), [root]
    while open_:
        for used in uses[open_.pop()]:
            if used not in seen:
                seen.add(used)
                open_.append(used)
    return sorted(seen)


def version(text):
    numbers = [int(number) for number in text.split(".")]
    return numbers + [0] * (3 - len(numbers))


QUESTIONS = {
    "published": published,
    "libraries": libraries,
    "features": features,
    "all-features": all_features,
    "rust-versions": rust_versions,
}

if __name__ == "__main__":
    found = QUESTIONS[sys.argv[1]](json.load(sys.stdin))
    for complaint in found or []:
        print(complaint, file=sys.stderr)
    sys.exit(1 if found else 0)
