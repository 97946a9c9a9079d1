#!/bin/sh
# Last stage of every service's image: removes the programs that install or build packages, and adds
# the user that the service runs as (10001, so that the owner of a volume is the same on every
# host).
set -eu
python3 - <<'PY'
import importlib.util, pathlib, shutil, sys

for name in ("ensurepip", "idlelib", "pip", "setuptools", "wheel", "pkg_resources"):
    found = importlib.util.find_spec(name)
    for place in (found.submodule_search_locations or []) if found else []:
        folder = pathlib.Path(place)
        shutil.rmtree(folder)
        for record in folder.parent.glob(f"{name}-*.dist-info"):
            shutil.rmtree(record)
for folder in {pathlib.Path(sys.prefix, "bin"), pathlib.Path("/usr/local/bin"), pathlib.Path("/usr/bin")}:
    for pattern in ("pip", "pip3*", "idle*", "pydoc*", "python*-config"):
        for program in folder.glob(pattern):
            program.unlink()
PY
groupadd --gid 10001 sysndd
useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sysndd
