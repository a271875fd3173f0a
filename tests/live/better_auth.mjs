// A server of better-auth on loopback, which keeps its users in memory. Its plug-in for JWTs makes tokens of sessions.
//
// Its argument is its port. It prints its issuer on one line when it is ready, and ends when its standard input does.

import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

const auth = betterAuth({
  baseURL: issuer,
  database: memoryAdapter({ account: [], jwks: [], session: [], user: [], verification: [] }),
  emailAndPassword: { enabled: true },
  plugins: [jwt({
    jwt: { audience: 'https://api.test', definePayload: () => ({ scope: 'read:messages' }) },
  })],
  secret: 'a secret for tests, which has 32 bytes or more',
  telemetry: { enabled: false },
});

const server = createServer(toNodeHandler(auth));
server.listen(port, '127.0.0.1', () => console.log(`issuer ${issuer}`));

createInterface({ input: process.stdin }).on('close', () => process.exit());
