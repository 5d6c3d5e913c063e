-- Servers without a successful drill in the period.
--
-- One row for each source server that was in a job of the period, and that no drill launched. Servers with a failed drill
-- come first.
-- A server that was in no job at all is not in this data. For these, use the daily check of the module: the input
-- readiness.max_days_without_drill.
-- Period: the last 12 months. To change it, edit the two numbers -12.

SELECT
  sourceserverid AS source_server_id,
  max_by(servername, jobcreatedat) FILTER (WHERE servername IS NOT NULL) AS server_name,
  max_by(account, jobcreatedat) AS account,
  max_by(region, jobcreatedat) AS region,
  count(*) FILTER (WHERE isdrill) AS drills_without_launch,
  count(*) FILTER (WHERE NOT isdrill AND state = 'LAUNCHED') AS recoveries_launched,
  count(*) FILTER (WHERE NOT isdrill AND state = 'FAILED') AS recoveries_failed,
  max(jobcreatedat) AS last_job_at,
  max_by(state, jobcreatedat) AS last_state
FROM "${database}".servers
WHERE year BETWEEN year(date_add('month', -12, current_date)) AND year(current_date)
  AND from_iso8601_timestamp(jobcreatedat) >= date_add('month', -12, current_date)
GROUP BY sourceserverid
HAVING count(*) FILTER (WHERE isdrill AND state = 'LAUNCHED') = 0
ORDER BY drills_without_launch DESC, source_server_id
