"""What `make build` made, as a table: each bootstrap's size, and that of a zip of it."""

import io
import pathlib
import sys
import zipfile


def zipped(file):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zip_file:
        zip_file.write(file, "bootstrap")
    return len(archive.getvalue())


def main(out, archs, functions):
    print(f"{'function':<14}{'architecture':<14}{'MB':>6}{'zip MB':>8}")
    for arch in archs.split():
        for function in functions.split():
            file = pathlib.Path(out, arch, function, "bootstrap")
            print(f"{function:<14}{arch:<14}{file.stat().st_size / 1e6:>6.2f}{zipped(file) / 1e6:>8.2f}")


main(*sys.argv[1:])
