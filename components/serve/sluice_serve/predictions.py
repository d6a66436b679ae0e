"""From checked rows to answers: label, probability, the best five, and all probabilities only where they were asked for.

One shape for every dialect that leaves the shape to the server.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sluice_serve.model import Model, ranking


@dataclass(frozen=True)
class Answers:
    """Parallel lists, one entry per row."""

    labels: list[str]
    probabilities: list[float]
    topLabels: list[list[str]]
    topProbabilities: list[list[float]]
    full: list[list[float]] | None

    def to_json(self, classes: Sequence[str]) -> list[dict[str, object]]:
        """`{label, probability, top: [{label, probability}], probabilities?: {label: probability}}` per row."""
        found: list[dict[str, object]] = []
        for index, label in enumerate(self.labels):
            top = zip(self.topLabels[index], self.topProbabilities[index], strict=True)
            answer: dict[str, object] = {
                'label': label,
                'probability': self.probabilities[index],
                'top': [{'label': name, 'probability': value} for name, value in top],
            }
            if self.full is not None:
                answer['probabilities'] = dict(zip(classes, self.full[index], strict=True))
            found.append(answer)
        return found


def predict(model: Model, rows: Sequence[Sequence[float]], *, full: bool = False) -> Answers:
    """Answers for checked rows."""
    probabilities = model.probabilities(rows)
    order = ranking(probabilities)
    best = [[float(probabilities[row, column]) for column in columns] for row, columns in enumerate(order)]
    names = [[model.classes[column] for column in columns] for columns in order]
    return Answers(
        labels=[columns[0] for columns in names],
        probabilities=[values[0] for values in best],
        topLabels=names,
        topProbabilities=best,
        full=probabilities.tolist() if full else None,
    )
