// Runs in the page. Shows an execution in <drs-job-log>, then adds events and scrolls. Returns times in milliseconds.
window.measureViewer = async ({ events, servers, updates, scrolls }) => {
  const TYPES = [
    "SNAPSHOT_STARTED",
    "SNAPSHOT_COMPLETED",
    "CONVERSION_STARTED",
    "CONVERSION_COMPLETED",
    "SERVER_LAUNCHING",
    "SERVER_LAUNCHED",
  ];
  const start = Date.parse("2026-11-24T12:00:00Z");
  const iso = (ms) => new Date(ms).toISOString().replace("Z", "000Z");
  const serverId = (number) => `s-${String(number).padStart(17, "0")}`;
  const eventOf = (number) => ({
    eventId: `e${number}`,
    timestamp: iso(start + number * 500),
    eventType: TYPES[Math.floor(number / servers) % 6],
    jobId: "drsjob-1",
    sourceServerId: serverId(number % servers),
    serverName: `prod-${number % servers}`,
    resourceId: null,
    ec2InstanceId: null,
    message: `event ${number}`,
    error: null,
    revision: null,
    source: "drs.job-log",
    account: "111122223333",
    region: "us-east-1",
    durationSeconds: null,
  });
  const answerOf = (logs, total) => ({
    executionId: "x",
    status: "IN_PROGRESS",
    settled: false,
    statusReason: null,
    requestedBy: null,
    logs,
    now: iso(start + total * 500 + 1000),
    readAt: iso(start + total * 500),
    waves: [],
    plannedWaves: null,
    nextToken: null,
    truncated: false,
    summary: {
      totalServers: servers,
      pending: 0,
      converting: 0,
      launching: servers - (total % servers),
      skipped: 0,
      completed: 0,
      launched: total % servers,
      failed: 0,
      terminated: 0,
    },
    servers: Array.from({ length: servers }, (_, number) => ({
      sourceServerId: serverId(number),
      serverName: `prod-${number}`,
      ec2InstanceId: null,
      jobId: "drsjob-1",
      state: number < total % servers ? "LAUNCHED" : "LAUNCHING",
      since: iso(start + total * 400),
      error: null,
      hint: null,
      stalledAt: null,
      terminatedAt: null,
      failedActions: [],
      stepSeconds: {},
      estimate: null,
      slow: false,
    })),
    jobs: [
      {
        jobId: "drsjob-1",
        jobType: "LAUNCH",
        initiatedBy: "START_DRILL",
        status: "IN_PROGRESS",
        isDrill: true,
        startedAt: iso(start),
        endedAt: null,
        resources: [],
        requestedBy: null,
      },
    ],
  });

  let sent = Array.from({ length: events }, (_, number) => eventOf(number));
  let total = events;
  let answeredAt = 0;
  const viewer = document.createElement("drs-job-log");
  viewer.fetch = async (url) => {
    if (!url.includes("/logs")) return new Response("{}", { status: 404 });
    const text = JSON.stringify(answerOf(sent, total));
    const response = new Response(text);
    response.text = async () => {
      answeredAt = performance.now();
      return text;
    };
    return response;
  };
  const shown = () =>
    new Promise((resolve) =>
      viewer.addEventListener(
        "drs-job-log-update",
        () => {
          document.body.offsetHeight; // lays the page out
          const took = performance.now() - answeredAt;
          setTimeout(resolve, 50, took);
        },
        { once: true },
      ),
    );

  const first = shown();
  viewer.setAttribute("api-url", location.origin);
  viewer.setAttribute("execution-id", "x");
  document.querySelector("main").append(viewer);
  const result = { first: await first, updates: [], scrolls: [] };
  for (let update = 0; update < updates; update++) {
    sent = Array.from({ length: 5 }, () => eventOf(total++));
    const next = shown();
    viewer.shadowRoot.querySelector(".refresh").click();
    result.updates.push(await next);
  }
  const timeline = viewer.shadowRoot.querySelector(".timeline");
  for (let step = 0; step < scrolls; step++) {
    const began = performance.now();
    timeline.scrollTop += 400;
    timeline.dispatchEvent(new Event("scroll"));
    document.body.offsetHeight;
    result.scrolls.push(performance.now() - began);
    await new Promise(requestAnimationFrame);
  }
  return result;
};
