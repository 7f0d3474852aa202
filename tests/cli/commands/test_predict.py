"""``ssmi-cli predict``: its input, its output, and its messages."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from ssmi.cli.terminal.live import Reading
from ssmi.pipeline.readers import read_sentences

SENTENCE = "吴重阳先生毕业于北京大学，任公司董事长。"
TEXTS = [SENTENCE, "", "   ", "男，汉族，中国国籍\u2028大学本科", "a\tb\x00\x1b[31m😀𠮷", "公司董事长\r中国国籍"]


@pytest.fixture
def predict(tagging_project: Any) -> Callable[..., Any]:
    def call(*arguments: object) -> Any:
        return tagging_project.ssmi("predict", "--device", "cpu", *map(str, arguments))

    return call


@pytest.fixture
def set_stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """A function that sets the bytes on stdin."""
    return lambda data: monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8", newline="\n")
    return path


def parse_rows(outcome: Any) -> list[dict[str, Any]]:
    assert outcome.code == 0, outcome.stderr
    return [json.loads(line) for line in outcome.stdout.removesuffix("\n").split("\n")]


def without_scores(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "entities": [{**entity, "score": None} for entity in row["entities"]]}


# --- rows -------------------------------------------------------------------------------------------------------------


def test_each_line_gives_a_row_with_its_entities(predict: Any, file: Path) -> None:
    rows = parse_rows(predict(file))
    assert [row["text"] for row in rows] == TEXTS
    assert all(list(row) == ["text", "entities"] for row in rows)
    assert rows[0]["entities"] and not rows[1]["entities"] and not rows[2]["entities"]
    for row in rows:
        for entity in row["entities"]:
            assert list(entity) == ["start", "end", "label", "text", "score"]
            assert row["text"][entity["start"] : entity["end"]] == entity["text"]
            assert entity["score"] == round(entity["score"], 6) and 0 <= entity["score"] <= 1
    one_by_one = parse_rows(predict(file, "--batch-chars", 1))
    assert [without_scores(row) for row in one_by_one] == [without_scores(row) for row in rows]


def test_line_ends_and_byte_order_marks_are_removed(predict: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_bytes("\ufeff北京\r\n上海".encode())
    second.write_bytes("\ufeff公司\n\r\n".encode())
    assert [row["text"] for row in parse_rows(predict(first, second))] == ["北京", "上海", "公司", ""]


def test_paragraphs_keep_their_inner_line_ends(predict: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"\n \n{SENTENCE}\r\n男，汉族\r\n\r\n\u3000\n大学\n本科".encode())
    rows = parse_rows(predict(path, "--input", "paragraphs"))
    assert [row["text"] for row in rows] == [f"{SENTENCE}\r\n男，汉族", "大学\n本科"]
    assert rows[0]["entities"]


def test_jsonl_keeps_other_fields_and_any_text(predict: Any, tmp_path: Path) -> None:
    bodies: list[dict[str, Any]] = [
        {"id": 7, "text": SENTENCE, "meta": {"a": [1.5, None]}},
        {"text": "\ud800北京\udfff大学", "id": "\udc00"},
        {"text": "", "entities": "gold"},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n\n".join(map(json.dumps, bodies)), encoding="utf-8")
    rows = parse_rows(predict(path))
    assert [{**row, "entities": None} for row in rows] == [{**body, "entities": None} for body in bodies]
    assert rows[0]["entities"] and rows[2]["entities"] == []
    for form in ("doccano", "label-studio"):
        assert "\ud800北京\udfff大学" in json.dumps(
            parse_rows_or_tasks(predict(path, "--format", form)), ensure_ascii=False
        )


def parse_rows_or_tasks(outcome: Any) -> Any:
    return json.loads(outcome.stdout) if outcome.stdout.startswith("[") else parse_rows(outcome)


def test_stdin_is_tagged(predict: Any, set_stdin: Any) -> None:
    for arguments in ((), ("-",)):
        set_stdin(f"{SENTENCE}\n北京\n".encode())
        assert [row["text"] for row in parse_rows(predict(*arguments))] == [SENTENCE, "北京"]
    set_stdin(b'{"text": "\xe5\x8c\x97", "n": 1}\n')
    assert parse_rows(predict("--input", "jsonl"))[0]["n"] == 1
    set_stdin(b"")
    assert predict().stdout == ""


def test_a_line_of_100_000_characters_is_tagged_to_its_end(predict: Any, tmp_path: Path) -> None:
    text = (SENTENCE * (100_000 // len(SENTENCE) + 1))[:100_000]
    path = tmp_path / "long.txt"
    path.write_text(f"{SENTENCE}\n{text}\n{SENTENCE}\n", encoding="utf-8")
    first, long, last = parse_rows(predict(path))
    assert first == last and long["text"] == text
    assert long["entities"][-1]["end"] > 90_000  # entities are found up to the end
    assert all(text[entity["start"] : entity["end"]] == entity["text"] for entity in long["entities"])
    ends = [(entity["start"], entity["end"]) for entity in long["entities"]]
    assert ends == sorted(ends) and all(a[1] <= b[0] for a, b in pairwise(ends))


def test_lines_before_a_bad_line_are_tagged(predict: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"{SENTENCE}\n北京\n".encode() + b"\xff\n" + "上海\n".encode())
    outcome = predict(path)
    assert outcome.code == 3 and f"{path}:3: not UTF-8 (byte 1 of the line is 0xff" in outcome.stderr
    assert [json.loads(line)["text"] for line in outcome.stdout.splitlines()] == [SENTENCE, "北京"]


@pytest.mark.parametrize("name", ["a.jsonl", "A.JSONL", "a.ndjson"])
def test_json_lines_are_recognised_by_file_name(predict: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"text": "北京", "n": 1}\n', encoding="utf-8")
    (row,) = parse_rows(predict(tmp_path / name))
    assert (row["text"], row["n"]) == ("北京", 1)


def test_tables_and_arrays_are_recognised_by_file_name(predict: Any, tmp_path: Path) -> None:
    table, array = tmp_path / "a.csv", tmp_path / "b.json"
    table.write_bytes(f'id,content\r\n7,"{SENTENCE}"\r\n'.encode("gb18030"))
    array.write_text(json.dumps([{"id": 1, "content": SENTENCE}], ensure_ascii=False), encoding="gb18030")
    rows = parse_rows(predict(table, array, "--field", "content", "--encoding", "gb18030"))
    assert [(row["id"], row["text"]) for row in rows] == [("7", SENTENCE), (1, SENTENCE)]
    assert all(list(row) == ["text", "id", "entities"] and row["entities"] for row in rows)
    outcome = predict(array.rename(tmp_path / "b.txt"), "--encoding", "gb18030")
    assert outcome.code == 3 and "--input json" in outcome.stderr and not outcome.stdout
    outcome = predict(table, "--encoding", "gb18030")
    assert outcome.code == 3 and "'id', 'content'" in outcome.stderr and "--field" in outcome.stderr
    assert predict(table, "--encoding", "klingon").code == 2


def test_labelled_files_are_refused(predict: Any, tagging_project: Any, tmp_path: Path) -> None:
    gold = tagging_project.raw("dev")
    for path in (gold, shutil.copy(gold, tmp_path / "dev.txt")):
        outcome = predict(path)
        assert (outcome.code, outcome.stdout) == (3, "") and f"evaluate --file {path}" in outcome.stderr
    out = tmp_path / "texts.jsonl"
    assert tagging_project.ssmi("data", "convert", str(gold), str(out), "--format", "jsonl").code == 0
    outcome = predict(out)
    assert [row["text"] for row in parse_rows(outcome)] == [entity.text for entity in read_sentences(gold)[0]]
    assert outcome.stderr.count("rows hold entities under 'entities' already") == 1


# --- formats ----------------------------------------------------------------------------------------------------------


def test_doccano_has_the_same_entities(predict: Any, file: Path) -> None:
    expected = [
        {
            "text": row["text"],
            "label": [[entity["start"], entity["end"], entity["label"]] for entity in row["entities"]],
        }
        for row in parse_rows(predict(file))
    ]
    assert parse_rows(predict(file, "--format", "doccano")) == expected


def test_conll_can_be_read_back(predict: Any, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.bmes"
    assert predict(file, "--format", "conll", "--out", out).code == 0
    assert out.read_text(encoding="utf-8").startswith("吴\t")
    expected = [
        (
            row["text"].replace("\r", "\ufffd"),
            [(entity["start"], entity["end"], entity["label"]) for entity in row["entities"]],
        )
        for row in parse_rows(predict(file))
        if row["text"]
    ]
    sentences = read_sentences(out)[0]
    assert [
        ("".join(sentence.characters), [(entity.start, entity.end, entity.label) for entity in sentence.entities])
        for sentence in sentences
    ] == expected


def test_label_studio_has_the_same_entities(predict: Any, file: Path, tmp_path: Path) -> None:
    outcome = predict(file, "--format", "label-studio")
    tasks = json.loads(outcome.stdout)
    assert predict(file, "--format", "label-studio").stdout == outcome.stdout
    for task, row in zip(tasks, parse_rows(predict(file)), strict=True):
        (prediction,) = task["predictions"]
        assert task["data"] == {"text": row["text"]}
        assert prediction["model_version"].startswith("tiny-")
        assert len({region["id"] for region in prediction["result"]}) == len(row["entities"])
        for region, entity in zip(prediction["result"], row["entities"], strict=True):
            assert (region["from_name"], region["to_name"], region["type"]) == ("label", "text", "labels")
            assert region["value"] == {"labels": [entity["label"]], **{k: entity[k] for k in ("start", "end", "text")}}
        if row["entities"]:
            assert prediction["score"] == min(entity["score"] for entity in row["entities"])
    empty = tmp_path / "empty.txt"
    empty.write_bytes(b"\xef\xbb\xbf")
    assert json.loads(predict(empty, "--format", "label-studio").stdout) == []


# --- errors -----------------------------------------------------------------------------------------------------------


BAD_INPUT = {
    "bytes that are not UTF-8": (
        b"\xef\xbb\xbfab\n\xe5\x8c\x97\xff",
        "a.txt",
        ["a.txt:2: not UTF-8 (byte ", "--errors replace"],
    ),
    "a surrogate in UTF-8": (b"ab\xed\xa0\x80", "a.txt", ["a.txt:1: not UTF-8 (byte 3 of the line is 0xed"]),
    "a character cut off": (b"\xe5\x8c\x97\xe5\x8c", "a.txt", ["a.txt:1: not UTF-8 (byte 4 of the line is 0xe5"]),
    "not JSON": (b'{"text": "a"}\n{"text" "b"}\n', "a.jsonl", ["a.jsonl:2: not JSON", "column 9", "--input text"]),
    "not an object": (b'["a"]\n', "a.jsonl", ["a.jsonl:1: an array, not a JSON object"]),
    "no text": (b'\n{"txt": "a"}\n', "a.jsonl", ["a.jsonl:2: no field 'text'"]),
    "a text that is a number": (b'{"text": 3}\n', "a.jsonl", ["a.jsonl:1: 'text' is a number, not text"]),
    "a text that is not a number": (b'{"text": NaN}\n', "a.jsonl", ["a.jsonl:1: 'text' is null, not text"]),
    "deep nesting": (b'{"text": ' + b"[" * 200_000, "a.jsonl", ["a.jsonl:1: not JSON"]),
}


@pytest.mark.parametrize(("name", "before", "after"), [("a.jsonl", "", "\n"), ("a.json", "[", "]")])
def test_numbers_that_json_lacks_become_null_with_a_note(
    predict: Any, tmp_path: Path, name: str, before: str, after: str
) -> None:
    path = tmp_path / name
    path.write_text(
        f'{before}{{"text": "a", "n": NaN, "m": [1.5, -Infinity, {{"x": 1e999}}]}}{after}', encoding="utf-8"
    )
    outcome = predict(path)
    assert outcome.code == 0
    row = json.loads(outcome.stdout, parse_constant=pytest.fail)
    assert (row["n"], row["m"]) == (None, [1.5, None, {"x": None}])
    assert f"{path}: 3 NaN or infinite numbers read as null" in outcome.stderr


@pytest.mark.parametrize("case", sorted(BAD_INPUT))
def test_bad_input_is_reported_with_its_line_and_leaves_no_output(predict: Any, tmp_path: Path, case: str) -> None:
    data, name, expected = BAD_INPUT[case]
    (tmp_path / name).write_bytes(data)
    outcome = predict(tmp_path / name, "--out", tmp_path / "out.jsonl")
    assert outcome.code == 3
    *_, message, advice = outcome.stderr.splitlines()
    assert message.startswith(f"error: {tmp_path}") and advice.startswith("  next: ")
    assert [text for text in expected if text not in message + advice] == []
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_texts_in_lines_that_end_in_carriage_returns_are_tagged_one_by_one(
    predict: Any, tmp_path: Path, set_stdin: Callable[[bytes], None]
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"{SENTENCE}\r\r{SENTENCE}\r".encode())
    rows = parse_rows(predict(path))
    assert [row["text"] for row in rows] == [SENTENCE, "", SENTENCE]
    assert without_scores(rows[0]) == without_scores(rows[2]) and rows[0]["entities"]
    set_stdin(path.read_bytes())
    assert parse_rows(predict("-")) == rows


def test_replaced_characters_are_noted_with_their_number(predict: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("北京\n".encode("gbk") * 3)
    outcome = predict(path, "--errors", "replace")
    n_replaced = outcome.stdout.count("\ufffd")
    assert outcome.code == 0 and f"{path}: {n_replaced} characters read as U+FFFD" in outcome.stderr


def test_a_folder_is_refused_with_the_names_of_its_files(predict: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("北京\n", encoding="utf-8")
    outcome = predict(tmp_path)
    assert outcome.code == 3 and f"next: name the files in it, for example {tmp_path}/*.txt" in outcome.stderr


def test_rows_before_a_bad_line_are_written_and_bad_bytes_can_be_replaced(predict: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"ab\n\xe5\x8c\x97\xff\xe4\xba\xac\n")
    outcome = predict(path, "--batch-chars", 1)
    assert outcome.code == 3 and json.loads(outcome.stdout)["text"] == "ab"
    assert [row["text"] for row in parse_rows(predict(path, "--errors", "replace"))] == ["ab", "北\ufffd京"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--format", "xml"], "'xml' is not one of"),
        (["--batch-chars", "0"], "0 is not in the range"),
        (["--interactive", "--out", "x", "--errors", "replace"], "what is typed, without --errors, --out"),
        (["--run", "x", "--dataset", "tiny"], "give only one of them"),
        (["--out", "nowhere/out.jsonl"], "--out nowhere/out.jsonl: no folder nowhere\n"),
        (["--field", "content"], "plain text has no fields"),
        (["--field", "content", __file__], "plain text has no fields"),
        (["--field", "content", "--input", "paragraphs", __file__], "plain text has no fields"),
        (["--out", f"{__file__}/out.jsonl"], f"{__file__} is not a folder"),
        (["--out", os.devnull], "something is there that is not a file"),
    ],
)
def test_wrong_usage_is_refused(predict: Any, arguments: list[str], expected: str) -> None:
    outcome = predict(*arguments)
    assert outcome.code == 2 and expected in outcome.stderr


def test_input_files_are_not_overwritten(predict: Any, file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    link = tmp_path / "link.txt"
    link.symlink_to(file)
    for out in (file, link):
        outcome = predict(file, "--format", "conll", "--out", out)
        assert outcome.code == 2 and "one of the FILES" in outcome.stderr
        assert file.read_bytes() == before


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs a folder where not even root may write")
def test_an_unwritable_folder_is_reported(predict: Any, file: Path) -> None:
    outcome = predict(file, "--out", "/sys/out.jsonl")
    assert outcome.code == 1 and "/sys/out.jsonl: " in outcome.stderr
    assert "name another place" in outcome.stderr and "--debug" not in outcome.stderr and ".tmp" not in outcome.stderr


def test_weights_that_are_not_finite_are_refused(
    predict: Any, file: Path, tagging_project: Any, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tagging_project.root / "artifacts" / "train" / "tiny", run)
    path = run / "checkpoint" / "model.safetensors"
    tensors = load_file(path)
    tensors["tags.bias"][0] = float("nan")
    save_file(tensors, path)
    files_json = run / "checkpoint" / "files.json"
    digests = json.loads(files_json.read_text(encoding="utf-8"))
    digests[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()  # as after training that diverged
    files_json.write_text(json.dumps(digests), encoding="utf-8")
    outcome = predict(file, "--run", run)
    assert outcome.code == 5 and "not finite numbers" in outcome.stderr and "model.safetensors" in outcome.stderr


def test_missing_input_at_a_terminal_is_refused(predict: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    outcome = predict()
    assert outcome.code == 2 and "nothing is piped in" in outcome.stderr


def test_a_missing_run_is_refused_and_an_unfinished_one_is_reported(
    predict: Any, file: Path, tagging_project: Any, tmp_path: Path
) -> None:
    outcome = predict(file, "--run", tmp_path / "none")
    assert outcome.code == 4 and "no such folder" in outcome.stderr and "ssmi-cli train" in outcome.stderr
    run = tmp_path / "run"
    shutil.copytree(tagging_project.root / "artifacts" / "train" / "tiny", run)
    finished = predict(file, "--run", run)
    assert finished.stderr == ""
    (run / "metrics.json").unlink()
    unfinished = predict(file, "--run", run)
    assert (unfinished.code, unfinished.stdout) == (0, finished.stdout)
    assert "an unfinished run" in unfinished.stderr


# --- interactive use --------------------------------------------------------------------------------------------------


def test_interactive_mode_shows_entities_of_each_line(predict: Any, set_stdin: Any, file: Path) -> None:
    first = parse_rows(predict(file))[0]["entities"][0]
    set_stdin(f"{SENTENCE}\n\n\x1b[2J\u202e公司\n".encode() + b"\xff\n")
    outcome = predict("--interactive")
    assert outcome.code == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    before, after = SENTENCE[: first["start"]], SENTENCE[first["end"]]
    assert lines[0].startswith(f"{before}[{first['text']} {first['label']}]")
    assert after in lines[0]
    assert lines[1].split() == ["label", "text", "start", "end", "score"]
    assert lines[3].split() == [
        *(str(first[name]) for name in ("label", "text", "start", "end")),
        f"{first['score']:.3f}",
    ]
    assert not any(character in outcome.stdout for character in "\x1b\u202e\xff")
    assert "\u241b" in outcome.stdout and "2J\ufffd" in outcome.stdout and lines[-1] == "\ufffd"


class Terminal:
    """A command that runs on its own pseudo-terminal."""

    def __init__(self, project: Any, *arguments: str) -> None:
        self._leader, follower = pty.openpty()
        environment = {**project.environment, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "COLUMNS": "200"}
        del environment["NO_COLOR"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ssmi.cli.main", *arguments],
            cwd=project.root,
            env=environment,
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(follower)

    def __call__(self, keys: str, until: str) -> str:
        """Type keys, read until a pattern appears or the command ends, and return the text that was read."""
        os.write(self._leader, keys.encode())
        output = b""
        while not re.search(until, output.decode(errors="ignore")):
            ready, _, _ = select.select([self._leader], [], [], 600)
            assert ready, output.decode(errors="ignore")
            try:
                output += os.read(self._leader, 65536)
            except OSError:  # on Linux, the other end is closed
                break
        return output.decode(errors="ignore")

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        with self.process:
            self.process.kill()
        os.close(self._leader)


@pytest.fixture
def terminal(tagging_project: Any) -> Iterator[Terminal]:
    with Terminal(tagging_project, "predict", "--device", "cpu", "--interactive") as opened:
        yield opened


def test_a_terminal_shows_a_progress_bar_and_complete_rows(tagging_project: Any, file: Path) -> None:
    with Terminal(tagging_project, "predict", "--device", "cpu", "--batch-chars", "1", str(file)) as terminal:
        shown = terminal("", "never")
        assert terminal.process.wait(timeout=600) == 0
    assert re.search(r"predict .*bytes", shown)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", shown.replace("\r", "\n"))
    rows = [json.loads(line) for line in plain.split("\n") if line.startswith("{")]
    assert [row["text"] for row in rows] == TEXTS


def test_entities_are_coloured_while_a_line_is_typed(predict: Any, file: Path, terminal: Any) -> None:
    first = parse_rows(predict(file))[0]["entities"][0]
    terminal("", ">")
    coloured = rf"\x1b\[[0-9;]*3\d[0-9;]*m{first['text']}"
    shown = terminal(SENTENCE, coloured)  # before Enter is pressed
    assert re.search(coloured, shown), shown
    shown = terminal("\r", rf"{first['score']:.3f}[^>]*>")  # until the next prompt
    assert f"[{first['text']} {first['label']}]" in re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "rror" not in terminal("\x04", "never")
    assert terminal.process.wait(timeout=600) == 0


def test_ctrl_c_ends_interactive_mode(terminal: Any) -> None:
    terminal("", ">")
    assert terminal("北京\x03", "never").endswith("\r\ninterrupted\r\n")
    assert terminal.process.wait(timeout=600) == 130


def test_errors_of_the_tagger_are_raised() -> None:
    def tagger(text: str) -> list[Any]:
        if "!" in text:
            raise ZeroDivisionError(text)
        return []

    notified: list[None] = []
    with Reading(tagger, on_result=lambda: notified.append(None)) as reading:
        assert reading.wait_for_entities("a") == [] and reading.wait_for_entities("") == []
        with pytest.raises(ZeroDivisionError):
            reading.wait_for_entities("a!")
    assert notified


def test_rows_are_written_while_input_is_read(tagging_project: Any) -> None:
    process = tagging_project.start("predict", "--device", "cpu", "--batch-chars", "1", stdin=-1)
    for text in (SENTENCE, "", "北京"):
        process.stdin.write(text + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == text
    process.stdout.close()
    process.stdin.write(f"{SENTENCE}\n" * 3)
    process.stdin.close()
    assert process.wait(600) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
