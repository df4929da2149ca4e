"""A real S3 server (SeaweedFS) on free loopback ports."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from mediareview.s3 import s3_client
from mediareview.settings import Settings

KEY, SECRET = "tester", "not-a-secret"  # of a server that lives as long as the tests


def free_ports(count: int) -> list[int]:
    """Return ports of which each and each + 10000 (SeaweedFS's gRPC) are free."""
    found: list[int] = []
    candidate = 20_000 + os.getpid() % 5_000
    while len(found) < count:
        candidate += 1
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", candidate))
                two.bind(("127.0.0.1", candidate + 10_000))
            except OSError:
                continue
        found.append(candidate)
    return found


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings that point to a running S3 server, with no bucket yet."""
    directory = tmp_path_factory.mktemp("s3")
    master, volume, filer, port = free_ports(4)
    identity = {
        "name": KEY,
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
    command = [
        str(Path(sys.executable).with_name("weed")), "server", "-s3", f"-dir={directory}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
        f"-s3.port={port}", f"-s3.config={directory / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-volume.max=300", "-master.volumeSizeLimitMB=64",
    ]  # fmt: skip
    settings = Settings(
        home=directory / "home",
        lake_url="s3://lake-bucket/tables",
        s3_endpoint_url=f"http://127.0.0.1:{port}",
        s3_access_key_id=KEY,
        s3_secret_access_key=SECRET,  # type: ignore[arg-type]
    )
    # Without a key of its own SeaweedFS accepts a bucket's encryption, and then no object.
    environment = {**os.environ, "WEED_S3_SSE_KEY": SECRET}
    with (
        (directory / "weed.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment) as server,
    ):
        try:
            wait_until_it_answers(settings, server, directory / "weed.log")
            yield settings
        finally:
            server.kill()  # a graceful stop takes half a minute, and nothing of it is kept


def wait_until_it_answers(
    settings: Settings, server: subprocess.Popen[bytes], log: Path, timeout_s: float = 60
) -> None:
    client = s3_client(settings)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            client.list_buckets()
            return
        except (BotoCoreError, ClientError):
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"SeaweedFS did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.2)
