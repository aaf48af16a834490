"""What goes to W&B, where to, and that W&B's failures stay its own. No network, and no wandb but for one test."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.mirror import login, mirrored, tracking
from bench.records.job import Mirroring
from bench.records.result import Curves, Provenance
from bench.records.row import COLUMNS, row
from tests.support.factories import SHAKESPEARE, a_cell, a_failure, a_flow, a_recipe, a_result
from tests.support.fake_wandb import FakeWandb

KEY = {"WANDB_API_KEY": "k" * 40}


# -- whether, and where to --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "environment", "mode"),
    [
        ("auto", {}, "offline"),
        ("auto", KEY, "online"),
        ("auto", {"WANDB_API_KEY": ""}, "offline"),
        ("auto", {"WANDB_MODE": "online"}, "offline"),
        ("auto", KEY | {"WANDB_MODE": "online"}, "online"),
        ("auto", KEY | {"WANDB_MODE": "offline"}, "offline"),
        ("auto", KEY | {"WANDB_MODE": "dryrun"}, "offline"),
        ("auto", KEY | {"WANDB_MODE": "disabled"}, "off"),
        ("online", KEY | {"WANDB_MODE": "offline"}, "online"),
        ("offline", KEY, "offline"),
        ("off", KEY | {"WANDB_MODE": "online"}, "off"),
    ],
)
def test_where_a_mirror_goes(wish: Any, environment: dict[str, str], mode: str, tmp_path: Path) -> None:
    assert login.resolve(wish, {"NETRC": str(tmp_path / "none")} | environment) == mode


@pytest.mark.parametrize(
    ("content", "server", "expected"),
    [
        ("machine api.wandb.ai\n  login user\n  password secret\n", None, True),
        ("machine api.wandb.ai\n  login user\n  password secret\n", "https://wandb.example.org:8080", False),
        ("machine wandb.example.org\n  login user\n  password secret\n", "https://wandb.example.org:8080", True),
        ("machine api.github.com login user password secret\n", None, False),
        ("this is no netrc file", None, False),
        ("", None, False),
    ],
)
def test_a_login_in_the_netrc_file(content: str, server: str | None, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text(content)
    environment = {"NETRC": str(tmp_path / "netrc")} | ({"WANDB_BASE_URL": server} if server else {})
    assert login.logged_in(environment) is expected


def test_online_without_a_login_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(login.LoginError, match=r"expected a login, found neither .* Run `wandb login`"):
        login.resolve("online", {"NETRC": str(tmp_path / "none")})


def test_an_unknown_mode_is_one_message() -> None:
    with pytest.raises(login.LoginError, match="WANDB_MODE: expected online, offline or disabled, got 'onlin'"):
        login.resolve("auto", {"WANDB_MODE": "onlin"})


def test_wandb_is_imported_only_where_a_mirror_is_opened() -> None:
    program = (
        "import sys, bench.publish, bench.run\nfrom bench.mirror import login, tracking\n"
        "assert tracking.opened(None) is None\n"
        "bench.run.main(['--help'])\n"
        "loaded = {name.partition('.')[0] for name in sys.modules} & {'wandb', 'wandb_workspaces', 'torch'}\n"
        "sys.exit(str(sorted(loaded)) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


# -- what goes there --------------------------------------------------------------------------------------------------


def test_the_identity_of_a_run() -> None:
    cell = a_cell(task="adding:marks=anywhere", model="lstm:layers=2", length=100, seed=3, data=SHAKESPEARE)
    assert mirrored.run_id(cell, 2) == f"{cell.key}-2"
    assert mirrored.group(cell) == "adding:marks=anywhere/lstm:layers=2/T100"
    assert mirrored.tags(cell) == ("adding", "lstm", "T100")
    assert mirrored.config(cell, "feed", 2) == {
        "task": "adding:marks=anywhere",
        "model": "lstm:layers=2",
        "task_option_marks": "anywhere",
        "model_option_layers": 2,
        "length": 100,
        "seed": 3,
        "steps": 20,
        "batch_size": 4,
        "learning_rate": 0.01,
        "clip": 1.0,
        "parameters": 16_000,
        "hidden": None,
        "evaluate_every": 10,
        "probes": 6,
        "recipe_version": 1,
        "bptt": None,
        "optimiser": "adam",
        "schedule": "trapezoid",
        "penalty": None,
        "train_lengths": "fixed",
        "stop": "solved",
        "sequences": None,
        "held_out": None,
        "task_version": 1,
        "model_version": 1,
        "code": None,
        "data": "shakespeare",
        "data_sha256": "ab" * 32,
        "sweep": "feed",
        "cell": cell.key,
        "attempt": 2,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.1", 0.1), ("1e-3", 1e-3), ("-2", -2), ("1+4+16", "1+4+16"), ("nan", "nan"), ("1_0", "1_0"), ("true", "true")],
)
def test_options_that_are_numbers_are_numbers(text: str, value: object) -> None:
    config = mirrored.config(a_cell(model=f"rnn:leak={text}"), "feed", 1)
    assert config["model_option_leak"] == value
    assert type(config["model_option_leak"]) is type(value)


def test_names_that_are_too_long_stay_apart() -> None:
    one, other = (a_cell(model=f"some.module:{'M' * 120}{end}") for end in "AB")
    assert len(mirrored.group(one)) == len(mirrored.name(one)) == 128
    assert mirrored.group(one) != mirrored.group(other)
    assert all(len(tag) <= 64 for tag in mirrored.tags(one))


def test_the_origin_is_flat() -> None:
    provenance = Provenance(
        started="2026-01-01T00:00:00",
        device="cpu",
        platform="Linux",
        python="3.11",
        libraries={"torch": "2.13"},
        threads=1,
        git_commit=None,
        git_dirty=None,
    )
    assert mirrored.origin(a_result(provenance=provenance))["version_torch"] == "2.13"
    assert mirrored.origin(a_result()) == {}


@pytest.mark.parametrize(
    ("task", "what", "name"),
    [
        ("adding", "norm", "gradient/adding/norm"),
        ("ner:hop=2", "parameter/body.0.weight", "gradient/ner_hop=2/parameter/body/0/weight"),
        ("my.package:Task", "norm", "gradient/my_package_Task/norm"),
    ],
)
def test_a_metric_is_named_after_its_task(task: str, what: str, name: str) -> None:
    assert mirrored.metric("gradient", task, what) == name


def test_rows_of_training_are_every_25th_step_however_it_is_cut() -> None:
    losses, norms = [float(s) for s in range(60)], [None if s == 25 else 10.0 * s for s in range(60)]
    parameters = {s: {"head.bias": float(s)} for s in (0, 25, 50)}
    whole = list(mirrored.training_rows("adding", 0, losses, norms, parameters))
    assert [r["step"] for r in whole] == [0, 25, 50]
    assert whole[1] == {"step": 25, "train/adding/loss": 25.0, "gradient/adding/parameter/head/bias": 25.0}
    assert whole[2]["gradient/adding/norm"] == 500.0
    for size in (1, 7, 10, 25):
        cut = [
            r
            for first in range(0, 60, size)
            for r in mirrored.training_rows(
                "adding", first, losses[first : first + size], norms[first : first + size], parameters
            )
        ]
        assert cut == whole


def test_a_profile_is_a_row_per_distance() -> None:
    rows = list(mirrored.profile_rows("adding", "end", a_flow(20)))
    assert [r["profile/distance"] for r in rows] == [0, 1, 2]
    assert rows[1]["profile/adding/end/residual/0"] == -0.5
    assert set(rows[2]) == {"profile/distance"}, "what is null is left out"


def test_the_summary_is_the_row_of_the_data_frame() -> None:
    result = a_result()
    found = mirrored.summary(result)
    assert set(found) <= set(COLUMNS)
    assert {name: found.get(name) for name in COLUMNS} == row(result)


# -- W&B fails, cells do not ------------------------------------------------------------------------------------------


def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wandb: FakeWandb, mode: Any = "online") -> tracking.Mirror:
    monkeypatch.setattr(tracking, "imported", lambda: wandb)
    return tracking.Mirror(Mirroring(mode, "p", tmp_path, sweep="feed", patience=5.0))


def test_a_run_holds_what_happened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wandb = FakeWandb()
    made = mirror(monkeypatch, tmp_path, wandb)
    result = a_result()
    made.begins(result.cell)
    made.probed(a_flow(0))
    made.trained(0, [1.0, 0.5], [2.0, None], {0: {"head.bias": 0.25}})
    made.probed(a_flow(10))
    made.validated(10, 0.1)
    made.probed(a_flow(20))
    made.ends(result)
    assert made.close() == []
    (run,) = wandb.runs
    assert run.given["id"] == f"{result.cell.key}-1"
    assert (run.given["group"], run.given["job_type"]) == ("adding/lstm/T10", "cell")
    assert run.given["reinit"] == "create_new"
    assert run.given["settings"].x_disable_meta
    assert run.metrics == dict.fromkeys(("step", "profile/distance", "results/length")) | mirrored.AXES
    kinds = ["/".join([name.split("/")[0], *name.split("/")[2:]]) for r in run.rows for name in list(r)[1:2]]
    assert [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before] == [
        "profile/initial/input", "train/loss", "validation/score", "profile/step_10/input", "profile/end/input",
        "results/score",
    ]  # fmt: skip
    assert run.summary == mirrored.summary(result)
    assert run.exit_codes == [0]
    assert tracking.is_mirrored(made.plan, result)
    assert not tracking.is_mirrored(made.plan, a_failure())


@pytest.mark.parametrize(
    ("broken", "modes", "said"),
    [
        ([("init", "online")], ["offline", "offline"], ["cannot be reached (no answer)"]),
        ([("log", "online")], ["online", "offline"], ["cannot be reached (no answer)"]),
        ([("finish", "online")], ["online", "offline"], ["cannot be reached (no answer)"]),
        (
            [("init", "online"), ("init", "offline")],
            [],
            ["cannot be reached", "ends here (ConnectionError: no answer)"],
        ),
        ([("init", "online"), ("log", "offline")], ["offline"], ["cannot be reached", "ends here"]),
    ],
)
def test_a_failure_is_said_once(
    broken: list[tuple[str, str]],
    modes: list[str],
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    wandb = FakeWandb(*broken)
    made = mirror(monkeypatch, tmp_path, wandb)
    for seed in range(2):
        tracking.replay(made, a_result(a_cell(seed=seed)))
    lines = made.close()
    assert [run.given["mode"] for run in wandb.runs] == modes
    assert len(lines) == len(said)
    assert all(words in line and "bench.publish" in line for words, line in zip(said, lines, strict=True))
    assert all(len(run.exit_codes) == 1 for run in wandb.runs), "every run that began was finished"


def test_a_failed_cell_is_a_failed_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wandb = FakeWandb()
    made = mirror(monkeypatch, tmp_path, wandb, "offline")
    tracking.replay(made, a_failure())
    tracking.replay(made, a_result())
    made.close()
    assert [run.exit_codes for run in wandb.runs] == [[1], [0]]
    assert [run.given["id"][-2:] for run in wandb.runs] == ["-1", "-2"]


def test_a_library_that_does_not_load_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    made = tracking.Mirror(Mirroring("online", "p", tmp_path))
    tracking.replay(made, a_result())
    (line,) = made.close()
    assert "The W&B mirror ends here (ModuleNotFoundError" in line


def test_a_folder_that_cannot_be_made_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "wandb").write_text("in the way")
    made = mirror(monkeypatch, tmp_path, FakeWandb(), "offline")
    tracking.replay(made, a_result())
    (line,) = made.close()
    assert "The W&B mirror ends here (FileExistsError" in line


def test_a_full_disk_is_said_and_its_run_not_taken_for_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tracking.shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
    wandb = FakeWandb()
    made = mirror(monkeypatch, tmp_path, wandb, "offline")
    for seed in range(2):
        tracking.replay(made, a_result(a_cell(seed=seed)))
    (line,) = made.close()
    assert "The W&B mirror ends here (OSError: [Errno 28] No space left on device)" in line
    assert len(wandb.runs) == 1
    assert not tracking.is_mirrored(made.plan, a_result())


def test_a_silent_server_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked, answer = threading.Event(), threading.Event()
    wandb = FakeWandb()
    monkeypatch.setattr(wandb, "fails", lambda call, mode: asked.set() or answer.wait(30))
    monkeypatch.setattr(tracking, "MOST_WAITING", 50)
    made = mirror(monkeypatch, tmp_path, wandb)
    made.plan = Mirroring("online", "p", tmp_path, patience=0.05)
    made.begins(a_cell())
    assert asked.wait(10)
    for _ in range(40):
        tracking.replay(made, a_result())
    lines = made.close()
    answer.set()
    assert [line.split(".")[0] for line in lines] == ["W&B does not answer", "W&B did not take everything within 0"]


def test_curves_without_anything_make_no_rows() -> None:
    assert Curves() == a_failure().curves
    assert list(mirrored.training_rows("adding", 0, (), (), {})) == []
    assert a_recipe().steps == 20
