"""Prints the error codes of Python components as JSON: codes that are raised or answered, and places where they cannot be told."""

import ast
import json
import sys
from pathlib import Path

POSITIONS = {'ComponentError': 0, 'BadRequest': 1, 'error_response': 1}


def argument(call, position):
    """The expression that gives the code of a call; None when the default holds."""
    for keyword in call.keywords:
        if keyword.arg == 'code':
            return keyword.value
    return call.args[position] if len(call.args) > position else None


def main():
    codes, unclear = [], []
    for file in sorted(Path(sys.argv[1]).rglob('*.py')):
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            values = []
            if isinstance(node, ast.Call) and getattr(node.func, 'id', None) in POSITIONS:
                values.append(argument(node, POSITIONS[node.func.id]))
            if isinstance(node, ast.FunctionDef):
                named = node.args.args[len(node.args.args) - len(node.args.defaults):]
                values += [default for name, default in zip(named, node.args.defaults) if name.arg == 'code']
            for value in values:
                where = f'{file}:{node.lineno}'
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    codes.append({'code': value.value, 'transient': False, 'where': where})
                elif value is not None and not isinstance(value, ast.Attribute):
                    # error.code passes on what another place has decided.
                    unclear.append(f'{where}: {ast.unparse(value)}')
    print(json.dumps({'codes': codes, 'unclear': unclear}))


if __name__ == '__main__':
    main()
