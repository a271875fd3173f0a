// What the page does. Each function returns what the page could see.

/** Sends a request to the service, and returns what a page of another origin may read of the response. */
async function ask(url, options) {
  try {
    const answer = await fetch(url, options);
    const field = (name) => answer.headers.get(name);
    return {
      status: answer.status,
      challenge: field("www-authenticate"),
      nonce: field("dpop-nonce") !== null,
      body: await answer.text(),
    };
  } catch (error) {
    return { failed: error.name };
  }
}

/** Opens a WebSocket, sends the texts, and waits until it has so many answers, or is closed. */
function talk(url, subprotocols, texts, answers) {
  return new Promise((resolve) => {
    const socket = subprotocols.length ? new WebSocket(url, subprotocols) : new WebSocket(url);
    const heard = [];
    const seen = (end) => resolve({ subprotocol: socket.protocol, heard, ...end });
    socket.onopen = () => texts.forEach((text) => socket.send(text));
    socket.onmessage = (message) => {
      heard.push(message.data);
      if (heard.length === answers) {
        seen({});
        socket.close();
      }
    };
    socket.onclose = (end) => seen({ code: end.code, reason: end.reason });
  });
}

/** Gets a ticket with the token, opens the events with it, and waits for two of them, or until the stream ends. */
async function listen(service, token, untilEnd) {
  const ticket = await ask(`${service}/ticket`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  const url = `${service}/events?ticket=${ticket.body}`;
  return new Promise((resolve) => {
    const events = new EventSource(url);
    let heard = 0;
    const seen = (ended) => {
      events.close();
      resolve({ heard: heard > 1, ended, url });
    };
    events.onmessage = () => {
      heard += 1;
      if (!untilEnd && heard > 1) seen("by the page");
    };
    // The stream ended: the browser connects again with the used ticket, is refused and gives up.
    events.onerror = () => events.readyState === EventSource.CLOSED && seen("by the service");
  });
}

/** Makes a key for DPoP (RFC 9449), and returns its thumbprint (RFC 7638). */
async function makeKey() {
  window.key = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  const { crv, kty, x, y } = await crypto.subtle.exportKey("jwk", window.key.publicKey);
  window.jwk = { crv, kty, x, y };
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(window.jwk)));
  return base64url(hash);
}

/** Asks with a proof of the key: first without a nonce, then with the one of the response. */
async function askWithProof(url, htu, token) {
  const answers = [];
  let nonce;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const dpop = await proof(htu, token, nonce);
    const answer = await fetch(url, { headers: { authorization: `DPoP ${token}`, dpop } });
    nonce = answer.headers.get("dpop-nonce");
    const challenge = answer.headers.get("www-authenticate") ?? "";
    answers.push([answer.status, /error="(\w+)"/.exec(challenge)?.[1] ?? "", await answer.text()]);
  }
  return answers;
}

async function proof(htu, token, nonce) {
  const ath = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
  const claims = { jti: crypto.randomUUID(), htm: "GET", htu, iat: Math.floor(Date.now() / 1000), ath, nonce };
  const parts = [{ typ: "dpop+jwt", alg: "ES256", jwk: window.jwk }, claims];
  const text = parts.map((part) => base64url(new TextEncoder().encode(JSON.stringify(part)))).join(".");
  const signed = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, window.key.privateKey, new TextEncoder().encode(text));
  return `${text}.${base64url(signed)}`;
}

function base64url(bytes) {
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
