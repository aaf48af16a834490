"""The command line. What is not about processes runs in this one, through `main`."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import bench
from bench import run
from bench.cli.settings import Settings, configured
from bench.records.cell import Entry
from bench.records.sweep import Sweep
from bench.run import main

ROOT = Path(__file__).parents[2]
TINY = ["--budget", "smoke", "--steps", "2", "--hidden", "4", "--lengths", "6", "--wandb", "off"]
EXAMPLES = "tests.support.examples"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in a folder of its own, without anybody's corpora."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def configuration(folder: Path, text: str) -> str:
    (folder / "sweep.toml").write_text(text, "utf-8")
    return "sweep.toml"


# -- bad input: one message, exit code 2 -------------------------------------------------------------------------------

BAD = [
    (["--tasks", "coping"], "unknown task: 'coping'. Did you mean 'copying'? Available: "),
    (["--models", "lstmm"], "unknown model: 'lstmm'. Did you mean 'lstm'? Available: "),
    (["--models", "r,lstm:layer=2"], "unknown option of model lstm: 'layer'. Did you mean 'layers'? Available: "),
    (["--models", "lstm:layers=two"], "model lstm: option 'layers' expects int, got 'two'."),
    (["--models", "rnn:activation=rleu"], "got 'rleu'. Did you mean 'relu'?"),
    (["--models", "lstm:layers"], "write an option as lstm:option=value"),
    (["--models", "lstm:layers=1:layers=2"], "option 'layers' is given twice"),
    (["--models", "no_such_module:Model"], "no module 'no_such_module'"),
    (["--models", "sys:Model"], "no module 'sys' with Python source"),
    (["--models", f"{EXAMPLES}:Meen"], f"unknown class in {EXAMPLES}: 'Meen'. Did you mean 'Mean'?"),
    (["--lenght", "10"], "Unknown option: --lenght. Did you mean --lengths?"),
    (["copying"], "copying"),
    (["--lengths", "3", "--tasks", "ner"], "task ner: length must be at least 4, got 3. Change --lengths."),
    (["--lengths", "0"], "--lengths: input should be greater than or equal to 1, got 0"),
    (["--lengths", "ten"], "--lengths: expected whole numbers separated by commas, got 'ten'"),
    (["--lengths", "1e3"], "--lengths: expected whole numbers separated by commas, got '1e3'"),
    (["--lengths", ""], "--lengths: expected at least one, got an empty list"),
    (["--tasks", ""], "--tasks: expected at least one, got an empty list"),
    (["--models", ","], "--models: expected at least one, got an empty list"),
    (["--seeds", ""], "--seeds: expected at least one, got an empty list"),
    (["--seeds", "-1"], "--seeds: input should be greater than or equal to 0, got -1"),
    (["--learning-rates", "0"], "--learning-rates: input should be greater than 0, got 0.0"),
    (["--learning-rates", "nan"], "--learning-rates: "),
    (
        ["--budget", "quik"],
        "--budget: input should be 'smoke', 'quick', 'study' or 'full', got 'quik'. Did you mean 'quick'?",
    ),
    (["--engine", "locl"], "--engine: input should be 'local' or 'ray', got 'locl'. Did you mean 'local'?"),
    (["--accelerator", "tpu"], "--accelerator: input should be 'auto', 'cpu' or 'gpu', got 'tpu'"),
    (["--steps", "many"], 'Invalid value for --steps: unable to convert "many" into int.'),
    (["--steps", "-1"], "--steps: input should be greater than or equal to 0, got -1"),
    (["--workers", "0"], "--workers: input should be greater than or equal to 1, got 0"),
    (["--timeout", "0"], "--timeout: input should be greater than 0, got 0.0"),
    (["--bptt", "0"], "--bptt: input should be greater than or equal to 1, got 0"),
    (["--checkpoint-every", "-1"], "--checkpoint-every: input should be greater than or equal to 0, got -1.0"),
    (["--checkpoint-every", "nan"], "--checkpoint-every: "),
    (["--checkpoint-every", "60", "--engine", "ray", "--address", "auto"], "--checkpoint-every and --address exclude"),
    (
        ["--clip", "tight"],
        "--clip: expected a number above 0 (of the norm; also norm:NUMBER), value:NUMBER or none, got",
    ),
    (
        ["--clip", "0"],
        "--clip: expected a number above 0 (of the norm; also norm:NUMBER), value:NUMBER or none, got '0'",
    ),
    (
        ["--optimiser", "adamv"],
        "unknown optimiser: 'adamv'. Did you mean 'adam'? Available: adam, adamw, rmsprop, sgd.",
    ),
    (["--optimiser", "sgd:momentun=0.9"], "unknown option of optimiser sgd: 'momentun'. Did you mean 'momentum'?"),
    (["--optimiser", "sgd:momentum=much"], "optimiser sgd: option 'momentum' expects float, got 'much'."),
    (["--optimiser", "sgd:momentum=0.9:x"], "--optimiser: cannot read option 'x'"),
    (["--optimiser", "torch.optim:Adam"], "unknown optimiser: 'torch.optim:Adam'"),
    (["--schedule", "cosin"], "unknown schedule: 'cosin'. Did you mean 'cosine'?"),
    (["--schedule", "cosine:warmup=0.1"], "unknown option of schedule cosine: 'warmup'. Did you mean 'warm_up'?"),
    (["--penalty", "pascal"], "unknown penalty: 'pascal'. Did you mean 'pascanu'?"),
    (["--penalty", "pascanu", "--bptt", "5"], "--penalty and --bptt exclude each other"),
    (
        ["--train-lengths", "uniforn"],
        "--train-lengths: input should be 'fixed' or 'uniform', got 'uniforn'. Did you mean",
    ),
    (["--stop", "newer"], "--stop: input should be 'solved' or 'never', got 'newer'. Did you mean 'never'?"),
    (["--hidden", "8", "--parameters", "100"], "--parameters and --hidden exclude each other"),
    (["--steps"], "--steps requires an argument"),
    (["--config", "missing.toml"], "cannot read the configuration missing.toml: No such file or directory"),
    (["--config", "."], "cannot read the configuration .: Is a directory"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(arguments) for arguments, _ in BAD])
def test_bad_input_is_one_message_and_exit_code_2(
    arguments: list[str], message: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--dry-run"]) == 2
    one_message(capsys, message)
    assert list(elsewhere.iterdir()) == [], "nothing was written"


def one_message(capsys: pytest.CaptureFixture[str], message: str) -> None:
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("bench.run: ")
    assert error.count("\n") == 1, error
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('lenghts = "10"', "unknown key 'lenghts' in the configuration. Did you mean 'lengths'?"),
        ("zzz = 1", "unknown key 'zzz' in the configuration. Known: "),
        ("retry-failed = true\nretry_failed = false", "gives retry-failed and retry_failed: give one of the two"),
        (f"# {'x' * 2**20}", "the configuration sweep.toml holds more than 1,048,576 bytes: expected keys and values"),
        ("dry_run = true", "unknown key 'dry_run' in the configuration"),
        ("lengths = [10", "the configuration sweep.toml is not valid TOML: "),
        ("lengths = []", "--lengths: expected at least one, got an empty list"),
        ('steps = "5"', "--steps: input should be a valid integer, got '5'"),
        ("retry_failed = 1", "--retry-failed: input should be a valid boolean, got 1"),
        ("clip = true", "--clip: expected a number above 0 (of the norm; also norm:NUMBER), value:NUMBER or none, got"),
        ('optimiser = "adamv"', "unknown optimiser: 'adamv'. Did you mean 'adam'?"),
        ("optimiser = 3", "--optimiser: input should be a valid string, got 3"),
        ("tasks = [3]", "--tasks: expected an entry as text, or a table with its name, got 3"),
        ("tasks = 3", "--tasks: "),
        ('models = [{name = "lstm", layers = "2x"}]', "model lstm: option 'layers' expects int, got '2x'."),
        ('models = [{name = "lstm", layers = 2.0}]', "model lstm: option 'layers' expects int, got '2.0'."),
        ('models = [{name = "lstm", layer = 2}]', "Did you mean 'layers'?"),
        ('models = [{nam = "lstm"}]', "expected an entry as text, or a table with its name, got {'nam': 'lstm'}"),
        ('models = [{name = "lstm", layers = {a = 1}}]', "--models: option 'layers' expects a number, text, true"),
    ],
)
def test_bad_configurations(text: str, message: str, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", configuration(elsewhere, text), "--dry-run"]) == 2
    one_message(capsys, message)


def test_a_configuration_that_is_no_text(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "sweep.toml").write_bytes(b"\xff\xfe\x00")
    assert main(["--config", "sweep.toml", "--dry-run"]) == 2
    one_message(capsys, "the configuration sweep.toml is not valid TOML")


def test_a_configuration_without_an_end(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", "/dev/zero", "--dry-run"]) == 2
    one_message(capsys, "the configuration /dev/zero holds more than 1,048,576 bytes")


def test_a_folder_that_was_removed(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = elsewhere / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main([*TINY, "--store", str(elsewhere / "results")]) == 2
    one_message(capsys, "the folder that this command runs in was removed. Go to another one (cd)")
    monkeypatch.chdir(elsewhere)


def test_a_store_that_is_a_file(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "results").write_text("mine")
    assert main(TINY) == 2
    one_message(capsys, "cannot write the store results: Not a directory. Give a writable folder with --store.")
    assert (elsewhere / "results").read_text() == "mine"


def test_a_store_below_a_file(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (elsewhere / "file").write_text("mine")
    assert main([*TINY, "--store", "file/results"]) == 2
    one_message(capsys, "cannot write the store file/results: Not a directory.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "char_lm:corpus=missing.txt"], "corpus 'missing.txt': there is no file"),
        (["--tasks", "char_lm:corpus=shakespear"], "did you mean shakespeare?"),
        (["--tasks", "char_lm:corpus=litbank"], "litbank"),
        (["--tasks", "char_lm", "--data", "missing"], "the data folder missing does not exist: correct --data"),
    ],
)
def test_a_corpus_that_cannot_be_used(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, *arguments]) == 2
    one_message(capsys, message)


def test_a_corpus_with_the_wrong_hash(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tasks.corpora.resolving import KNOWN

    (path,) = KNOWN["shakespeare"].paths(elsewhere)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("To be, or not to be")
    assert main([*TINY, "--tasks", "char_lm", "--data", str(elsewhere)]) == 2
    one_message(capsys, f"{path}: expected sha256 ")


# -- configurations ----------------------------------------------------------------------------------------------------


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*arguments, "--print-config"]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    return out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--lengths", "10,20", "--seeds", "0,1", "--learning-rates", "3e-3,1e-05", "--budget", "full"],
        ["--tasks", "copy,adding:marks=early", "--models", f"rnn:activation=relu:layers=2,{EXAMPLES}:Mean:bias=false"],
        ["--clip", "none", "--steps", "0", "--batch-size", "3", "--hidden", "4"],
        ["--clip", "0.25", "--parameters", "500"],
        ["--clip", "norm:2", "--bptt", "3"],
        ["--clip", "value:0.5", "--optimiser", "adamw:weight_decay=0.1", "--schedule", "cosine:warm_up=0.05"],
        ["--penalty", "pascanu:weight=2.0", "--train-lengths", "uniform", "--stop", "never"],
        ["--store", 'a "quoted" 😀\\path', "--data", "d", "--timeout", "1.5", "--workers", "3", "--retry-failed"],
    ],
    ids=" ".join,
)
def test_what_is_printed_configures_the_same(
    arguments: list[str], elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(arguments, capsys)
    given: dict[str, Any] = {}
    for name, value in zip(arguments[::2], [*arguments[1::2], True], strict=False):
        field = name.removeprefix("--").replace("-", "_")
        given[field] = KINDS.get(field, lambda value: value)(value)
    assert configured(tomllib.loads(text)) == configured(given)
    assert printed(["--config", configuration(elsewhere, text)], capsys) == text


KINDS: dict[str, Any] = {
    "steps": int, "batch_size": int, "hidden": int, "parameters": int, "workers": int, "timeout": float, "bptt": int,
}  # fmt: skip


def test_values_that_hold_separators_survive_printing(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'tasks = ["adding", {name = "char_lm", corpus = "C:/a,b.txt"}]\n'
    out = printed(["--config", configuration(elsewhere, text)], capsys)
    sweep, _ = configured(tomllib.loads(out))
    assert sweep.tasks == (Entry("adding"), Entry("char_lm", (("corpus", "C:/a,b.txt"),)))


def test_flags_win_over_a_configuration(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'lengths = [5, 6]\nbatch-size = 3\nmodels = "gru"\nretry-failed = true\nclip = "none"\n'
    path = configuration(elsewhere, text)
    sweep, settings = configured(tomllib.loads(printed(["--config", path, "--lengths", "7", "--clip", "2"], capsys)))
    assert (sweep.lengths, sweep.batch_size, sweep.clip) == ((7,), 3, 2.0)
    assert sweep.models == (Entry("gru"),)
    assert settings.retry_failed


def test_the_defaults_of_the_command_line_are_those_of_the_sweep() -> None:
    assert configured({}) == (Sweep(), Settings())


def test_an_import_path_and_a_prefix_are_entries_like_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TINY, "--tasks", "copy", "--models", f"tr,{EXAMPLES}:Mean", "--dry-run"]) == 0
    out, _ = capsys.readouterr()
    assert out.splitlines()[:2] == [
        f"copying / transformer / T6 / seed 0 / rate {catalog_rate('transformer'):g}: 2 steps × 8 sequences",
        f"copying / {EXAMPLES}:Mean / T6 / seed 0 / rate 0.05: 2 steps × 8 sequences",
    ]
    assert out.splitlines()[2].startswith("2 cells, roughly ")


def catalog_rate(name: str) -> float:
    from bench import catalog

    return catalog.card("model", name).documented_learning_rate


def test_the_number_of_workers_is_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for system in ("Linux", "Darwin"):
        monkeypatch.setattr("platform.system", lambda system=system: system)
        assert run.workers_of(Settings(workers=7)) == 7
        assert run.workers_of(Settings()) >= 1


# -- a whole sweep -----------------------------------------------------------------------------------------------------


def test_a_sweep_from_command_line_to_table(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two cells that work, one that diverges, one that fails: the exit code, the store, the table, and again."""
    works = [*TINY, "--tasks", "adding", "--models", f"{EXAMPLES}:Mean,{EXAMPLES}:Diverges:healthy=0", "--workers", "1"]
    assert main(works) == 0
    out, error = capsys.readouterr()
    assert error == ""
    assert "2 cells: 0 stored, 2 to run on 1 workers" in out
    assert "[2/2] adding / " in out
    assert "diverged" in out
    assert "\x1b" not in out

    fails = [*works[:-4], "--models", f"{EXAMPLES}:Mean,{EXAMPLES}:Raises", "--workers", "1"]
    assert main(fails) == 1
    out, error = capsys.readouterr()
    assert error == ""
    assert "2 cells: 1 stored, 1 to run on 1 workers" in out
    assert "ZeroDivisionError: on purpose" in out
    end = out.splitlines()[-6:]
    assert any(re.fullmatch(r" {6}examples\.py:\d+ in \w+", line) for line in end), "the place of the error, whole"
    assert end[-3] == "1 cell failed: --retry-failed runs failed cells again."
    assert end[-1] == "For figures and a page to open in a browser: python -m reports results"

    assert main(works) == 0
    assert main(fails) == 1
    out, error = capsys.readouterr()
    assert "to run on" not in out, "nothing was left to run"
    frame = bench.load("results")
    assert sorted(frame["status"]) == ["diverged", "error", "ok"]
    assert set(frame["hidden"].dropna()) == {4}
    assert len(list((elsewhere / "results" / "weights").iterdir())) == 2


def test_a_sweep_without_training_ends_in_verdicts(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    untrained = ["--budget", "smoke", "--steps", "0", *TINY[4:]]
    assert main([*untrained, "--tasks", "adding", "--models", "rnn", "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "adding · gradient flow of the answer" in out
    assert "verdict" in out
    assert "untrained" not in out
    assert out.splitlines()[-1].endswith("python -m reports results")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "lstm:layers=0"], "layers"),
        (["--models", "lstm", "--parameters", "3"], "--parameters 3"),
        (["--tasks", "ner:corpus=generated", "--lengths", "5,12"], "at least"),
        (["--models", f"{EXAMPLES}:NoModel"], "must be a subclass of models.base.SequenceModel"),
    ],
)
def test_what_only_building_can_find_is_one_message_too(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """These come from a worker process; here its work is done in this one."""
    from bench.engines.local import LocalEngine
    from bench.trial import build

    monkeypatch.setattr(LocalEngine, "check", lambda self, jobs: build.check(jobs))
    rest = ["--budget", "smoke", "--tasks", "adding", "--lengths", "6", "--models", "rnn"]
    given = {arguments[i] for i in range(0, len(arguments), 2)}
    kept = [part for i in range(0, len(rest), 2) if rest[i] not in given for part in rest[i : i + 2]]
    assert main([*kept, *arguments]) == 2
    one_message(capsys, message)
    assert len(bench.load("results")) == 0


# -- processes ---------------------------------------------------------------------------------------------------------

HEAVY = ("torch", "lightning", "pandas", "numpy", "torchmetrics", "safetensors")
WITHOUT = """
import sys
from bench.run import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
heavy = [name for name in {heavy!r} if name in sys.modules]
sys.exit(f"exit code {{code}}, loaded {{heavy}}" if code or heavy else 0)
"""


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment: dict[str, Any] = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(cwd)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--dry-run"], ["--print-config"], ["--dry-run", "--models", f"{EXAMPLES}:Mean:bias=false"]],
    ids=" ".join,
)
def test_looking_loads_no_heavy_library(arguments: list[str], elsewhere: Path) -> None:
    done = python("-c", WITHOUT.format(heavy=HEAVY), *arguments, cwd=elsewhere)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_rerun_with_nothing_to_do_loads_no_heavy_library(elsewhere: Path) -> None:
    from bench.runner.plan import plan
    from bench.store import Store
    from tests.support.factories import a_result

    sweep, _ = configured({"tasks": "adding", "models": "rnn", "lengths": "6"})
    store = Store(elsewhere / "results", create=True)
    for planned in plan(sweep):
        store.publish(a_result(planned.cell))
    done = python(
        "-c", WITHOUT.format(heavy=("torch", "lightning", "pandas", "torchmetrics")),
        "--tasks", "adding", "--models", "rnn", "--lengths", "6", cwd=elsewhere,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "Results are in results" in done.stdout


def test_the_module_is_the_command(elsewhere: Path) -> None:
    done = python("-m", "bench.run", "--tasks", "coping", cwd=elsewhere)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bench.run: unknown task: 'coping'. Did you mean 'copying'?")
    assert done.stderr.count("\n") == 1
