"""The twelve columns of the credit-risk table. Bounds are those of what can be, not of what is plausible.

Ages over 100 and employments of 123 years are in the public file and in its published results; expectations in silver count them.
"""

from sluice_tabular import CategoryColumn, NumberColumn, Schema

SCHEMA = Schema(
    columns=(
        NumberColumn('person_age', 0, 150, whole=True),
        NumberColumn('person_income', 0, 1e9, whole=True),
        CategoryColumn('person_home_ownership', ('MORTGAGE', 'OTHER', 'OWN', 'RENT')),
        NumberColumn('person_emp_length', 0, 150, missing=True),
        CategoryColumn('loan_intent', ('DEBTCONSOLIDATION', 'EDUCATION', 'HOMEIMPROVEMENT', 'MEDICAL', 'PERSONAL', 'VENTURE')),
        CategoryColumn('loan_grade', ('A', 'B', 'C', 'D', 'E', 'F', 'G')),
        NumberColumn('loan_amnt', 0, 1e9, whole=True),
        NumberColumn('loan_int_rate', 0, 100, missing=True),
        NumberColumn('loan_percent_income', 0, 1000),
        CategoryColumn('cb_person_default_on_file', ('N', 'Y')),
        NumberColumn('cb_person_cred_hist_length', 0, 150, missing=True, whole=True),
    ),
    label=NumberColumn('loan_status', 0, 1, whole=True),
    classes=('Non-Default', 'Default'),
)
