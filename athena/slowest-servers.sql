-- The slowest servers, and the slowest step of each.
--
-- One row for each source server, the slowest first, at most 50 rows. Only launches that succeeded count, in drills and
-- recoveries. average_minutes is the time from the creation of the job until the server was launched.
-- slowest_step is the step with the highest average: snapshot, wait (between snapshot and conversion), conversion or
-- launch. It is null if DRS logged no complete step of the server.
-- Period: the last 12 months. To change it, edit the two numbers -12.

WITH launches AS (
  SELECT
    servers.sourceserverid,
    servers.servername,
    servers.jobid,
    servers.jobcreatedat,
    servers.seconds,
    steps.step,
    CASE steps.step
      WHEN 'snapshot' THEN servers.snapshotseconds
      WHEN 'wait' THEN servers.waitseconds
      WHEN 'conversion' THEN servers.conversionseconds
      WHEN 'launch' THEN servers.launchseconds
    END AS step_seconds
  FROM "${database}".servers AS servers
  CROSS JOIN (VALUES ('snapshot'), ('wait'), ('conversion'), ('launch')) AS steps (step)
  WHERE servers.year BETWEEN year(date_add('month', -12, current_date)) AND year(current_date)
    AND from_iso8601_timestamp(servers.jobcreatedat) >= date_add('month', -12, current_date)
    AND servers.state = 'LAUNCHED'
    AND servers.seconds IS NOT NULL
),

steps_of_servers AS (
  SELECT
    sourceserverid,
    step,
    max_by(servername, jobcreatedat) FILTER (WHERE servername IS NOT NULL) AS server_name,
    count(DISTINCT jobid) AS launches,
    avg(seconds) AS average_seconds,
    max(seconds) AS slowest_seconds,
    avg(step_seconds) AS step_seconds
  FROM launches
  GROUP BY sourceserverid, step
)

SELECT
  sourceserverid AS source_server_id,
  max(server_name) AS server_name,
  max(launches) AS launches,
  round(max(average_seconds) / 60, 1) AS average_minutes,
  round(max(slowest_seconds) / 60, 1) AS slowest_minutes,
  max_by(step, step_seconds) AS slowest_step,
  round(max(step_seconds) / 60, 1) AS slowest_step_average_minutes
FROM steps_of_servers
GROUP BY sourceserverid
ORDER BY max(average_seconds) DESC, sourceserverid
LIMIT 50
