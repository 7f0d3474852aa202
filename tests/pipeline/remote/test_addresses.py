"""What counts as a storage URL, and which URLs are refused before anything is opened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.remote.addresses import check_url, check_writable, is_url, name_of, scheme_of


@pytest.mark.parametrize("text", ["s3://bucket/folder", "gs://b", "file:///folder", "memory://x", "S3://b", "a+b://c"])
def test_urls_are_recognised(text: str) -> None:
    assert is_url(text) and scheme_of(text) == text.partition(":")[0].lower()
    scheme, _, place = text.partition("://")
    assert check_url(text, what="--storage") == f"{scheme.lower()}://{place}"


@pytest.mark.parametrize(
    "text", ["news", "texts/news", "./s3", "C:\\texts", "/a/b", "~/x", "", "://x", "1://x", "s3:/"]
)
def test_names_and_paths_are_not_urls(text: str) -> None:
    assert not is_url(text)
    with pytest.raises(ParameterError, match=r"--storage .*: not a URL"):
        check_url(text, what="--storage")


@given(st.lists(st.text("abc.-_", min_size=1, max_size=5), min_size=1, max_size=4), st.integers(0, 3))
def test_trailing_slashes_are_ignored(parts: list[str], n: int) -> None:
    url = "s3://bucket/" + "/".join(parts)
    assert check_url(url + "/" * n, what="") == url
    assert name_of(url + "/" * n) == parts[-1]


@pytest.mark.parametrize("url", ["s3://key:hush@host/bucket", "https://me:hush@example.org/x"])
def test_passwords_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_url(url, what="--storage")
    assert "password" in caught.value.message and "environment" in caught.value.next_step
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "query", ["X-Amz-Signature=hush", "a=1&sig=hush&se=2026", "X-Goog-Credential=hush", "access_token=hush", "KEY=hush"]
)
def test_signatures_are_refused_and_not_repeated(query: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_url(f"https://example.org/news.txt?{query}", what="corpus")
    assert "signature or key" in caught.value.message and "hush" not in str(caught.value)
    assert check_url("https://example.org/get?file=news.txt&sign=1", what="corpus").endswith("sign=1")


@pytest.mark.parametrize("url", ["simplecache::s3://bucket/x", "zip://a::file:///b.zip", "s3://[bad/x"])
def test_chained_and_malformed_urls_are_refused(url: str) -> None:
    with pytest.raises(ParameterError):
        check_url(url, what="--storage")


@pytest.mark.parametrize(
    ("url", "step"),
    [
        ("s3://", "s3://BUCKET/FOLDER"),
        ("memory:///", "memory://BUCKET/FOLDER"),
        ("file://", "file:///FOLDER"),
        ("FILE:///", "file:///FOLDER"),
    ],
)
def test_a_url_without_a_folder_is_refused_as_given(url: str, step: str) -> None:
    with pytest.raises(ParameterError) as caught:
        check_url(url, what="--storage")
    assert caught.value.message == f"--storage {url}: names no folder" and caught.value.next_step.endswith(step)


def test_a_relative_file_url_is_refused_with_the_absolute_one() -> None:
    with pytest.raises(ParameterError, match="--storage file://tmp/rel/: not an absolute path") as caught:
        check_url("file://tmp/rel/", what="--storage")
    assert "file:///tmp/rel" in caught.value.next_step


def test_a_website_can_be_read_but_not_written() -> None:
    assert check_url("https://example.org/texts", what="corpus") == "https://example.org/texts"
    with pytest.raises(ParameterError, match="nothing can be written over https"):
        check_writable("https://example.org/x", what="--storage")
    assert check_writable("s3://bucket", what="--storage") == "s3://bucket"
