// What the page shows, and what its forms and buttons do. Text from the service is only ever set as text.

import { call, callSignedIn, listen, tell } from "./client.js";
import { onSubmit, reset } from "./forms.js";
import { ago, dateAndTime, day, sentence, thisBrowser } from "./sentences.js";

const element = (id) => document.getElementById(id);
const VIEWS = ["loading", "unreachable", "login", "register", "account"];
const SESSION_OVER = "This session has ended. Log in again.";
const STALE_AFTER = 60_000; // milliseconds

// Raised by each change of the view, so that an answer that comes too late changes nothing.
let turn = 0;
let loadedAt = 0;

connectForms();
connectButtons();
followTabs();

// A cookie that scripts may read decides what to paint first, and nothing else. The service knows who is logged in.
show(/(?:^|; )(?:__Host-)?logged_in=/.test(document.cookie) ? "loading" : chosenForm());
await load();

function connectForms() {
  // What is said about the last action goes away with the next one.
  document.addEventListener("submit", () => say(""));
  const wrong = { invalid_credentials: ["password", "The e-mail address or the password is wrong"] };
  onSubmit(form("login"), wrong, async (values) => {
    await logIn(values);
    await loggedIn("You are logged in.");
  });

  const exists = { user_exists: ["email", "There is already an account with this address"] };
  onSubmit(form("register"), exists, async ({ photo, ...values }) => {
    await call("POST", "/api/auth/register", photo ? { ...values, photo } : values);
    try {
      await logIn(values);
    } catch (problem) {
      // The account is there, so the same form must not be sent again.
      location.hash = "login";
      signOut(`Your account is ready. ${sentence(problem)}`);
      return;
    }
    await loggedIn("Your account is ready.");
  });

  const current = { invalid_credentials: ["currentPassword", "This is not your current password"] };
  onSubmit(form("account"), current, async (values) => {
    await callAsUser("POST", "/api/auth/password", values);
    reset(form("account"));
    tell({ kind: "sessions changed" });
    await load("Your password is changed. All other sessions have ended.");
  });
}

function connectButtons() {
  onClick(element("logout"), logOut);
  onClick(element("reload"), () => load("The list is up to date."));
  onClick(element("again"), () => load());
}

function followTabs() {
  listen(({ kind }) => {
    if (kind === "logged out" && isShown("account")) signOut("You logged out in another tab.");
    else if (kind === "logged in" || isShown("account")) load();
  });
  document.addEventListener("visibilitychange", () => {
    if (isShown("account") && !document.hidden && Date.now() - loadedAt > STALE_AFTER) load();
  });
  window.addEventListener("online", () => {
    if (isShown("account") || isShown("unreachable")) load();
  });
  window.addEventListener("pageshow", ({ persisted }) => persisted && load());
  window.addEventListener("hashchange", () => {
    if (!isShown("login") && !isShown("register")) return;
    say("");
    show(chosenForm());
  });
}

function logIn({ email, password }) {
  return call("POST", "/api/auth/login", { email, password, label: thisBrowser() });
}

async function loggedIn(message) {
  history.replaceState(null, "", location.pathname);
  tell({ kind: "logged in" });
  await load(message);
}

async function logOut() {
  try {
    await call("POST", "/api/auth/logout");
  } catch (problem) {
    // The session may have ended already. Otherwise the user is still logged in, and must know.
    if (problem.status !== 401) throw problem;
  }
  tell({ kind: "logged out" });
  signOut("You are logged out.");
}

async function endSession(id) {
  try {
    await callAsUser("DELETE", `/api/sessions/${encodeURIComponent(id)}`);
  } catch (problem) {
    // It ended in the meantime, which is what the user wants.
    if (problem.code !== "no_such_session") throw problem;
  }
  tell({ kind: "sessions changed" });
  await load("The session has ended.");
  element("sessions-title").focus();
}

async function callAsUser(method, path, body) {
  try {
    return await callSignedIn(method, path, body);
  } catch (problem) {
    if (problem.signedOut) sessionOver(problem);
    throw problem;
  }
}

/** Asks the service who is logged in and where, shows it, and says `message`. */
async function load(message = "") {
  const mine = ++turn;
  try {
    const answers = [callSignedIn("GET", "/api/users/me"), callSignedIn("GET", "/api/sessions")];
    const [user, sessions] = await Promise.all(answers);
    if (mine !== turn) return;
    loadedAt = Date.now();
    showUser(user);
    showSessions(sessions);
    show("account");
    if (message) say(message);
  } catch (problem) {
    if (!problem.code) throw problem;
    if (mine !== turn) return;
    if (problem.signedOut) return sessionOver(problem);
    if (!isShown("account")) show("unreachable");
    warn(sentence(problem));
  }
}

function sessionOver(problem) {
  // A visitor without a login has not lost one.
  const hadOne = isShown("account") || problem.code !== "no_refresh_token";
  if (isShown("account")) tell({ kind: "session over" });
  signOut(hadOne ? SESSION_OVER : "");
}

/** Shows the form for the login, and leaves nothing of the account on the page. */
function signOut(message) {
  turn++;
  for (const id of ["me-name", "me-email", "me-role", "me-since", "me-initials"]) element(id).textContent = "";
  element("me-photo").removeAttribute("src");
  element("sessions").replaceChildren();
  element("password-account").value = "";
  show(chosenForm());
  say(message);
}

function showUser({ name, email, photo, role, created_at }) {
  element("me-name").textContent = name;
  element("me-email").textContent = email;
  element("me-role").textContent = role;
  element("me-since").textContent = day(new Date(created_at));
  element("password-account").value = email;

  const words = name.trim().split(/\s+/).map((word) => [...word][0] ?? "");
  element("me-initials").textContent = [words[0], words.length > 1 ? words.at(-1) : ""].join("").toUpperCase();
  const image = element("me-photo");
  image.hidden = true;
  image.onload = () => (image.hidden = false);
  if (photo && /^https:\/\//.test(photo)) image.src = photo;
  else image.removeAttribute("src");
}

function showSessions(sessions) {
  const currentFirst = sessions.toSorted((one, other) => other.current - one.current);
  const rows = currentFirst.map(({ id, label, created_at, last_used_at, current }) => {
    const row = element("session").content.cloneNode(true).firstElementChild;
    const began = dateAndTime(new Date(created_at));
    row.querySelector(".label").textContent = label ?? "Without a name";
    row.querySelector(".here").hidden = !current;
    row.querySelector(".began").textContent = `Since ${began}`;
    row.querySelector(".active").textContent = `Active ${ago(new Date(last_used_at))}`;
    const button = row.querySelector("button");
    button.hidden = current;
    button.ariaLabel = `End the session ${label ?? ""} that began ${began}`;
    onClick(button, () => endSession(id));
    return row;
  });
  element("sessions").replaceChildren(...rows);
}

/** Shows one of the views, and moves the focus to its heading if another one was shown before. */
function show(view) {
  const before = VIEWS.find(isShown);
  if (before === view) return;
  for (const id of VIEWS) element(id).hidden = id !== view;
  for (const form of document.querySelectorAll("form")) reset(form);
  element("logout").hidden = view !== "account";
  const heading = element(view).querySelector("h1");
  document.title = heading && view !== "account" ? `${heading.textContent} · Portcullis sessions` : "Portcullis sessions";
  if (before) heading?.focus();
}

function isShown(view) {
  return !element(view).hidden;
}

function chosenForm() {
  return location.hash === "#register" ? "register" : "login";
}

function say(message) {
  element("status").textContent = message;
  element("alert").textContent = "";
}

function warn(message) {
  element("status").textContent = "";
  element("alert").textContent = message;
}

function onClick(button, run) {
  button.addEventListener("click", async () => {
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    say("");
    try {
      await run();
    } catch (problem) {
      if (!problem.code) throw problem;
      if (!problem.signedOut) warn(sentence(problem));
    } finally {
      button.ariaDisabled = "false";
    }
  });
}

function form(view) {
  return element(view).querySelector("form");
}
