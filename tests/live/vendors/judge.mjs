// What is common to the vendors' verifiers. Standard input is JSON, one value a line: first the settings, then tokens.
// Each token is answered with one line: whether it is accepted, and if not, why.

import { createInterface } from 'node:readline';

// `prepare` takes the settings and returns the verifier: a function of the token that throws when it refuses. What it
// returns as `decoded` is part of the answer.
export async function judge(prepare) {
  let verify;
  for await (const line of createInterface({ input: process.stdin })) {
    const value = JSON.parse(line);
    if (verify === undefined) {
      verify = await prepare(value);
      continue;
    }
    console.log(JSON.stringify(await verdict(verify, value.token)));
  }
  process.exit();
}

async function verdict(verify, token) {
  try {
    const result = await verify(token);
    return { accepted: true, decoded: result?.decoded };
  } catch (error) {
    return { accepted: false, why: String(error?.message ?? error) };
  }
}
