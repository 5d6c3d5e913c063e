-- Recovery time objective (RTO) by quarter and recovery plan.
--
-- One row for each quarter, recovery plan, and kind: drill, recovery, or unknown. The quarter is that of the start of the
-- execution in UTC. An execution without a recovery plan has the plan "(none)".
-- met and missed count the executions with an objective and a result. Percentages and medians ignore the others.
-- Period: this year and the previous year. To change it, edit the line with "year BETWEEN".

WITH executions_of_period AS (
  SELECT
    CAST(year AS varchar) || '-Q' || CAST(CAST(ceil(month / 3.0) AS integer) AS varchar) AS quarter,
    coalesce(name, '(none)') AS plan,
    CASE isdrill WHEN true THEN 'drill' WHEN false THEN 'recovery' ELSE 'unknown' END AS kind,
    rto.targetminutes AS target_minutes,
    rto.actualseconds / 60 AS actual_minutes,
    rto.result AS result
  FROM "${database}".executions
  WHERE year BETWEEN year(current_date) - 1 AND year(current_date)
),

summaries AS (
  SELECT
    quarter,
    plan,
    kind,
    count(*) AS executions,
    count(*) FILTER (WHERE result = 'MET') AS met,
    count(*) FILTER (WHERE result = 'MISSED') AS missed,
    min(target_minutes) AS strictest_target_minutes,
    max(actual_minutes) AS slowest_minutes,
    count(actual_minutes) AS launched,
    array_sort(array_agg(actual_minutes) FILTER (WHERE actual_minutes IS NOT NULL)) AS minutes
  FROM executions_of_period
  GROUP BY quarter, plan, kind
)

SELECT
  quarter,
  plan,
  kind,
  executions,
  met,
  missed,
  round(100.0 * met / nullif(met + missed, 0), 1) AS met_percent,
  strictest_target_minutes,
  -- The median: the middle value, or the mean of the two middle values. approx_percentile would be an estimate.
  round(
    (
      element_at(minutes, CAST(floor((launched + 1) / 2.0) AS integer))
      + element_at(minutes, CAST(ceil((launched + 1) / 2.0) AS integer))
    ) / 2,
    1
  ) AS median_minutes,
  round(slowest_minutes, 1) AS slowest_minutes
FROM summaries
ORDER BY quarter DESC, plan, kind
