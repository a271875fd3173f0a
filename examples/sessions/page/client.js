// Requests to the API, and how the tabs of one browser share a login.
//
// The tokens are in cookies that scripts cannot read, so this file neither sees nor stores one. It knows that the access
// token has expired when a request is answered with 401. Then it refreshes once and sends the request once more.

const TIMEOUT = 15_000;

/** Why a request did not succeed. `code` is the API's, or `offline` when there was no answer. */
export class Problem extends Error {
  constructor(code, { status = 0, fields = {}, wait = 0 } = {}) {
    super(code);
    this.code = code;
    this.status = status;
    /** Names of fields, each with a sentence that says what is wrong. */
    this.fields = fields;
    /** The seconds to wait before the next attempt; 0 when the service does not say. */
    this.wait = wait;
    /** Whether the session is over, so that the user has to log in again. */
    this.signedOut = false;
  }
}

/** Sends a request that needs no login. Returns the JSON of the answer. */
export async function call(method, path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      body: body && JSON.stringify(body),
      headers: body ? { "content-type": "application/json" } : {},
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(TIMEOUT),
    });
  } catch {
    throw new Problem("offline");
  }
  const json = await answer.json().catch(() => null);
  if (answer.ok) return json;
  throw new Problem(json?.error ?? `http_${answer.status}`, {
    status: answer.status,
    fields: json?.fields,
    wait: Number(answer.headers.get("retry-after")) || 0,
  });
}

/** Sends a request of the user who is logged in. A 401 is answered with one refresh and one more attempt. */
export async function callSignedIn(method, path, body) {
  const sentAt = Date.now();
  try {
    return await call(method, path, body);
  } catch (problem) {
    if (problem.status !== 401) throw problem;
  }
  await refresh(sentAt);
  try {
    return await call(method, path, body);
  } catch (problem) {
    problem.signedOut = problem.status === 401;
    throw problem;
  }
}

// The refresh that other requests of this tab wait for.
let pending = null;

function refresh(sentAt) {
  pending ??= refreshInOneTab(sentAt).finally(() => (pending = null));
  return pending;
}

// Only one tab refreshes at a time. The others wait for the lock, and then find that it is done.
async function refreshInOneTab(sentAt) {
  // Without Web Locks, several tabs may refresh at once. The service then gives all of them the same new token.
  if (!navigator.locks) return requestTokens();
  await navigator.locks.request("portcullis refresh", async () => {
    if ((await lastRefresh()) > sentAt) return;
    await requestTokens();
    await remember(Date.now());
  });
}

async function requestTokens() {
  try {
    await call("POST", "/api/auth/refresh");
  } catch (problem) {
    // Only these two mean that the session is over. After any other answer it may be as good as before.
    problem.signedOut = problem.code === "session_ended" || problem.code === "no_refresh_token";
    throw problem;
  }
}

// A message to another tab can be late, and so can local storage. But all tabs agree on which locks are held. So a tab that has
// refreshed keeps a lock whose name has the time.
const MARK = "portcullis refreshed at ";
let forget = () => {};

async function lastRefresh() {
  const { held } = await navigator.locks.query();
  const times = held.filter(({ name }) => name.startsWith(MARK)).map(({ name }) => Number(name.slice(MARK.length)));
  // A time in the future means that the clock was set back.
  return Math.max(0, ...times.filter((time) => time <= Date.now()));
}

function remember(time) {
  forget();
  return new Promise((isHeld) => {
    navigator.locks.request(MARK + time, { mode: "shared" }, () => {
      isHeld();
      return new Promise((release) => (forget = release));
    });
  });
}

const tabs = new BroadcastChannel("portcullis sessions");

/** Tells the other tabs of this browser what happened here. */
export function tell(event) {
  tabs.postMessage(event);
}

/** Calls `listener` with what other tabs tell. */
export function listen(listener) {
  tabs.addEventListener("message", ({ data }) => listener(data));
}
