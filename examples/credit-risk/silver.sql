-- Silver: one file's loans with their types, each with the number of its row in the file, and which occurrence of the same row it is.
-- `bronze` has every column as VARCHAR, and `_row`. Plain CAST on purpose: rows whose text does not parse were refused before this runs.
SELECT
    CAST(person_age AS INTEGER) AS person_age,
    CAST(person_income AS BIGINT) AS person_income,
    CAST(person_home_ownership AS VARCHAR) AS person_home_ownership,
    -- Missing in a few rows of a hundred; training puts the median there.
    CAST(NULLIF(person_emp_length, '') AS DOUBLE) AS person_emp_length,
    CAST(loan_intent AS VARCHAR) AS loan_intent,
    CAST(loan_grade AS VARCHAR) AS loan_grade,
    CAST(loan_amnt AS BIGINT) AS loan_amnt,
    -- Missing in one row of ten.
    CAST(NULLIF(loan_int_rate, '') AS DOUBLE) AS loan_int_rate,
    CAST(loan_status AS SMALLINT) AS loan_status,
    CAST(loan_percent_income AS DOUBLE) AS loan_percent_income,
    CAST(cb_person_default_on_file AS VARCHAR) AS cb_person_default_on_file,
    CAST(cb_person_cred_hist_length AS SMALLINT) AS cb_person_cred_hist_length,
    CAST(_row AS BIGINT) AS row_in_file,
    CAST(
        row_number() OVER (
            PARTITION BY
                person_age, person_income, person_home_ownership, person_emp_length, loan_intent, loan_grade, loan_amnt, loan_int_rate,
                loan_status, loan_percent_income, cb_person_default_on_file, cb_person_cred_hist_length
            ORDER BY _row
        ) AS INTEGER
    ) AS occurrence
FROM bronze
ORDER BY _row
