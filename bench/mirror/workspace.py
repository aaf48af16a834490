"""A saved W&B dashboard of a project: a section per task, lines grouped by model against length, gradient profiles.

Needs wandb-workspaces (the extra `workspace`); only `python -m bench.publish --workspace` imports it.
"""

from __future__ import annotations

from collections.abc import Sequence

from wandb_workspaces.reports.v2.interface import Config, LinePlot
from wandb_workspaces.workspaces import interface as workspaces

from bench.mirror.mirrored import metric

NAME = "How far back can it remember?"
MOST_RUNS = 1000  # a panel shows 10 runs unless told; a sweep has hundreds, and what is left out would bend the lines


def workspace(entity: str, project: str, tasks: Sequence[str]) -> workspaces.Workspace:
    """Return the dashboard's specification; nothing is sent."""
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name=NAME,
        sections=[_section(task) for task in tasks],
        settings=workspaces.WorkspaceSettings(max_runs=MOST_RUNS),
        runset_settings=workspaces.RunsetSettings(
            pinned_columns=["summary:score", "summary:chance", "summary:skill", "summary:outcome", "config:length"],
        ),
    )


def save(entity: str, project: str, tasks: Sequence[str]) -> str:
    """Save the dashboard; return its address.

    Raises:
        Exception: whatever wandb raises where it is not logged in, or the server refuses.
    """
    return str(workspace(entity, project, tasks).save().url)


def _section(task: str) -> workspaces.Section:
    return workspaces.Section(
        name=task,
        is_open=True,
        layout_settings=workspaces.SectionLayoutSettings(columns=3, rows=3),
        panels=[
            _against_length(task, "score", ["score", "chance"]),
            _against_length(task, "skill (0 chance, 1 perfect)", ["skill"]),
            _against_length(task, "solved at step", ["solved_at_step"]),
            _in_training(task, "validation", "score"),
            _in_training(task, "train", "loss"),
            _in_training(task, "gradient", "norm", log=True),
            _profile(task, "initial", "input"),
            _profile(task, "end", "input"),
            _profile(task, "end", "hidden"),
        ],
    )


def _against_length(task: str, title: str, names: list[str]) -> LinePlot:
    return LinePlot(
        title=f"{task}: {title} against length",
        x="results/length",
        y=[metric("results", task, name) for name in names],
        title_x="length",
        log_x=True,
        groupby=Config("model"),
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        max_runs_to_show=MOST_RUNS,
    )


def _in_training(task: str, kind: str, what: str, *, log: bool = False) -> LinePlot:
    return LinePlot(
        title=f"{task}: {kind} {what}",
        x="step",
        y=[metric(kind, task, what)],
        title_x="optimisation steps",
        log_y=log or None,
        groupby="Group",
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        max_runs_to_show=MOST_RUNS,
    )


def _profile(task: str, when: str, quantity: str) -> LinePlot:
    return LinePlot(
        title=f"{task}: gradient at {quantity}, {when}",
        x="profile/distance",
        y=[metric("profile", task, f"{when}/{quantity}")],
        title_x="steps back from the answer",
        title_y="log10 of the gradient norm",
        groupby="Group",
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
        max_runs_to_show=MOST_RUNS,
    )
