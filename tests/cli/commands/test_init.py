"""``ssmi-cli init`` at the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TRAIN = "王 B-NAME\n明 E-NAME\n在 O\n"


def test_init_takes_files_after_data_and_prints_the_next_step(fresh_project: Any, tmp_path: Path) -> None:
    for name in ("train.bmes", "test.bmes"):
        (tmp_path / name).write_text(TRAIN, encoding="utf-8")
    new = tmp_path / "new folder"
    outcome = fresh_project.ssmi("init", str(new), "--data", str(tmp_path / "train.bmes"), str(tmp_path / "test.bmes"))
    assert outcome.code == 0, outcome.stderr
    assert outcome.stdout.splitlines() == [
        f"{new}: a project with the data set 'new folder'",
        f"  next: cd '{new}' && ssmi-cli data check; README.md there lists the next steps",
    ]
    assert {path.name for path in (new / "data" / "new folder").iterdir()} == {"train.bmes", "test.bmes"}


def test_init_without_files_prints_where_they_belong(fresh_project: Any, tmp_path: Path) -> None:
    outcome = fresh_project.ssmi("init", str(tmp_path / "new"), "--name", "weibo2")
    assert outcome.code == 0, outcome.stderr
    assert f"into {tmp_path / 'new' / 'data' / 'weibo2'}" in outcome.stdout


def test_init_refuses_with_the_documented_exit_codes(fresh_project: Any, tmp_path: Path) -> None:
    bad = tmp_path / "train.bmes"
    bad.write_text("我 O\n在 B-\n", encoding="utf-8")
    codes = {
        2: ("init", str(fresh_project.root)),
        3: ("init", str(tmp_path / "new"), "--data", str(bad)),
        4: ("init", str(tmp_path / "new"), "--data", str(tmp_path / "absent.bmes")),
    }
    for code, arguments in codes.items():
        outcome = fresh_project.ssmi(*arguments)
        assert outcome.code == code and "next: " in outcome.stderr, outcome
    assert not (tmp_path / "new").exists()
