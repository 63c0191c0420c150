#!/usr/bin/env python3
"""Breaks the code in each place that mutations.txt names, on a scratch copy, and runs the scenarios of the built-in guests: a mistake
that none of them notices is a hole in the suite. Writes the table of docs/mutations.md; exit code 1 if a mistake survived, 2 if the
list does not fit the code.

    tests/Mutations/run.py            all that have not been noticed since their file last changed; half an hour for the whole list
    tests/Mutations/run.py FILTER     those whose name or file contains this, again
    tests/Mutations/run.py --all      all of them again
    tests/Mutations/run.py --check    only whether the list fits the code and the table the list
"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIST = pathlib.Path(__file__).with_name("mutations.txt")
TABLE = ROOT / "docs/mutations.md"
SCRATCH = ROOT / "artifacts/mutations"
TREE = SCRATCH / "tree"
NOTICED, SURVIVED, NO_BUILD = "noticed", "SURVIVED", "DOES NOT BUILD"

HEAD = """# Mutations

`tests/Mutations/run.py` has made this table: it breaks the code in each of these places on a scratch copy, one at a time, and runs `xensim test scenarios` of the built-in
guests until one fails. The mistakes, as text of the code, are in [mutations.txt](../tests/Mutations/mutations.txt). One that no scenario notices is a hole in the suite.
CI checks that each of them still fits the code and stands here.

"""


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
    """What is wrong with the list: every mistake has a name of its own and a text that stands in its file once."""
    names = [name for name, *_ in mutations]
    yield from (f"{name}: twice in {LIST.name}" for name in sorted({name for name in names if names.count(name) > 1}))
    for name, file, old, new in mutations:
        path = ROOT / file
        count = path.read_text().count(old) if old and path.exists() else 0
        if count != 1:
            yield f"{name}: {'not found' if count == 0 else f'found {count} times'} in {file}: {old}"
        if old == new:
            yield f"{name}: changes nothing"


def stale_rows(mutations):
    """What is wrong with the table: it has the list's mistakes, each noticed by a scenario that is there."""
    rows = [row for row in (cells(line) for line in TABLE.read_text().splitlines()) if len(row) == 4 and row[0] not in ("mistake", "---")]
    listed, shown = [name for name, *_ in mutations], [row[0] for row in rows]
    yield from (f"{TABLE.name} lacks: {name}" for name in listed if name not in shown)
    yield from (f"{TABLE.name} has what the list has not: {name}" for name in shown if name not in listed)
    for name, _, scenario, _ in rows:
        file = re.search(r"\]\(\.\./(\S+)\)", scenario)
        if not file or not (ROOT / file[1]).exists():
            yield f"{TABLE.name}: no scenario notices: {name}"


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []


def run(command, **extra):
    environment = {**os.environ, "XENSIM_GUESTS": str(SCRATCH / "no-guests"), "CI": "", "XENSIM_REQUIRE_GUESTS": "", "UseSharedCompilation": "true"}
    return subprocess.run(command, cwd=TREE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **extra)


def build(*more):
    return run(["dotnet", "build", "src/Simulator", "-c", "Release", "-nologo", "-v", "q", "-p:RunAnalyzers=false", "-p:EnforceCodeStyleInBuild=false",
                "-p:GenerateDocumentationFile=false", "-p:TreatWarningsAsErrors=false", *more])


def test():
    """The suite's output, exit code and results. Fail-fast starts scenarios in order, so that the first that fails is the same every time."""
    program = TREE / "src/Simulator/bin/Release/net10.0/xensim.dll"
    written = SCRATCH / "suite.jsonl"
    written.unlink(missing_ok=True)
    try:
        done = run(["dotnet", str(program), "test", "scenarios", "--fail-fast", "--json", str(written)], timeout=600)
    except subprocess.TimeoutExpired:
        return 1, "no end within ten minutes", []
    results = [json.loads(line) for line in written.read_text().splitlines()] if written.exists() else []
    return done.returncode, done.stdout, results


def verdict():
    code, output, results = test()
    if code == 0:
        return {"verdict": SURVIVED, "scenario": "", "how": ""}
    for result in results:
        if result["verdict"] not in ("passed", "skipped", "not-run"):
            why = [f"{m['keyword']}: {m['text']}" for m in result.get("mismatches") or []] or [f"{result['verdict']}: {result.get('detail', '')}"]
            return {"verdict": NOTICED, "scenario": result["file"], "how": why[0]}
    return {"verdict": NOTICED, "scenario": "", "how": f"exit code {code}: {output.strip().splitlines()[-1] if output.strip() else ''}"}


def tried(file, old, new):
    path = TREE / file
    before = path.read_text()
    path.write_text(before.replace(old, new))
    try:
        built = build("--no-restore")
        return verdict() if built.returncode == 0 else {"verdict": NO_BUILD, "scenario": "", "how": built.stdout.strip().splitlines()[0].replace(f"{TREE}/", "")}
    finally:
        path.write_text(before)


def copy_tree():
    """Copies what has changed and removes what is gone, so that the next build is short."""
    ignored = shutil.ignore_patterns("bin", "obj", "artifacts", ".git", "TestResults", "node_modules")

    def copy(source, target):
        if not os.path.exists(target) or pathlib.Path(source).read_bytes() != pathlib.Path(target).read_bytes():
            shutil.copyfile(source, target)

    shutil.copytree(ROOT, TREE, ignore=ignored, dirs_exist_ok=True, copy_function=copy)
    for path in sorted(p for folder in ("src", "scenarios") for p in (TREE / folder).rglob("*")):
        if path.is_file() and not {"bin", "obj"} & set(path.parts) and not (ROOT / path.relative_to(TREE)).exists():
            path.unlink()


def change(file, old, new):
    """A mistake in its file as that stands now: what has been noticed of it need not be tried again."""
    return hashlib.sha256("\0".join(((TREE / file).read_text(), old, new)).encode()).hexdigest()


def row(name, file, result):
    scenario = result["scenario"]
    link = f"[{scenario.removeprefix('scenarios/').removesuffix('.yaml')}](../{scenario})" if scenario else result["verdict"]
    how = " ".join(result["how"].replace("|", "/").replace("`", "'").split())
    return f"| {name} | `{file.removeprefix('src/')}` | {link} | {'`' + (how if len(how) <= 150 else how[:147] + '…') + '`' if how else ''} |"


def finish(mutations, results, control):
    """Writes the table when all have been tried; whether all are noticed."""
    done = [(name, file, results[name]) for name, file, *_ in mutations if name in results]
    noticed = sum(result["verdict"] == NOTICED for *_, result in done)
    print(f"{noticed} of {len(done)} noticed")
    if len(done) == len(mutations):
        rows = ["| mistake | where | first scenario that fails | what it says |", "|---|---|---|---|", *(row(*one) for one in done)]
        TABLE.write_text(HEAD + f"{noticed} of {len(done)} are noticed. {control}\n\n" + "\n".join(rows) + "\n")
    return noticed == len(done)


def main():
    mutations = read_list()
    only = sys.argv[1] if len(sys.argv) > 1 else None
    wrong = list(misfits(mutations)) + (list(stale_rows(mutations)) if only == "--check" else [])
    if wrong or only == "--check":
        print("\n".join(wrong) or f"{len(mutations)} mutations fit the code, and {TABLE.name} has them")
        return 2 if wrong else 0

    SCRATCH.mkdir(parents=True, exist_ok=True)
    copy_tree()
    built = build()
    code, output, control = test() if built.returncode == 0 else (1, built.stdout, [])
    if code != 0:
        print("the unbroken code does not pass:", output[-2000:])
        return 2
    passed, skipped = (sum(result["verdict"] == said for result in control) for said in ("passed", "skipped"))
    control = f"Unbroken, {passed} scenarios pass; {skipped} that need fetched guests are left out."
    print(control, flush=True)

    kept = SCRATCH / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    for name, file, old, new in mutations:
        known, key = results.get(name, {}), change(file, old, new)
        again = only == "--all" or only and (only in name or only in file)
        if not again and (only or known.get("verdict") == NOTICED and known["change"] == key):
            continue
        results[name] = {**tried(file, old, new), "change": key}
        kept.write_text(json.dumps(results, indent=1))
        print(row(name, file, results[name]), flush=True)

    return 0 if finish(mutations, results, control) else 1


if __name__ == "__main__":
    sys.exit(main())
