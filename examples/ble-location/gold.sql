-- Gold: what training reads, all of silver in an order that depends on the rows alone, so that the same rows give the same file.
SELECT
    location,
    b3001, b3002, b3003, b3004, b3005, b3006, b3007, b3008, b3009, b3010, b3011, b3012, b3013,
    seen_at
FROM silver
ORDER BY
    seen_at, location,
    b3001, b3002, b3003, b3004, b3005, b3006, b3007, b3008, b3009, b3010, b3011, b3012, b3013
