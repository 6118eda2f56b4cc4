#!/usr/bin/env python3
"""README.md shows what the commands really print.

    scripts/readme.py           run every command of README.md's console blocks and put its output below it
    scripts/readme.py --check   only compare; numbers may differ (processors round differently), words may not

VECNA names the binary (build/vecna). Commands run in order in a folder of their own beside a link to examples/.
"""

import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def run(line, folder):
    """The output of one `$ vecna ...` line, both streams in one; speed depends on the moment and is left out."""
    vecna = os.environ.get("VECNA", str(ROOT / "build" / "vecna"))
    command = re.sub(r"^vecna\b", f'"{vecna}"', line)
    done = subprocess.run(["bash", "-c", command + " 2>&1" if ">" not in command else command], cwd=folder,
                          capture_output=True, text=True, env=dict(os.environ, NO_COLOR="1"), check=False)
    assert done.returncode in (0, 1, 3), f"{line}\n{done.stdout}{done.stderr}"
    text = re.sub(r", [0-9.]+ s \([0-9,]+ rows/s\)", "", done.stdout)
    return "".join(part.rstrip() + "\n" for part in text.splitlines())


def fill(block, folder):
    commands = [part[2:] for part in block.splitlines() if part.startswith("$ ")]
    return "".join(f"$ {command}\n{run(command, folder)}" for command in commands)


def words(text):
    """Lines with every number masked and every run of blanks one blank."""
    return [re.sub(r"\s+", " ", re.sub(r"[-+]?[0-9][0-9.,e-]*", "#", part)) for part in text.splitlines()]


def main():
    check = "--check" in sys.argv[1:]
    folder = ROOT / "build" / "readme"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "examples").symlink_to(ROOT / "examples")
    old = README.read_text(encoding="utf-8")
    new = BLOCK.sub(lambda block: "```console\n" + fill(block.group(1), folder) + "```", old)
    if not check:
        README.write_text(new, encoding="utf-8")
        return 0
    difference = list(difflib.unified_diff(words(old), words(new), "README.md", "what the commands print", lineterm="", n=0))
    print("\n".join(difference))
    return 1 if difference else 0


if __name__ == "__main__":
    sys.exit(main())
