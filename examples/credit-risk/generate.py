"""Makes loans like those of the public credit-risk file, for machines that do not have it: same columns, formats, traps, a signal to learn.

The rule behind the defaults is invented: debt against income, grade, and whether the home is one's own.
"""

import argparse
import csv
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

HEADER = (
    'person_age',
    'person_income',
    'person_home_ownership',
    'person_emp_length',
    'loan_intent',
    'loan_grade',
    'loan_amnt',
    'loan_int_rate',
    'loan_status',
    'loan_percent_income',
    'cb_person_default_on_file',
    'cb_person_cred_hist_length',
)
HOMES = {'RENT': 505, 'MORTGAGE': 413, 'OWN': 79, 'OTHER': 3}
INTENTS = ('EDUCATION', 'MEDICAL', 'VENTURE', 'PERSONAL', 'DEBTCONSOLIDATION', 'HOMEIMPROVEMENT')
GRADES = {'A': 331, 'B': 321, 'C': 198, 'D': 111, 'E': 30, 'F': 7, 'G': 2}
RATES = {'A': 7.3, 'B': 11.0, 'C': 13.5, 'D': 15.4, 'E': 17.0, 'F': 18.6, 'G': 20.3}
MISSING_LENGTH, MISSING_RATE = 0.0275, 0.0956

Loan = tuple[str, ...]


def loan(dice: random.Random) -> Loan:
    """One plausible row, as texts."""
    age = min(94, 20 + int(dice.gammavariate(1.6, 5)))
    income = max(4000, round(dice.lognormvariate(10.92, 0.55)))
    home = dice.choices(list(HOMES), list(HOMES.values()))[0]
    employed = float(min(age - 16, int(dice.gammavariate(1.3, 3.8))))
    intent = dice.choice(INTENTS)
    grade = dice.choices(list(GRADES), list(GRADES.values()))[0]
    amount = min(35_000, max(500, round(dice.gammavariate(2.4, 4000) / 25) * 25))
    rate = round(max(5.42, dice.gauss(RATES[grade], 1.0)), 2)
    share = round(amount / income, 2)
    before = 'Y' if grade >= 'C' and dice.random() < 0.5 else 'N'
    history = max(2, min(30, round((age - 20) / 2.2) + dice.randint(1, 4)))
    status = int(dice.random() < default_risk(home, intent, grade, share, income))
    return (
        str(age),
        str(income),
        home,
        '' if dice.random() < MISSING_LENGTH else str(employed),
        intent,
        grade,
        str(amount),
        '' if dice.random() < MISSING_RATE else str(rate),
        str(status),
        str(share),
        before,
        str(history),
    )


def default_risk(home: str, intent: str, grade: str, share: float, income: int) -> float:
    """Probability of a default: sharp rules with a little noise, which is what trees find and a straight line does not."""
    if home == 'OWN':
        return 0.6 if share > 0.45 else 0.02
    if home == 'RENT' and share > 0.3:
        return 0.97
    if grade >= 'D':
        return 0.93 if home in ('RENT', 'OTHER') else 0.2
    if income < 24_000:
        return 0.85 if intent in ('MEDICAL', 'DEBTCONSOLIDATION') else 0.2
    return 0.12 if intent in ('MEDICAL', 'DEBTCONSOLIDATION') and home == 'RENT' else 0.04


def changed(row: Loan, **values: str) -> Loan:
    """The row with other values in some columns."""
    return tuple(values.get(name, value) for name, value in zip(HEADER, row, strict=True))


def generate(rows: int, seed: int) -> Iterator[Loan]:
    """`rows` loans; the same seed gives the same. Holds the traps of the public file: ages over 100, 123 years of work, repeated rows."""
    dice = random.Random(seed)
    made = [loan(dice) for _ in range(rows)]
    made[0] = changed(made[0], person_age='22', person_emp_length='123.0')
    for place in dice.sample(range(1, rows), max(2, rows // 6500)):
        made[place] = changed(made[place], person_age=dice.choice(('123', '144')))
    for place in dice.sample(range(rows // 2, rows), max(2, rows // 200)):
        made[place] = made[place - rows // 2]
    yield from made


def main(argv: Sequence[str]) -> int:
    """Writes the CSV; exit 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog='generate.py', description='Loans like those of the public credit-risk file, by an invented rule.')
    parser.add_argument('--rows', type=int, default=3000, help='rows without the header, 1000 to 1000000 (default 3000)')
    parser.add_argument('--seed', type=int, default=1, help='the same seed gives the same file (default 1)')
    parser.add_argument('--out', type=Path, required=True, help='CSV file to write')
    given = parser.parse_args(argv)
    if not 1000 <= given.rows <= 1_000_000:
        parser.error(f'--rows is {given.rows}; expected 1000 to 1000000')
    try:
        with given.out.open('w', encoding='utf-8', newline='') as file:
            lines = csv.writer(file, lineterminator='\n')
            lines.writerow(HEADER)
            lines.writerows(generate(given.rows, given.seed))
    except OSError as error:
        print(f'generate.py: {given.out} cannot be written: {error.strerror}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
