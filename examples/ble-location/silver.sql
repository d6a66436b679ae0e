-- Silver: the readings of one file with their types. `bronze` has every column as VARCHAR, and `_row`, the row's number in the file.
-- Plain CAST on purpose: rows whose text does not parse were set aside before this runs, so a failure here is a bug and must be loud.
SELECT
    CAST(location AS VARCHAR) AS location,
    -- The site's clock is taken as UTC: the file names no zone.
    CAST(strptime("date", '%m-%d-%Y %H:%M:%S') AT TIME ZONE 'UTC' AS TIMESTAMPTZ) AS seen_at,
    CAST(b3001 AS SMALLINT) AS b3001,
    CAST(b3002 AS SMALLINT) AS b3002,
    CAST(b3003 AS SMALLINT) AS b3003,
    CAST(b3004 AS SMALLINT) AS b3004,
    CAST(b3005 AS SMALLINT) AS b3005,
    CAST(b3006 AS SMALLINT) AS b3006,
    CAST(b3007 AS SMALLINT) AS b3007,
    CAST(b3008 AS SMALLINT) AS b3008,
    CAST(b3009 AS SMALLINT) AS b3009,
    CAST(b3010 AS SMALLINT) AS b3010,
    CAST(b3011 AS SMALLINT) AS b3011,
    CAST(b3012 AS SMALLINT) AS b3012,
    CAST(b3013 AS SMALLINT) AS b3013
FROM bronze
ORDER BY _row
