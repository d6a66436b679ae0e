-- Gold: what training reads. The name of the dataset is left out: the same files under another name are the same data.
SELECT uri, bytes, sha256, rows
FROM silver
ORDER BY uri
