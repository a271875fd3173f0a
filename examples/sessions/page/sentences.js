// What the page says about problems, in plain words.

const SENTENCES = {
  cross_site_request: "The service does not accept requests from this address. Open the page at its public address.",
  invalid_input: "Some fields need a change.",
  no_such_session: "This session has already ended.",
  offline: "The service does not answer. Check your connection and try again.",
  rate_limited: "Too many attempts.",
  temporarily_unavailable: "The service is unavailable for the moment.",
  user_unverified: "Confirm your e-mail address before you log in.",
};

/** Returns a sentence about `problem`, and when to try again if the service says so. */
export function sentence({ code, wait }) {
  const what = SENTENCES[code] ?? "Something went wrong on the service.";
  if (wait > 0) return `${what} Try again in ${duration(wait)}.`;
  return code === "rate_limited" || code === "temporarily_unavailable" || !(code in SENTENCES)
    ? `${what} Try again in a while.`
    : what;
}

function duration(seconds) {
  const [number, unit] = seconds < 100 ? [seconds, "second"] : [Math.ceil(seconds / 60), "minute"];
  return new Intl.NumberFormat("en", { style: "unit", unit, unitDisplay: "long" }).format(number);
}

/** Returns how long ago `date` was, for example "5 minutes ago". */
export function ago(date) {
  const seconds = Math.max(0, (Date.now() - date) / 1000);
  if (seconds < 60) return "just now";
  const [size, unit] = [[86_400, "day"], [3_600, "hour"], [60, "minute"]].find(([size]) => seconds >= size);
  return new Intl.RelativeTimeFormat("en", { numeric: "always" }).format(-Math.floor(seconds / size), unit);
}

/** Returns `date` with the time of day, for example "26 Nov 2026, 20:18". */
export const dateAndTime = formatter({ dateStyle: "medium", timeStyle: "short" });

/** Returns `date` as a day, for example "26 November 2026". */
export const day = formatter({ dateStyle: "long" });

// The page is in English, and "en-GB" puts the day first and counts hours to 24.
function formatter(style) {
  const format = new Intl.DateTimeFormat("en-GB", style);
  return (date) => format.format(date);
}

/** Returns what this browser is called in the list of sessions, for example "Firefox on Linux". */
export function thisBrowser() {
  const names = [[/Edg/, "Edge"], [/OPR/, "Opera"], [/Firefox/, "Firefox"], [/Chrom/, "Chrome"], [/Safari/, "Safari"]];
  const systems = [[/Android/, "Android"], [/iPhone|iPad/, "iOS"], [/Windows/, "Windows"], [/Mac/, "macOS"], [/Linux/, "Linux"]];
  const first = (list, other) => list.find(([pattern]) => pattern.test(navigator.userAgent))?.[1] ?? other;
  return `${first(names, "A browser")} on ${first(systems, "another system")}`;
}
