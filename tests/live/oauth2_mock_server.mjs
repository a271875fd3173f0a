// A server of oauth2-mock-server on loopback. It asks for no secret: every client gets what it wants.
//
// Its arguments are its port and the lifetime of tokens in seconds. It prints its issuer on one line when it is ready, and
// ends when its standard input does. A line there is an order, which it answers with "done":
//
//   rotate    sign with new keys too; the server signs with each of its keys in turn
//   withdraw  publish the newest keys only

import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { OAuth2Issuer, OAuth2Service } from 'oauth2-mock-server';

const [port, lifetime] = process.argv.slice(2).map(Number);
const issuer = `http://localhost:${port}/`;

async function keys() {
  const { keys } = new OAuth2Issuer();
  return Promise.all(['RS256', 'PS256', 'ES256', 'EdDSA'].map((algorithm) => keys.generate(algorithm)));
}

async function service() {
  const made = new OAuth2Service(new OAuth2Issuer());
  made.issuer.url = issuer;
  made.on('beforeTokenSigning', ({ payload }) => {
    payload.exp = payload.iat + lifetime;
  });
  await publish(made);
  return made;
}

async function publish({ issuer }) {
  for (const key of newest) {
    await issuer.keys.add(key);
  }
}

let newest = await keys();
let current = await service();

const orders = {
  async rotate() {
    newest = await keys();
    await publish(current);
  },
  // The server has no way to take a key away, so this makes another one for the same issuer.
  async withdraw() {
    current = await service();
  },
};

const server = createServer((request, response) => current.requestHandler(request, response));
server.listen(port, '127.0.0.1', () => console.log(`issuer ${issuer}`));

for await (const order of createInterface({ input: process.stdin })) {
  await orders[order]();
  console.log('done');
}
process.exit();
