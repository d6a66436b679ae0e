-- Gold: what training reads, in the order of the file: the split draws rows by their number, so another order would be another split.
SELECT
    person_age, person_income, person_home_ownership, person_emp_length, loan_intent, loan_grade, loan_amnt, loan_int_rate, loan_status,
    loan_percent_income, cb_person_default_on_file, cb_person_cred_hist_length
FROM silver
ORDER BY row_in_file
