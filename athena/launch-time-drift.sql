-- Drift of launch times: the median time to launch of each server by quarter, and its change.
--
-- One row for each source server and quarter with a launch. The time is from the creation of the job until the server was
-- launched, in drills and recoveries. The quarter is that of the start of the execution in UTC.
-- The change is against the previous quarter in which the server was launched, which previous_quarter names. It is null
-- in the first quarter. The newest quarter comes first, and in a quarter the largest slow-down.
-- Period: this year and the previous year. To change it, edit the line with "year BETWEEN".

WITH launches AS (
  SELECT
    sourceserverid,
    servername,
    jobcreatedat,
    CAST(year AS varchar) || '-Q' || CAST(CAST(ceil(month / 3.0) AS integer) AS varchar) AS quarter,
    seconds
  FROM "${database}".servers
  WHERE year BETWEEN year(current_date) - 1 AND year(current_date)
    AND state = 'LAUNCHED'
    AND seconds IS NOT NULL
),

quarters AS (
  SELECT
    sourceserverid,
    quarter,
    max_by(servername, jobcreatedat) FILTER (WHERE servername IS NOT NULL) AS server_name,
    count(*) AS launches,
    array_sort(array_agg(seconds)) AS sorted
  FROM launches
  GROUP BY sourceserverid, quarter
),

-- The median: the middle value, or the mean of the two middle values. approx_percentile would be an estimate.
medians AS (
  SELECT
    sourceserverid,
    quarter,
    server_name,
    launches,
    (
      element_at(sorted, CAST(floor((launches + 1) / 2.0) AS integer))
      + element_at(sorted, CAST(ceil((launches + 1) / 2.0) AS integer))
    ) / 2 AS seconds
  FROM quarters
),

changes AS (
  SELECT
    sourceserverid,
    quarter,
    server_name,
    launches,
    seconds,
    lag(quarter) OVER (PARTITION BY sourceserverid ORDER BY quarter) AS previous_quarter,
    lag(seconds) OVER (PARTITION BY sourceserverid ORDER BY quarter) AS previous_seconds
  FROM medians
)

SELECT
  quarter,
  sourceserverid AS source_server_id,
  server_name,
  launches,
  round(seconds, 1) AS median_seconds,
  previous_quarter,
  round(seconds - previous_seconds, 1) AS change_seconds,
  round(100 * (seconds - previous_seconds) / nullif(previous_seconds, 0), 1) AS change_percent
FROM changes
ORDER BY quarter DESC, change_seconds DESC NULLS LAST, source_server_id
