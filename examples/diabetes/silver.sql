-- Silver: one file's patients with their types and the number of each row in the file.
-- Plain CAST on purpose: rows whose text does not parse were refused before this runs.
SELECT
    CAST(age AS DOUBLE) AS age,
    CAST(sex AS DOUBLE) AS sex,
    CAST(bmi AS DOUBLE) AS bmi,
    CAST(bp AS DOUBLE) AS bp,
    CAST(s1 AS DOUBLE) AS s1,
    CAST(s2 AS DOUBLE) AS s2,
    CAST(s3 AS DOUBLE) AS s3,
    CAST(s4 AS DOUBLE) AS s4,
    CAST(s5 AS DOUBLE) AS s5,
    CAST(s6 AS DOUBLE) AS s6,
    CAST(target AS DOUBLE) AS target,
    CAST(_row AS BIGINT) AS row_in_file
FROM bronze
ORDER BY _row
