#!/usr/bin/env python3
"""Breaks the code in each place that mutations.txt names, on a scratch copy, and runs the scenarios: a mistake that none of them
notices is a hole in the suite. Prints a table in Markdown; exit code 1 if one survived, 2 if the list does not fit the code.

    tests/Mutations/run.py [FILTER]
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIST = pathlib.Path(__file__).with_name("mutations.txt")


def read_list():
    mutations = []
    for block in LIST.read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if not lines:
            continue
        old = "\n".join(line[2:] for line in lines[2:] if line.startswith("- "))
        new = "\n".join(line[2:] for line in lines[2:] if line.startswith("+ "))
        mutations.append((lines[0], lines[1], old, new))
    return mutations


def misfits(mutations):
    for name, file, old, _ in mutations:
        path = ROOT / file
        count = path.read_text().count(old) if path.exists() else 0
        # The first place is meant where a line stands in both of two functions.
        if count == 0:
            yield f"{name}: not found in {file}: {old}"


def run(command, folder, **extra):
    environment = {**os.environ, "XENSIM_GUESTS": str(folder / "none"), "CI": "", "XENSIM_REQUIRE_GUESTS": "", "UseSharedCompilation": "true"}
    return subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **extra)


def build(folder):
    return run(["dotnet", "build", "src/Simulator", "-c", "Release", "-nologo", "-v", "q", "-p:RunAnalyzers=false", "-p:EnforceCodeStyleInBuild=false",
                "-p:GenerateDocumentationFile=false", "-p:TreatWarningsAsErrors=false"], folder)


def test(folder):
    program = folder / "src/Simulator/bin/Release/net10.0/xensim.dll"
    try:
        return run(["dotnet", str(program), "test", "scenarios", "--fail-fast", "--jobs", "2"], folder, timeout=600)
    except subprocess.TimeoutExpired:
        return None


def verdict(result):
    if result is None:
        return "noticed", "no end within ten minutes"
    if result.returncode == 0:
        return "SURVIVED", ""
    failed = [line for line in result.stdout.splitlines() if line.lower().startswith(("failed", "failure", "error", "limit", "unimplemented", "stopped"))]
    return "noticed", failed[0][:110] if failed else f"exit code {result.returncode}"


def main():
    mutations = read_list()
    wrong = list(misfits(mutations))
    if wrong:
        print("\n".join(wrong))
        return 2
    if len(sys.argv) > 1:
        mutations = [m for m in mutations if sys.argv[1] in m[0] or sys.argv[1] in m[1]]
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="mutations") as scratch:
        folder = pathlib.Path(scratch) / "tree"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("bin", "obj", "artifacts", ".git"))
        for check in (build(folder), test(folder)):
            if check is None or check.returncode != 0:
                print("the unbroken code does not pass:", check.stdout[-2000:] if check else "no end")
                return 2
        print("| mistake | where | | first scenario that fails |\n|---|---|---|---|")
        for name, file, old, new in mutations:
            path = folder / file
            before = path.read_text()
            path.write_text(before.replace(old, new, 1))
            built = build(folder)
            said, how = verdict(test(folder)) if built.returncode == 0 else ("DOES NOT BUILD", built.stdout.strip().splitlines()[0][-110:])
            path.write_text(before)
            survivors += said != "noticed"
            print(f"| {name} | `{file.removeprefix('src/')}` | {said} | {how.replace('|', '/')} |", flush=True)
    print(f"\n{len(mutations) - survivors} of {len(mutations)} noticed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
