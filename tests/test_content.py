"""Placeholders are told from files that are there."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from placeholders import PLACEHOLDERS, lfs

from sct_deepseg_general.content import check_content, missing_content
from sct_deepseg_general.errors import ImageError, MissingContentError


@pytest.mark.parametrize("kind", PLACEHOLDERS)
def test_a_placeholder_says_how_to_get_the_content(kind: str, tmp_path: Path) -> None:
    make, said = PLACEHOLDERS[kind]
    path = tmp_path / "t2.nii.gz"
    make(path)
    assert said in missing_content(path)
    with pytest.raises(MissingContentError, match=r"t2\.nii\.gz: ") as caught:
        check_content(path)
    assert isinstance(caught.value, ImageError)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html>\n<html>",
        b"\xef\xbb\xbf\n<HTML lang='en'>",
        b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD">',
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    ],
)
def test_the_answer_of_a_server_is_no_content(page: bytes, tmp_path: Path) -> None:
    (tmp_path / "t2.nii.gz").write_bytes(page)
    assert "web page" in missing_content(tmp_path / "t2.nii.gz")


def test_a_link_to_a_placeholder_is_one(tmp_path: Path) -> None:
    lfs(tmp_path / "there.nii.gz")
    (tmp_path / "t2.nii.gz").symlink_to("there.nii.gz")
    assert "git lfs pull" in missing_content(tmp_path / "t2.nii.gz")


def test_what_is_there_is_not_missing(tmp_path: Path) -> None:
    contents = {
        "image.nii.gz": gzip.compress(bytes(100)),
        "plain.nii": bytes(348),
        "long.txt": b"/annex/objects/" + bytes(40_000),
        "list.txt": b"# images below /data/annex/objects/\nsub-01_T2w.nii.gz\n",
        "page.txt": b"a < b\n<html>",
        "network.xml": b'<?xml version="1.0"?>\n<net name="Model0" version="11">\n',
        "tags.txt": b"<errors>none</errors>",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert missing_content(tmp_path / name) == "", name
    (tmp_path / "link").symlink_to("image.nii.gz")
    assert missing_content(tmp_path / "link") == ""


def test_a_folder_and_a_file_that_is_not_there_are_left_to_others(tmp_path: Path) -> None:
    assert missing_content(tmp_path) == ""
    assert missing_content(tmp_path / "absent") == ""
    check_content(tmp_path / "absent")
