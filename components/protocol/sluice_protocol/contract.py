"""Shapes of the run report. Made by `npm run schema` from shared/contracts/run-report.ts; do not edit."""

from typing import Any, Literal, NotRequired, TypedDict


class Component(TypedDict):
    name: str
    version: str


class Error(TypedDict):
    code: str
    message: str


class Slice(TypedDict):
    name: str
    n: int
    metrics: dict[str, float]


class Artifact(TypedDict):
    path: str
    sha256: str
    bytes: int


class ModelFile(TypedDict):
    path: str
    sha256: str
    bytes: int


class ModelArchive(TypedDict):
    path: str
    sha256: str
    bytes: int


class Model(TypedDict):
    digest: str
    files: list[ModelFile]
    archive: ModelArchive


class GoldenValue(TypedDict):
    value: float


class GoldenClass(TypedDict):
    label: str
    probability: NotRequired[float]


class Golden(TypedDict):
    columns: NotRequired[list[str]]
    rows: list[list[float | str | bool | None]]
    predictions: list[GoldenValue | GoldenClass]
    tolerance: float


class Plot(TypedDict):
    name: str
    kind: str
    x: NotRequired[str]
    y: NotRequired[str]


class Accelerator(TypedDict):
    kind: str


class Times(TypedDict):
    startedAt: str
    finishedAt: str
    executionSeconds: float
    queuedSeconds: NotRequired[float]


class RunReport(TypedDict):
    protocol: Literal[1]
    component: Component
    status: Literal['succeeded', 'failed']
    error: NotRequired[Error]
    metrics: dict[str, float]
    slices: NotRequired[list[Slice]]
    params: NotRequired[dict[str, Any]]
    artifacts: NotRequired[list[Artifact]]
    model: NotRequired[Model]
    golden: NotRequired[Golden]
    plots: NotRequired[list[Plot]]
    data: NotRequired[dict[str, Any]]
    packages: NotRequired[dict[str, str]]
    accelerator: NotRequired[Accelerator]
    times: Times
