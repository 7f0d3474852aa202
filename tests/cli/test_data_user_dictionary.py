"""``data check`` counts the matches of each user dictionary line; ``features segment`` names malformed lines."""

from __future__ import annotations

import json
from typing import Any


def test_lines_are_counted_and_unmatched_ones_come_first(project: Any) -> None:
    words = "只有测试集见过 1000000\n音·乐 5\n天下无此词语 9\n"
    (project.root / "words.txt").write_text(words, encoding="utf-8")
    project.set("segment", user_dict="words.txt")
    outcome = project.ssmi("data", "check", "--json")
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout)["user_dictionary"] == [
        {"line": 1, "word": "只有测试集见过", "segments": 1, "sentences": 1, "note": ""},
        {"line": 2, "word": "音·乐", "segments": 0, "sentences": 0, "note": "jieba cuts at '·'"},
        {"line": 3, "word": "天下无此词语", "segments": 0, "sentences": 0, "note": ""},
    ]
    table = project.ssmi("data", "check").stdout.partition("User dictionary")[2]
    assert table.index("音·乐") < table.index("天下无此词语") < table.index("只有测试集见过")
    assert "never matched" in table
    outcome = project.ssmi("features", "segment")
    assert outcome.code == 0 and "never matches: words.txt:2 '音·乐' (jieba cuts at '·')" in outcome.stderr
    manifest = project.root / "artifacts" / "segment" / "tiny" / "manifest.json"
    statistics = json.loads(manifest.read_text("utf-8"))["report"]["statistics"]["user_dictionary"]
    assert statistics["lines"] == 3 and statistics["never_match"] == 1 and statistics["stand_twice"] == 0


def test_nothing_is_counted_without_a_user_dictionary(project: Any) -> None:
    outcome = project.ssmi("data", "check", "--json")
    assert outcome.code == 0 and json.loads(outcome.stdout)["user_dictionary"] is None


def test_malformed_lines_fail_both_the_check_and_the_stage(project: Any) -> None:
    (project.root / "words.txt").write_text("云计算平台,99999,n\n好词一二 5\n南北高架 nz 5\n", encoding="utf-8")
    project.set("segment", user_dict="words.txt")
    for command in (("data", "check"), ("features", "segment")):
        outcome = project.ssmi(*command)
        assert outcome.code == 3
        assert "words.txt:1: " in outcome.stderr and "words.txt:3: " in outcome.stderr
        assert "words.txt:2: " not in outcome.stderr
