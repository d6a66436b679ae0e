"""From readings to a judged network: split, train, score, and pick the golden rows. Pure; main.py does the files.

The network that is shipped is the one that was measured: it has not seen the test rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sluice_ble_train.network import Network, train
from sluice_ble_train.params import TrainParams
from sluice_ble_train.readings import BEACONS, Readings
from sluice_ble_train.scores import majority_share, ranking, scores, slices_by_column
from sluice_ble_train.split import Split, duplicate_groups, grouped_split, leaked_rows, random_split
from sluice_protocol import ComponentError, GoldenSet, Prediction, Slice

MIN_TEST_ROWS = 20
MIN_CELLS = 3
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Trained:
    """A network with what is known about it."""

    network: Network
    metrics: dict[str, float]
    slices: list[Slice]
    golden: GoldenSet | None


def train_and_judge(readings: Readings, params: TrainParams, released: Readings | None = None, *, stay: bool = False) -> Trained:
    """Trains on the honest split; fails with `too-few-rows` or `too-few-cells` where no honest test is possible.

    Golden rows are the released ones; without those test rows, or none where rows must stay.
    """
    cells = len(set(readings.cells))
    if cells < MIN_CELLS:
        raise ComponentError('too-few-cells', f'{len(readings)} rows name {cells} cells; at least {MIN_CELLS} are needed')
    groups = duplicate_groups(readings, params.nearDuplicateDbm)
    honest = grouped_split(readings, groups, params.testShare, params.seed)
    if len(honest.test) < MIN_TEST_ROWS:
        raise ComponentError(
            'too-few-rows',
            f'{len(readings)} rows in {len(set(groups))} groups of near copies leave {len(honest.test)} test rows; '
            f'at least {MIN_TEST_ROWS} are needed: bring more rows or raise testShare',
        )
    naive = random_split(len(readings), len(honest.test), params.seed)
    network, best = _fit(readings, honest, params)
    _, naive_best = _fit(readings, naive, params)
    test_cells = _cells(readings, honest.test)
    naive_scores = scores(_cells(readings, naive.test), naive_best)
    metrics = {
        **scores(test_cells, best),
        'majorityTop1': majority_share(_cells(readings, honest.train), test_cells),
        'naiveTop1': naive_scores['top1'],
        'naiveTop5': naive_scores['top5'],
        'leakedRows': leaked_rows(readings, honest, params.nearDuplicateDbm),
        'naiveLeakedRows': leaked_rows(readings, naive, params.nearDuplicateDbm),
        'duplicateShare': 1 - len(set(groups)) / len(readings),
        'rows': len(readings),
        'trainRows': len(honest.train),
        'testRows': len(honest.test),
        'cells': cells,
        'untestedCells': cells - len(set(test_cells)),
    }
    compared = released.signals if released is not None else [] if stay else [readings.signals[row] for row in honest.test]
    return Trained(
        network=network,
        metrics=metrics,
        slices=slices_by_column(test_cells, best),
        golden=golden_set(network, compared, params.goldenRows) if compared else None,
    )


def golden_set(network: Network, signals: Sequence[tuple[int, ...]], wanted: int) -> GoldenSet:
    """Up to `wanted` readings spread evenly over the test rows.

    Rows whose two best cells are closer than the tolerance come last: rounding alone could swap their labels.
    """
    probabilities = network.probabilities(signals)
    order = ranking(probabilities)
    clear = [row for row, best in enumerate(order) if probabilities[row, best[0]] - probabilities[row, best[1]] > 10 * TOLERANCE]
    chosen = _spread(clear, wanted) if len(clear) >= MIN_TEST_ROWS else list(range(min(len(signals), wanted)))
    return GoldenSet(
        rows=[signals[row] for row in chosen],
        predictions=[_prediction(network, order[row], [float(probabilities[row, column]) for column in order[row]]) for row in chosen],
        tolerance=TOLERANCE,
        columns=BEACONS,
    )


def _prediction(network: Network, columns: Sequence[int], values: Sequence[float]) -> Prediction:
    top = tuple((network.classes[column], value) for column, value in zip(columns, values, strict=True))
    return Prediction(label=top[0][0], probability=top[0][1], top=top)


def _spread(rows: Sequence[int], wanted: int) -> list[int]:
    count = min(wanted, len(rows))
    return [rows[index * len(rows) // count] for index in range(count)]


def _fit(readings: Readings, split: Split, params: TrainParams) -> tuple[Network, list[list[str]]]:
    network = train([readings.signals[row] for row in split.train], _cells(readings, split.train), params)
    order = ranking(network.probabilities([readings.signals[row] for row in split.test]))
    return network, [[network.classes[column] for column in columns] for columns in order]


def _cells(readings: Readings, rows: Sequence[int]) -> list[str]:
    return [readings.cells[row] for row in rows]
