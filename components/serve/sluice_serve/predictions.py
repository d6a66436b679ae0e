"""From checked rows to answers: label, probability, the best five, and all probabilities only where they were asked for; or one number.

One shape for every dialect that leaves the shape to the server.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sluice_serve.model import Classifier, Model, Regressor, ranking


@dataclass(frozen=True)
class Answers:
    """Parallel lists, one entry per row: `values` for a model of numbers, the others for one of classes."""

    labels: list[str] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    topLabels: list[list[str]] = field(default_factory=list)
    topProbabilities: list[list[float]] = field(default_factory=list)
    full: list[list[float]] | None = None
    values: list[float] | None = None

    def to_json(self, model: Model) -> list[dict[str, object]]:
        """`{label, probability, top: [{label, probability}], probabilities?: {label: probability}}` per row, or `{value}`."""
        if self.values is not None:
            return [{'value': value} for value in self.values]
        classes = model.classes if isinstance(model, Classifier) else ()
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

    def to_csv(self) -> str:
        """`label,probability` lines, or one number per line."""
        if self.values is not None:
            return ''.join(f'{value!r}\n' for value in self.values)
        return ''.join(f'{label},{value!r}\n' for label, value in zip(self.labels, self.probabilities, strict=True))


def predict(model: Model, rows: Sequence[Sequence[float]], *, full: bool = False) -> Answers:
    """Answers for checked rows."""
    if isinstance(model, Regressor):
        return Answers(values=model.values(rows).tolist())
    if not isinstance(model, Classifier):
        raise TypeError(f'{type(model).__name__} is neither a classifier nor a regressor')
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
