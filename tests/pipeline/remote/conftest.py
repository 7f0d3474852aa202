"""Storage of several kinds: a folder, fsspec's memory, and an S3 server on loopback with one bucket per test."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pipeline.remote.machines import Machines

_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
sys.stdin.read()
"""
"""Program of the S3 server. It exits when its standard input is closed, so it ends with the tests in any case."""


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    """Environment variables with the address and keys of a running S3 server: drivers take keys only from there."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin is not None and server.stdout is not None
        yield {
            "AWS_ENDPOINT_URL": server.stdout.readline().strip(),
            "AWS_ACCESS_KEY_ID": "of-a-test",
            "AWS_SECRET_ACCESS_KEY": "very-secret-of-a-test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        server.stdin.close()


_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def make_bucket(s3_environment: dict[str, str]) -> Callable[[], str]:
    """A function that makes a bucket and returns its URL."""

    def make() -> str:
        import boto3

        name = f"bucket-{os.getpid()}-{next(_NUMBERS)}"
        boto3.client(
            "s3",
            endpoint_url=s3_environment["AWS_ENDPOINT_URL"],
            aws_access_key_id=s3_environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=s3_environment["AWS_SECRET_ACCESS_KEY"],
            region_name=s3_environment["AWS_DEFAULT_REGION"],
        ).create_bucket(Bucket=name)
        return f"s3://{name}"

    return make


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for one test only."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SSMI_CACHE", str(folder))
    return folder


@pytest.fixture(params=["file", "memory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, cache_folder: Path) -> str:
    """URL of an empty folder in storage."""
    if request.param == "file":
        return (tmp_path / "storage").as_uri()
    if request.param == "memory":
        return f"memory://storage-{next(_NUMBERS)}/project"
    bucket_url: str = request.getfixturevalue("s3_url")
    return bucket_url


@pytest.fixture
def s3_url(
    s3_environment: dict[str, str],
    make_bucket: Callable[[], str],
    cache_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """URL of an empty folder in a bucket."""
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    return f"{make_bucket()}/some/project"


@pytest.fixture
def machines(tmp_path: Path, environment: dict[str, str], s3_environment: dict[str, str]) -> Iterator[Machines]:
    (tmp_path / "machines").mkdir()
    machines = Machines(tmp_path / "machines", {**environment, **s3_environment})
    try:
        yield machines
    finally:
        for machine in machines.started:
            machine.kill()
