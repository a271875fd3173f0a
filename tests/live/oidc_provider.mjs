// A certified OpenID provider on loopback, with one client and any number of resource servers.
//
// Its arguments are its port and the lifetime of tokens in seconds. It prints its issuer on one line when it is ready, and
// ends when its standard input does. A line there is an order, which it answers with "done":
//
//   rotate    sign with new keys from now on; the old ones stay published
//   withdraw  publish the newest keys only
//
// A resource indicator (RFC 8707) says which access token is wanted. Its origin is the audience; its query may name the
// signature algorithm: https://api.test/?alg=ES256. The algorithm "opaque" asks for an opaque token. The introspection
// endpoint answers the client "api", plain and signed (RFC 9701).

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const [port, lifetime] = process.argv.slice(2).map(Number);
const issuer = `http://127.0.0.1:${port}`;
const scopes = ['read:messages', 'write:messages'];

function resourceServer(_context, indicator) {
  const { origin, searchParams } = new URL(indicator);
  const alg = searchParams.get('alg') ?? 'RS256';
  const format = alg === 'opaque' ? { accessTokenFormat: 'opaque' } : { accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
  return { ...format, accessTokenTTL: lifetime, audience: origin, scope: scopes.join(' ') };
}

// The RSA and the Ed25519 key are published without alg, because they serve several, as many providers' keys are.
function signingKeys() {
  const pairs = [
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    generateKeyPairSync('ed25519'),
  ];
  return pairs.map(({ privateKey }) => privateKey.export({ format: 'jwk' }));
}

// The newest first: the provider signs with the first key that fits.
const generations = [signingKeys()];

// A provider's keys are fixed, so each change of them makes another one for the same issuer.
function requestHandler() {
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'service',
      client_secret: 'a secret for tests',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
    }, {
      client_id: 'api',
      client_secret: 'the secret: of the API',
      grant_types: [],
      introspection_signed_response_alg: 'ES256',
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
    }],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      jwtIntrospection: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: resourceServer },
      revocation: { enabled: true },
    },
    jwks: { keys: generations.flat() },
    scopes,
  });
  provider.on('server_error', (_context, error) => console.error(error));
  return provider.callback();
}

const orders = {
  rotate() {
    generations.unshift(signingKeys());
  },
  withdraw() {
    generations.length = 1;
  },
};

let handle = requestHandler();
const server = createServer((request, response) => handle(request, response));
server.listen(port, '127.0.0.1', () => console.log(`issuer ${issuer}`));

for await (const order of createInterface({ input: process.stdin })) {
  orders[order]();
  handle = requestHandler();
  console.log('done');
}
process.exit();
