-- Silver: the files that the newest manifest names. `manifest` has dataset, uri, bytes, sha256 and rows; no reading is in it.
SELECT dataset, uri, bytes, sha256, rows
FROM manifest
ORDER BY uri
