"""What `make build` made, as a table and as sizes.json beside it: each bootstrap's size, that of a zip of it, and its digest."""

import hashlib
import io
import json
import pathlib
import sys
import zipfile


def zipped(file):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zip_file:
        zip_file.write(file, "bootstrap")
    return len(archive.getvalue())


def main(out, archs, functions):
    sizes = {}
    print(f"{'function':<14}{'architecture':<14}{'MB':>6}{'zip MB':>8}  SHA-256")
    for arch in archs.split():
        for function in functions.split():
            file = pathlib.Path(out, arch, function, "bootstrap")
            sizes.setdefault(arch, {})[function] = [file.stat().st_size, zipped(file)]
            unzipped_mb, zip_mb = (size / 1e6 for size in sizes[arch][function])
            print(f"{function:<14}{arch:<14}{unzipped_mb:>6.2f}{zip_mb:>8.2f}  {hashlib.sha256(file.read_bytes()).hexdigest()}")
    pathlib.Path(out, "sizes.json").write_text(json.dumps(sizes))


main(*sys.argv[1:])
