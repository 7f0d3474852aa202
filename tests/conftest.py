"""A tiny complete project (raw text, vectors, encoder, params.yaml), built once per session in a temporary folder."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from ruamel.yaml import YAML

from ssmi.pipeline.contract.labels import Span, spans_to_tags
from ssmi.pipeline.contract.manifest import MANIFEST_NAME, describe_files
from ssmi.pipeline.contract.storage.digests import SEAL, seal
from ssmi.pipeline.readers import read_sentences

REPOSITORY = Path(__file__).parents[1]
SAMPLE = REPOSITORY / "pipeline" / "readers" / "sample"
WIDTH, DIMENSIONS, POSITIONS = 32, 8, 64
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
UNKNOWN_TO_THE_ENCODER = "😀"
TAGGING_RATES = {"lr_encoder": 0.002, "lr_boundaries": 0.001, "lr_crf": 0.01, "lr_new": 0.005}
TAGGING = (
    "-S",
    "train.epochs=24",
    *(word for name, rate in TAGGING_RATES.items() for word in ("-S", f"train.{name}={rate}")),
)

Gold = tuple[tuple[str, ...], tuple[Span, ...]]


# Time limits of examples would fail on a busy machine.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


def pytest_configure(config: pytest.Config) -> None:
    """Handle SIGINT even if the parent process ignores it, because the programs that tests start inherit this."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--write-golden``, used by ``make golden``; nothing else writes golden numbers."""
    parser.addoption("--write-golden", action="store_true", help="write tests/golden anew before comparing")


@dataclass(frozen=True)
class Outcome:
    """Result of a command: its exit code and output."""

    code: int
    stdout: str
    stderr: str

    @property
    def states(self) -> dict[str, str]:
        """Mapping from stage to ``built`` or ``current``, as printed by ``features build``."""
        return {line.split()[0]: line.split()[1] for line in self.stdout.splitlines()}

    @property
    def built(self) -> set[str]:
        return {stage for stage, state in self.states.items() if state == "built"}


@dataclass(frozen=True)
class Project:
    """A project folder, and the commands to run in it."""

    root: Path
    environment: Mapping[str, str]

    def ssmi(self, *arguments: str) -> Outcome:
        """Run ssmi-cli through its entry point in this process, so that imports are paid for once."""
        import ssmi.cli.main as program

        stdout, stderr = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["ssmi-cli", "--project", str(self.root), *arguments])
            for name in set(os.environ) - set(self.environment):
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                try:
                    program.main()
                    code = 0
                except SystemExit as stop:
                    code = int(stop.code or 0)
        return Outcome(code, stdout.getvalue(), stderr.getvalue())

    def build(self, *arguments: str) -> Outcome:
        """Run ``features build``, which must succeed."""
        outcome = self.ssmi("features", "build", *arguments)
        assert outcome.code == 0, outcome.stderr
        return outcome

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start ssmi-cli as a separate process in the project folder."""
        return subprocess.Popen(
            [sys.executable, "-m", "ssmi.cli.main", *arguments],
            cwd=self.root,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def process(self, *arguments: str, timeout: float = 1200) -> Outcome:
        """Run ssmi-cli as a separate process."""
        with self.start(*arguments) as process:
            stdout, stderr = process.communicate(timeout=timeout)
        return Outcome(process.returncode, stdout, stderr)

    def set(self, section: str, **values: Any) -> None:
        """Change values in params.yaml."""
        path = self.root / "params.yaml"
        tree = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        tree[section].update(values)
        dump_yaml(tree, path)

    def artifacts(self, *names: str) -> dict[str, str]:
        """Mapping from each file below ``artifacts[/name...]`` to its digest; includes stray temporary files."""
        folder = self.root.joinpath("artifacts", *names)
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in sorted(folder.rglob("*"))
        }

    def raw(self, split: str) -> Path:
        return self.root / "data" / "tiny" / f"{split}.bmes"


def dump_yaml(tree: Mapping[str, Any], path: Path) -> None:
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump(tree, stream)


Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="session")
def reseal() -> Callable[..., None]:
    """Rewrite and seal a manifest, after a change to it, so that the folder's present files count as original."""

    def reseal(folder: Path, change: Change = lambda body: None) -> None:
        body = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        del body[SEAL]
        change(body)
        body["files"] = {name: asdict(entry) for name, entry in describe_files(folder).items()}
        (folder / MANIFEST_NAME).write_text(json.dumps(seal(body)), encoding="utf-8")

    return reseal


@pytest.fixture
def without_nohup() -> Iterator[None]:
    """Give SIGHUP its default action, as at a terminal: under nohup, tests and programs they start would ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, signal.SIG_DFL if before is None else before)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The source tree these tests belong to."""
    return REPOSITORY


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of every command: separate caches, no data folder of this machine, no colours."""
    caches = tmp_path_factory.mktemp("caches")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SSMI_", "DVC_", "GIT_"))}
    return {
        **kept,
        "PATH": str(Path(sys.executable).parent) + os.pathsep + os.environ.get("PATH", ""),
        "SSMI_CACHE": str(caches / "ssmi"),
        "XDG_CACHE_HOME": str(caches / "xdg"),
        "DVC_SITE_CACHE_DIR": str(caches / "dvc"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "NO_COLOR": "1",
    }


@pytest.fixture(scope="session")
def pristine_project(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Project:
    """Everything that a build needs, nothing built. Copy it before writing to it (``project``, ``fresh_project``)."""
    root = tmp_path_factory.mktemp("pristine") / "project"
    splits = _choose_sentences()
    (root / "data" / "tiny").mkdir(parents=True)
    for split, sentences in splits.items():
        (root / "data" / "tiny" / f"{split}.bmes").write_text(_as_bmes(sentences), encoding="utf-8")
    texts = ["".join(characters) for characters, _ in chain(*splits.values())]
    _write_vectors(root / "vectors.txt", texts)
    _write_encoder(root / "encoder", texts)
    tree = YAML(typ="safe").load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    tree["datasets"] = ["tiny"]
    tree["vocab"]["vectors"] = "vectors.txt"
    tree["encoder"]["name"] = "encoder"
    tree["embed"].update(fit_words=100, precompute_words=30)
    tree["train"].update(epochs=2, device="cpu", threads=1, precision="fp32")
    dump_yaml(tree, root / "params.yaml")
    return Project(root, environment)


@pytest.fixture(scope="session")
def built_once(pristine_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project, built serially with its own parameters. Read-only: use ``project`` to change something."""
    project = _copy(pristine_project, tmp_path_factory.mktemp("built"))
    outcome = project.build()
    assert set(outcome.states.values()) == {"built"}
    return project


@pytest.fixture
def project(built_once: Project, tmp_path: Path) -> Project:
    """A built project for one test; nothing in it depends on the original folder."""
    return _copy(built_once, tmp_path)


@pytest.fixture
def fresh_project(pristine_project: Project, tmp_path: Path) -> Project:
    """A project for one test in which nothing is built."""
    return _copy(pristine_project, tmp_path)


@pytest.fixture(scope="session")
def tagging_project(built_once: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project with a run that has learned to find entities. Read-only."""
    project = _copy(built_once, tmp_path_factory.mktemp("tagging"))
    outcome = project.ssmi("train", *TAGGING)
    assert outcome.code == 0, outcome.stderr
    return project


@pytest.fixture(scope="session")
def copy_project() -> Callable[[Project, Path], Project]:
    """Copy a project into an empty folder."""
    return _copy


def _copy(project: Project, parent: Path) -> Project:
    root = parent / "project"
    shutil.copytree(project.root, root)
    return Project(root, project.environment)


# --- raw text -----------------------------------------------------------------------------------------------------


def _choose_sentences() -> dict[str, list[Gold]]:
    """Return 60, 12 and 12 sentences: from the embedded sample, and special cases that it lacks."""
    chosen = {split: _short(split, count) for split, count in (("train", 54), ("dev", 11), ("test", 11))}
    return {
        "train": [*chosen["train"], *_awkward(), _longer_than_any_window(chosen["train"])],
        "dev": [*chosen["dev"], (tuple("疫苗在上海"), (Span(3, 5, "LOC"),))],
        "test": [*chosen["test"], (tuple("只有测试集见过这个"), (Span(2, 5, "TESTED"),))],
    }


def _short(split: str, count: int) -> list[Gold]:
    sentences = read_sentences(SAMPLE / f"{split}.txt")[0]
    short = [(one.characters, one.entities) for one in sentences if len(one.characters) <= 45]
    return short[:: len(short) // count][:count]


def _awkward() -> list[Gold]:
    return [
        (tuple("我 在𠮷野家吃饭😀，真好 吃！"), (Span(3, 6, "ORG"),)),
        (tuple("COVID-19疫苗的研究员在北京"), (Span(15, 17, "LOC"),)),
        (tuple("全角\u3000空格Ａ１\u00a0和数字2005.3"), ()),
        (("好",), ()),
        (tuple("陈"), (Span(0, 1, "NAME"),)),
    ]


def _longer_than_any_window(sentences: Sequence[Gold]) -> Gold:
    """One sentence of over 510 characters, concatenated from short ones."""
    characters: list[str] = []
    spans: list[Span] = []
    for text, entities in sentences:
        if len(characters) > 520:
            break
        spans += [Span(span.start + len(characters), span.end + len(characters), span.label) for span in entities]
        characters += text
    return tuple(characters), tuple(spans)


def _as_bmes(sentences: Iterable[Gold]) -> str:
    blocks = []
    for characters, entities in sentences:
        tags = spans_to_tags(entities, n_characters=len(characters), scheme="BMES")
        blocks.append("".join(f"{character} {tag}\n" for character, tag in zip(characters, tags, strict=True)))
    return "\n".join(blocks)


# --- word vectors and encoder -------------------------------------------------------------------------------------


def _write_vectors(path: Path, texts: Sequence[str]) -> None:
    """Write word2vec text: two of three words of the texts, other words, and rows that a vocabulary drops."""
    import rjieba

    engine = rjieba.Jieba()
    cut = dict.fromkeys(word for text in texts for word in engine.cut(text, True) if len(word) > 1 and word.strip())
    words = [word for index, word in enumerate(cut) if index % 3][:280]
    words += ["𠮷野", "疫苗", "野家吃", "长江大桥", "南京市", "熊猫", "测试集", "这个词有整整十一个汉字", "单"]
    # Some characters need more candidates than a set and its negatives together.
    words += [left + right for left in "公司董事" for right in "大中国人学会业长年生于任"] + ["公司", "董事长"]
    rows = [f"{word} {' '.join(f'{value:.5f}' for value in _vector(word))}" for word in dict.fromkeys(words)]
    rows += [rows[0], "零向量 " + " ".join(["0"] * DIMENSIONS)]
    path.write_text(f"{len(rows)} {DIMENSIONS}\n" + "\n".join(rows) + "\n", encoding="utf-8")


def _vector(word: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a random direction per word; words beginning with 公 or 董 are close together."""
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
    direction = np.random.default_rng(seed).normal(size=DIMENSIONS)
    return direction + 2 if word[0] in "公董" else direction


def _write_encoder(folder: Path, texts: Sequence[str]) -> None:
    """Write a BERT of two layers with random weights and one token per character."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    characters = {letter.lower() for text in texts for letter in text if not letter.isspace()}
    vocabulary = [*SPECIALS, *sorted(characters - set(UNKNOWN_TO_THE_ENCODER))]
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
        initializer_range=0.2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        bert = BertModel(config, add_pooling_layer=False)
    folder.mkdir()
    (folder / "config.json").write_text(bert.config.to_json_string(use_diff=False), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    save_file(bert.state_dict(), folder / "model.safetensors")


# --- encoders of every type ---------------------------------------------------------------------------------------

ENCODER_TYPES = ("bert", "ernie", "electra", "roberta", "xlm-roberta", "roformer", "deberta-v2", "modernbert")


@pytest.fixture(params=ENCODER_TYPES)
def encoder_type(request: pytest.FixtureRequest) -> str:
    """Every supported type of encoder."""
    kind: str = request.param
    return kind


def _class_of_encoder(kind: str) -> tuple[Any, Any, dict[str, Any]]:
    """The config and model classes of transformers for a type, and the settings specific to it."""
    import transformers as hf

    types: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "bert": (hf.BertConfig, hf.BertModel, {}),
        "ernie": (hf.ErnieConfig, hf.ErnieModel, {"use_task_id": True}),
        "electra": (hf.ElectraConfig, hf.ElectraModel, {"embedding_size": 16}),
        "roberta": (hf.RobertaConfig, hf.RobertaModel, {}),
        "xlm-roberta": (hf.XLMRobertaConfig, hf.XLMRobertaModel, {}),
        "roformer": (hf.RoFormerConfig, hf.RoFormerModel, {"embedding_size": 24}),
        "deberta-v2": (
            hf.DebertaV2Config,
            hf.DebertaV2Model,
            {"relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"]}
            | {"share_att_key": True, "norm_rel_ebd": "layer_norm", "position_biased_input": False}
            | {"conv_kernel_size": 3},
        ),
        "modernbert": (
            hf.ModernBertConfig,
            hf.ModernBertModel,
            {"local_attention": 8, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
        ),
    }
    return types[kind]


@pytest.fixture(scope="session")
def write_typed_encoder() -> Callable[..., Any]:
    """Write a tiny random encoder of a type with a vocabulary in vocab.txt; return the model class of transformers.

    It includes what is specific to the type: ERNIE's tasks, narrower embeddings, relative positions, local attention.
    There are more embeddings than tokens, and every weight is large enough to matter.
    """

    def write(folder: Path, kind: str, vocabulary: Sequence[str], *, positions: int = 64, **changes: Any) -> Any:
        import torch

        config_class, model_class, extra = _class_of_encoder(kind)
        sizes = {
            "vocab_size": len(vocabulary) + 3,
            "hidden_size": WIDTH,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 48,
            "max_position_embeddings": positions,
            "pad_token_id": vocabulary.index("[PAD]"),
        }
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(11)
            model = model_class(config_class(**{**sizes, **extra, **changes}))
            for parameter in model.parameters():
                if parameter.ndim > 1 and parameter.requires_grad:
                    parameter.normal_(std=0.3)
        with contextlib.redirect_stderr(io.StringIO()):
            model.save_pretrained(folder)
        (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
        return model_class

    return write


# --- pages of the report ------------------------------------------------------------------------------------------


class PageReader(HTMLParser):
    """A page parsed as by a browser: tags with their attributes, visible text, and the text of the data element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data = ""
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == ("script", {"id": "data", "type": "application/json"}):
            self.data += data
        elif self.tags and self.tags[-1][0] not in ("script", "style"):
            self.text += data


@pytest.fixture(scope="session")
def read_page() -> Callable[[str], PageReader]:
    """Parse a page as a browser does."""
    return PageReader


@pytest.fixture(scope="session")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Open a page with a URL hash; return the document after its scripts ran. Skips without a browser."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        assert "CI" not in os.environ, ".ci/run brings a browser"
        pytest.skip("no chromium, chromium-browser or google-chrome on PATH")
    profile = tmp_path_factory.mktemp("profile")
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []

    def call(file: Path, hash_: str = "", *arguments: str) -> str:
        options = ["--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}", *root]
        completed = subprocess.run(
            [
                browser,
                *options,
                "--virtual-time-budget=3000",
                *(arguments or ("--dump-dom",)),
                f"{file.as_uri()}{hash_}",
            ],
            capture_output=True,
            timeout=1200,
            check=False,
        )
        assert completed.returncode == 0, completed.stderr.decode(errors="replace")
        return completed.stdout.decode("utf-8")

    return call
