"""Demo data is fetched once, however many processes want it."""

import hashlib
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from components.ingestion.demo import Package, obtain


def package(directory: Path) -> Package:
    """A package whose archive has been downloaded, so that no registry is asked."""
    archive = directory / "numbers-1.archive"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("data/numbers.csv", "1\n" * 100_000)
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    return Package("wheel", "numbers", "1", checksum, "public domain", ("data/*.csv",))


def test_processes_that_want_it_at_once_all_get_it(tmp_path: Path) -> None:
    wanted = package(tmp_path)
    with ProcessPoolExecutor(4) as pool:
        found = list(pool.map(obtain, [wanted] * 8, [tmp_path] * 8))
    assert {path.name for path in found} == {"numbers-1"}
    assert (found[0] / "numbers.csv").stat().st_size == 200_000
