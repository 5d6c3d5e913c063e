-- Failures by the shape of their error.
--
-- One row for each shape, the most frequent first. The shape is the error without IDs and numbers, so that failures with
-- the same cause are in one row. A failure for which DRS states no error has the shape "(no error stated)".
-- A failure is a server with the final state FAILED in a job. first_at and last_at are the creation of the jobs.
-- Period: the last 12 months. To change it, edit the two numbers -12.

SELECT
  coalesce(errorshape, '(no error stated)') AS error_shape,
  count(*) AS failures,
  count(*) FILTER (WHERE isdrill) AS failures_in_drills,
  count(DISTINCT sourceserverid) AS servers,
  count(DISTINCT coalesce(executionid, jobid)) AS executions,
  min(jobcreatedat) AS first_at,
  max(jobcreatedat) AS last_at,
  max_by(sourceserverid, jobcreatedat) AS last_source_server_id,
  max_by(error, jobcreatedat) AS last_error
FROM "${database}".servers
WHERE year BETWEEN year(date_add('month', -12, current_date)) AND year(current_date)
  AND from_iso8601_timestamp(jobcreatedat) >= date_add('month', -12, current_date)
  AND state = 'FAILED'
GROUP BY coalesce(errorshape, '(no error stated)')
ORDER BY failures DESC, error_shape
