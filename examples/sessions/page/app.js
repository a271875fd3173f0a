"use strict";

const status = document.querySelector("#status");

async function showUser() {
  const response = await fetch("/api/users/me");
  const user = response.ok ? await response.json() : null;
  status.textContent = user ? `You are ${user.name}.` : "You are not logged in.";
}

showUser();
