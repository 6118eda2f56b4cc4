"""`make install` gives what a program needs: headers, both libraries, pkg-config; the README's program builds and runs."""

import os
import pathlib
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = """
#include <stdio.h>
#include <vecna.h>
int main(int argc, char **argv) {
    static float old[8], out[6];
    vecna_map *map = NULL;
    vecna_error err;
    old[0] = 1;
    if (argc < 2 || vecna_map_open(argv[1], NULL, &map, &err) != VECNA_OK)
        return fprintf(stderr, "%s\\n", err.message), 1;
    if (vecna_map_apply(map, vecna_view_dense(old, 1, 8), vecna_matrix_dense(out, 1, 6), NULL, &err) != VECNA_OK)
        return fprintf(stderr, "%s\\n", err.message), 1;
    printf("%s\\n", vecna_version());
    vecna_map_free(map);
    return 0;
}
"""


def shell(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, **more).stdout


def test_an_installed_library_serves_a_program(vecna, tmp_path):
    if not (ROOT / "build" / "libvecna.so").exists():
        pytest.skip("the release build is not there (make)")
    generator = np.random.default_rng(1)
    source = generator.normal(size=(400, 8)).astype("f4")
    np.save(tmp_path / "s.npy", source)
    np.save(tmp_path / "t.npy", source[:, :6] @ np.linalg.qr(generator.normal(size=(6, 6)))[0].astype("f4"))
    vecna("fit", tmp_path / "s.npy", tmp_path / "t.npy", "-o", tmp_path / "m.vecna", status=None)
    prefix = tmp_path / "usr"
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MODE")}
    shell("make", "-s", "install", f"PREFIX={prefix}", cwd=ROOT, env=environment)
    (tmp_path / "app.c").write_text(PROGRAM)
    environment["PKG_CONFIG_PATH"] = str(prefix / "lib" / "pkgconfig")
    flags = shell("pkg-config", "--cflags", "--libs", "vecna", env=environment).split()
    shell("cc", "-std=c11", "-Wall", "-Werror", tmp_path / "app.c", "-o", tmp_path / "app", *flags)
    environment["LD_LIBRARY_PATH"] = str(prefix / "lib")
    assert shell(tmp_path / "app", tmp_path / "m.vecna", env=environment).startswith("0.")
    static = [flag for flag in shell("pkg-config", "--cflags", "--libs", "--static", "vecna", env=environment).split() if flag != "-lvecna"]
    shell("cc", "-std=c11", tmp_path / "app.c", prefix / "lib" / "libvecna.a", "-o", tmp_path / "static", *static)
    del environment["LD_LIBRARY_PATH"]
    assert shell(tmp_path / "static", tmp_path / "m.vecna", env=environment).startswith("0.")
