// A certified OpenID provider on loopback, with a few clients and any number of resource servers.
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
//
// A token is bound to a key if the client proves that it has one (RFC 9449). Tokens of the client "certified" are bound to its
// certificate (RFC 8705): it uses the token endpoint of `mtls_endpoint_aliases`, over TLS. The variables AUTHORITY, CERTIFICATE
// and KEY have the PEM for that. People log in as anyone, with any password, for the client "app".

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const [port, lifetime] = process.argv.slice(2).map(Number);
const { AUTHORITY: ca, CERTIFICATE: cert, KEY: key } = process.env;
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

// The certificate of the connection, if there is one.
const certificateOf = ({ socket }) => socket.getPeerX509Certificate?.();

const machine = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };

const clients = [{
  ...machine,
  client_id: 'service',
  client_secret: 'a secret for tests',
  token_endpoint_auth_method: 'client_secret_post',
}, {
  ...machine,
  client_id: 'certified',
  tls_client_auth_san_dns: 'certified.test',
  tls_client_certificate_bound_access_tokens: true,
  token_endpoint_auth_method: 'tls_client_auth',
}, {
  ...machine,
  client_id: 'api',
  client_secret: 'the secret: of the API',
  grant_types: [],
  introspection_signed_response_alg: 'ES256',
  token_endpoint_auth_method: 'client_secret_basic',
}, {
  application_type: 'native',
  client_id: 'app',
  redirect_uris: ['http://127.0.0.1/callback'],
  token_endpoint_auth_method: 'none',
}];

// A provider's keys are fixed, so each change of them makes another one for the same issuer.
function requestHandler() {
  const provider = new Provider(issuer, {
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'tls_client_auth', 'none'],
    clients,
    discovery: { mtls_endpoint_aliases: { token_endpoint: `https://127.0.0.1:${tls.address().port}/token` } },
    features: {
      clientCredentials: { enabled: true },
      // Forms for a login and a consent.
      devInteractions: { enabled: true },
      dPoP: { enabled: true },
      introspection: { enabled: true },
      jwtIntrospection: { enabled: true },
      mTLS: {
        enabled: true,
        certificateAuthorized: ({ socket }) => socket.authorized,
        certificateBoundAccessTokens: true,
        certificateSubjectMatches: (context, _property, name) => certificateOf(context).checkHost(name) === name,
        getCertificate: (context) => certificateOf(context)?.toString(),
        tlsClientAuth: true,
      },
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

let handle;
const answer = (request, response) => handle(request, response);
const server = createServer(answer);
const tls = createTlsServer({ ca, cert, key, rejectUnauthorized: false, requestCert: true }, answer);
tls.listen(0, '127.0.0.1', () => {
  handle = requestHandler();
  server.listen(port, '127.0.0.1', () => console.log(`issuer ${issuer}`));
});

for await (const order of createInterface({ input: process.stdin })) {
  orders[order]();
  handle = requestHandler();
  console.log('done');
}
process.exit();
