-- Gold: what training reads, in the order of the file: the split draws rows by their number, so another order would be another split.
SELECT age, sex, bmi, bp, s1, s2, s3, s4, s5, s6, target
FROM silver
ORDER BY row_in_file
