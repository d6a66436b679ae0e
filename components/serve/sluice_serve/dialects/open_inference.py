"""KServe v2, the Open Inference Protocol: typed tensors in and out (facts/kubeflow.md §6).

Input: one tensor of shape [rows, features]; BYTES where a column holds texts. Outputs: label, probability, top_labels, top_probabilities, and
probabilities on request; value for a model of numbers.
"""

from collections.abc import Collection, Mapping

from sluice_serve.dialects.instances import wants_full
from sluice_serve.exchange import BadRequest, Request, Response, json_response
from sluice_serve.model import TOP, Classifier, Model
from sluice_serve.predictions import Answers, predict
from sluice_serve.rows import check_rows, from_text, parse_json
from sluice_tabular import CategoryColumn

_NUMERIC = frozenset({'FP16', 'FP32', 'FP64', 'INT8', 'INT16', 'INT32', 'INT64', 'UINT8', 'UINT16', 'UINT32', 'UINT64'})


def metadata(model: Model) -> Response:
    """What the model takes and gives; -1 is any number of rows."""
    shapes = _shapes(model)
    return json_response(
        200,
        {
            'name': model.name,
            'versions': [model.digest],
            'platform': 'sluice',
            'inputs': [{'name': 'input', 'datatype': 'BYTES' if _texts(model) else 'FP64', 'shape': [-1, len(model.features)]}],
            'outputs': [{'name': name, 'datatype': datatype, 'shape': [-1, *shape]} for name, (datatype, shape) in shapes.items()],
        },
    )


def infer(request: Request, model: Model, limit: int) -> Response:
    """`{id?, inputs: [{name, shape, datatype, data}], outputs?: [{name}], parameters?}` → `{model_name, model_version, outputs}`."""
    document = parse_json(request.body)
    shapes = _shapes(model)
    wanted = _wanted(document.get('outputs'), shapes)
    full = wants_full(request, document.get('parameters')) or (wanted is not None and 'probabilities' in wanted)
    rows = check_rows(_tensor(document.get('inputs'), model), model, limit, 'inputs[0].data')
    answers = predict(model, rows, full=full)
    names = wanted if wanted is not None else [name for name in shapes if full or name != 'probabilities']
    data = _data(answers)
    identity = document.get('id')
    if identity is not None and not isinstance(identity, str):
        raise BadRequest('"id" must be a text')
    return json_response(
        200,
        {
            'model_name': model.name,
            'model_version': model.digest,
            **({'id': identity} if identity is not None else {}),
            'outputs': [
                {'name': name, 'datatype': shapes[name][0], 'shape': [len(rows), *shapes[name][1]], 'data': data[name]} for name in names
            ],
        },
    )


def _shapes(model: Model) -> Mapping[str, tuple[str, list[int]]]:
    if not isinstance(model, Classifier):
        return {'value': ('FP64', [])}
    best = min(TOP, len(model.classes))
    return {
        'label': ('BYTES', []),
        'probability': ('FP64', []),
        'top_labels': ('BYTES', [best]),
        'top_probabilities': ('FP64', [best]),
        'probabilities': ('FP64', [len(model.classes)]),
    }


def _element(value: object) -> object:
    return from_text(value) if isinstance(value, str) else value


def _texts(model: Model) -> bool:
    return any(isinstance(feature, CategoryColumn) for feature in model.features)


def _data(answers: Answers) -> Mapping[str, list[object]]:
    """Tensors flattened row by row, which is what most clients expect."""
    return {
        'value': list(answers.values or []),
        'label': list(answers.labels),
        'probability': list(answers.probabilities),
        'top_labels': [label for row in answers.topLabels for label in row],
        'top_probabilities': [value for row in answers.topProbabilities for value in row],
        'probabilities': [value for row in answers.full or [] for value in row],
    }


def _wanted(outputs: object, known: Collection[str]) -> list[str] | None:
    if outputs is None or outputs == []:
        return None
    if not isinstance(outputs, list) or not all(isinstance(item, dict) for item in outputs):
        raise BadRequest('"outputs" must be a list of objects with a "name"')
    names = [item.get('name') for item in outputs]
    for name in names:
        if name not in known:
            raise BadRequest(f'output {str(name)[:80]!r} is unknown; this model gives {", ".join(known)}')
    return list(dict.fromkeys(names))


def _tensor(inputs: object, model: Model) -> list[object]:
    """The rows of the one input tensor, whether its data came nested or flat. Texts travel as BYTES, numbers then too."""
    width, texts = len(model.features), _texts(model)
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise BadRequest('"inputs" must be a list of exactly one tensor')
    tensor = inputs[0]
    shape, datatype, data = tensor.get('shape'), tensor.get('datatype'), tensor.get('data')
    if not isinstance(datatype, str) or (datatype not in _NUMERIC and not (texts and datatype == 'BYTES')):
        kinds = 'BYTES, or a numeric type' if texts else 'a numeric type'
        raise BadRequest(f'inputs[0].datatype is {str(datatype)[:40]!r}; expected {kinds} such as FP32 or FP64')
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(size) is int and size >= 0 for size in shape):
        raise BadRequest(f'inputs[0].shape must be [rows, {width}]')
    if shape[1] != width:
        raise BadRequest(f'inputs[0].shape is {shape}; this model takes {width} features')
    if not isinstance(data, list):
        raise BadRequest('inputs[0].data must be a list; binary tensors are not understood')
    if datatype == 'BYTES':
        data = [[_element(value) for value in item] if isinstance(item, list) else _element(item) for item in data]
    if data and isinstance(data[0], list):
        if len(data) != shape[0]:
            raise BadRequest(f'inputs[0].data has {len(data)} rows, its shape says {shape[0]}')
        return data
    if len(data) != shape[0] * width:
        raise BadRequest(f'inputs[0].data has {len(data)} values, its shape says {shape[0]} × {width}')
    return [data[start : start + width] for start in range(0, len(data), width)]
