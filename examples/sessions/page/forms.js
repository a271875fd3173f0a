// Forms. What is wrong with a field is said next to it.

import { sentence } from "./sentences.js";

/**
 * Calls `send` with the values of `form` when it is submitted and filled in properly. A problem that `send` throws is shown
 * next to its field: `about` has, for a code of the API, the name of the field and optionally the sentence to show there.
 */
export function onSubmit(form, about, send) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true" || !check(form)) return;
    setBusy(form, true);
    try {
      await send(Object.fromEntries(new FormData(form)));
    } catch (problem) {
      explain(form, about, problem);
    } finally {
      setBusy(form, false);
    }
  });
  form.addEventListener("input", ({ target }) => complain(target, ""));
  for (const button of form.querySelectorAll(".reveal")) {
    button.addEventListener("click", () => reveal(button, button.ariaPressed !== "true"));
  }
}

/** Empties `form`, removes what it says, and covers its passwords. */
export function reset(form) {
  form.reset();
  for (const input of inputs(form)) complain(input, "");
  for (const button of form.querySelectorAll(".reveal")) reveal(button, false);
  form.querySelector(".whole").textContent = "";
}

function check(form) {
  form.querySelector(".whole").textContent = "";
  const wrong = inputs(form).filter((input) => complain(input, fault(input)));
  wrong[0]?.focus();
  return wrong.length === 0;
}

// The service checks all of this again.
function fault(input) {
  const { validity, minLength, dataset, form, type } = input;
  if (validity.valueMissing) return "Fill in this field";
  if (validity.typeMismatch || validity.patternMismatch) {
    return type === "email" ? "Write an e-mail address such as ada@example.com" : "Write an address that starts with https://";
  }
  if (input.value.length < minLength) return `Write at least ${minLength} characters`;
  if (dataset.sameAs && input.value !== form.elements[dataset.sameAs].value) return "Write the same password twice";
  return "";
}

function explain(form, about, problem) {
  if (!problem.code) throw problem;
  if (problem.signedOut) return;
  const faults = { ...problem.fields };
  const [name, text = sentence(problem)] = about[problem.code] ?? [];
  if (name) faults[name] = text;

  const known = inputs(form).filter((input) => complain(input, faults[input.name] ?? ""));
  known[0]?.focus();
  // What belongs to no field of this form is said above the button.
  const rest = Object.keys(faults).filter((name) => !form.elements[name]).map((name) => `${name}: ${faults[name]}`);
  if (known.length === 0 && rest.length === 0) rest.push(sentence(problem));
  form.querySelector(".whole").textContent = rest.join(" ");
}

function complain(input, text) {
  const place = document.getElementById(`${input.id}-error`);
  if (!place) return false;
  place.textContent = text;
  if (text) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  return text !== "";
}

function setBusy(form, busy) {
  form.ariaBusy = String(busy);
  form.querySelector(".primary").ariaDisabled = String(busy);
}

function reveal(button, visible) {
  button.ariaPressed = String(visible);
  button.textContent = visible ? "Hide" : "Show";
  button.parentElement.querySelector("input").type = visible ? "text" : "password";
}

function inputs(form) {
  return [...form.querySelectorAll("input[name]")];
}
