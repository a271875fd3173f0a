// Makes DPoP proofs (RFC 9449) with the package `dpop`, damages them, and asks the package `oauth4webapi` about each
// request. The first line of the output has the settings of the resource server. Each further line is one request, and
// the answer of `oauth4webapi`.

import { createHash, createHmac, randomUUID } from 'node:crypto';
import { generateProof } from 'dpop';
import * as oauth from 'oauth4webapi';

const ISSUER = 'https://issuer.test';
const AUDIENCE = 'https://api.example.com';
const PATH = '/orders/7';
const URL_OF_REQUEST = `${AUDIENCE}${PATH}`;
const METHOD = 'POST';

const ALGORITHMS = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  Ed25519: { name: 'Ed25519' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  RS256: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
};
const SIGNING = {
  ES256: { name: 'ECDSA', hash: 'SHA-256' },
  Ed25519: { name: 'Ed25519' },
  PS256: { name: 'RSA-PSS', saltLength: 32 },
  RS256: { name: 'RSASSA-PKCS1-v1_5' },
};

const now = () => Math.floor(Date.now() / 1000);
const base64url = (value) => Buffer.from(value).toString('base64url');
const unbase64url = (text) => Buffer.from(text, 'base64url');
const generate = (alg) => crypto.subtle.generateKey(ALGORITHMS[alg], true, ['sign', 'verify']);
const publicJwk = async (pair) => {
  const { key_ops, ext, alg, ...jwk } = await crypto.subtle.exportKey('jwk', pair.publicKey);
  return jwk;
};
const sign = async (alg, key, input) => Buffer.from(await crypto.subtle.sign(SIGNING[alg], key, Buffer.from(input)));

function thumbprint(jwk) {
  const members = { EC: ['crv', 'kty', 'x', 'y'], OKP: ['crv', 'kty', 'x'], RSA: ['e', 'kty', 'n'] }[jwk.kty];
  const text = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])));
  return createHash('sha256').update(text).digest('base64url');
}

// The issuer of the access tokens.
const issuer = await generate('ES256');
const issuerJwk = { ...(await publicJwk(issuer)), kid: 'issuer', alg: 'ES256', use: 'sig' };

async function accessToken(change = {}) {
  const header = base64url(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: 'issuer' }));
  const claims = {
    iss: ISSUER, aud: AUDIENCE, sub: 'alice', client_id: 'client', jti: randomUUID(), iat: now(), exp: now() + 600, ...change,
  };
  const input = `${header}.${base64url(JSON.stringify(claims))}`;
  return `${input}.${base64url(await sign('ES256', issuer.privateKey, input))}`;
}

// What a client has: its key, a token that is bound to it, and a good proof.
async function client(alg) {
  const pair = await generate(alg);
  const other = await generate(alg);
  const jwk = await publicJwk(pair);
  const token = await accessToken({ cnf: { jkt: thumbprint(jwk) } });
  const foreign = await accessToken({ cnf: { jkt: thumbprint(await publicJwk(other)) } });
  const unbound = await accessToken();
  const good = () => generateProof(pair, URL_OF_REQUEST, METHOD, undefined, token);
  return { alg, pair, other, otherJwk: await publicJwk(other), jwk, token, foreign, unbound, good };
}

// A good proof whose JSON texts `header` and `claims` may change. It is signed anew, with a good signature.
async function signed(kit, { header = (text) => text, claims = (text) => text, key = kit.pair, alg = kit.alg } = {}) {
  const [head, payload] = (await kit.good()).split('.');
  const input = `${base64url(header(unbase64url(head).toString()))}.${base64url(claims(unbase64url(payload).toString()))}`;
  return `${input}.${base64url(await sign(alg, key.privateKey, input))}`;
}
const setting = (change) => (text) => JSON.stringify({ ...JSON.parse(text), ...change });
const without = (name) => (text) => {
  const { [name]: _, ...rest } = JSON.parse(text);
  return JSON.stringify(rest);
};
const member = (text, member) => text.replace(/}$/, `,${member}}`);

// Requests with one thing changed: `name: (kit) => fields`, or proofs only, which stand in one field next to the token.
const header = {
  'typ absent': without('typ'),
  'typ JWT': setting({ typ: 'JWT' }),
  'typ at+jwt': setting({ typ: 'at+jwt' }),
  'typ dpop': setting({ typ: 'dpop' }),
  'typ with a space': setting({ typ: 'dpop+jwt ' }),
  'typ in upper case': setting({ typ: 'DPOP+JWT' }),
  'typ as a media type': setting({ typ: 'application/dpop+jwt' }),
  'typ a number': setting({ typ: 7 }),
  'typ null': setting({ typ: null }),
  'typ an array': setting({ typ: ['dpop+jwt'] }),
  'alg absent': without('alg'),
  'alg none': setting({ alg: 'none' }),
  'alg of another family': (text) => setting({ alg: JSON.parse(text).alg === 'ES256' ? 'PS256' : 'ES256' })(text),
  'alg of a larger hash': (text) => setting({ alg: JSON.parse(text).alg.replace('256', '512') })(text),
  'alg in lower case': (text) => setting({ alg: JSON.parse(text).alg.toLowerCase() })(text),
  'alg a number': setting({ alg: 256 }),
  'alg null': setting({ alg: null }),
  'jwk absent': without('jwk'),
  'jwk null': setting({ jwk: null }),
  'jwk a string': (text) => setting({ jwk: JSON.stringify(JSON.parse(text).jwk) })(text),
  'jwk an array': (text) => setting({ jwk: [JSON.parse(text).jwk] })(text),
  'jwk empty': setting({ jwk: {} }),
  'jwk without kty': (text) => setting({ jwk: { ...JSON.parse(text).jwk, kty: undefined } })(text),
  'jwk of another kty': (text) => setting({ jwk: { ...JSON.parse(text).jwk, kty: 'OKP2' } })(text),
  'jwk symmetric': setting({ jwk: { kty: 'oct', k: 'c2VjcmV0' } }),
  'jwk with a private member': (text) => setting({ jwk: { ...JSON.parse(text).jwk, d: 'AQAB' } })(text),
  'jwk for encryption': (text) => setting({ jwk: { ...JSON.parse(text).jwk, use: 'enc' } })(text),
  'jwk for signatures': (text) => setting({ jwk: { ...JSON.parse(text).jwk, use: 'sig' } })(text),
  'jwk with key_ops verify': (text) => setting({ jwk: { ...JSON.parse(text).jwk, key_ops: ['verify'] } })(text),
  'jwk with key_ops sign': (text) => setting({ jwk: { ...JSON.parse(text).jwk, key_ops: ['sign'] } })(text),
  'jwk with kid': (text) => setting({ jwk: { ...JSON.parse(text).jwk, kid: 'a' } })(text),
  'jwk with its alg': (text) => setting({ jwk: { ...JSON.parse(text).jwk, alg: JSON.parse(text).alg } })(text),
  'jwk with another alg': (text) => setting({ jwk: { ...JSON.parse(text).jwk, alg: 'ES512' } })(text),
  'crit of an unknown name': setting({ crit: ['x'], x: 1 }),
  'crit empty': setting({ crit: [] }),
  'crit a string': setting({ crit: 'jwk' }),
  'b64 false': setting({ b64: false, crit: ['b64'] }),
  'kid in addition': setting({ kid: 'a' }),
  'jku in addition': setting({ jku: 'https://evil.test/jwks' }),
  'unknown member in addition': setting({ x: [1, { y: null }] }),
  'alg twice': (text) => member(text, `"alg":"${JSON.parse(text).alg}"`),
  'jwk twice': (text) => member(text, `"jwk":${JSON.stringify(JSON.parse(text).jwk)}`),
  'header with white space': (text) => JSON.stringify(JSON.parse(text), null, 2),
  'header an array': (text) => `[${text}]`,
  'header null': () => 'null',
  'header no JSON': (text) => text.slice(1),
  'header with a byte order mark': (text) => `\ufeff${text}`,
};

const claims = {
  'jti absent': without('jti'),
  'jti empty': setting({ jti: '' }),
  'jti a number': setting({ jti: 7 }),
  'jti null': setting({ jti: null }),
  'jti an object': setting({ jti: { a: 1 } }),
  'jti long': (text) => setting({ jti: JSON.parse(text).jti.repeat(80) })(text),
  'htm absent': without('htm'),
  'htm in lower case': setting({ htm: 'post' }),
  'htm of another method': setting({ htm: 'GET' }),
  'htm with a space': setting({ htm: 'POST ' }),
  'htm empty': setting({ htm: '' }),
  'htm a number': setting({ htm: 7 }),
  'htm an array': setting({ htm: ['POST'] }),
  'htm null': setting({ htm: null }),
  'htu absent': without('htu'),
  'htu of another host': setting({ htu: `https://evil.test${PATH}` }),
  'htu of a subdomain': setting({ htu: `https://x.api.example.com${PATH}` }),
  'htu with a final dot in the host': setting({ htu: `https://api.example.com.${PATH}` }),
  'htu http': setting({ htu: URL_OF_REQUEST.replace('https', 'http') }),
  'htu of another port': setting({ htu: `https://api.example.com:8443${PATH}` }),
  'htu with the default port': setting({ htu: `https://api.example.com:443${PATH}` }),
  'htu with the host in upper case': setting({ htu: `https://API.Example.com${PATH}` }),
  'htu with the scheme in upper case': setting({ htu: `HTTPS://api.example.com${PATH}` }),
  'htu with the path in upper case': setting({ htu: `${AUDIENCE}/Orders/7` }),
  'htu with a final slash': setting({ htu: `${URL_OF_REQUEST}/` }),
  'htu of the parent': setting({ htu: `${AUDIENCE}/orders` }),
  'htu of another resource': setting({ htu: `${AUDIENCE}/orders/8` }),
  'htu without path': setting({ htu: AUDIENCE }),
  'htu with a query': setting({ htu: `${URL_OF_REQUEST}?a=1` }),
  'htu with a fragment': setting({ htu: `${URL_OF_REQUEST}#a` }),
  'htu with query and fragment': setting({ htu: `${URL_OF_REQUEST}?a=1#a` }),
  'htu with dot segments': setting({ htu: `${AUDIENCE}/a/../orders/./7` }),
  'htu with an encoded letter': setting({ htu: `${AUDIENCE}/%6frders/7` }),
  'htu with an encoded slash': setting({ htu: `${AUDIENCE}/orders%2F7` }),
  'htu with two slashes': setting({ htu: `${AUDIENCE}//orders/7` }),
  'htu with user information': setting({ htu: `https://u:p@api.example.com${PATH}` }),
  'htu relative': setting({ htu: PATH }),
  'htu without scheme': setting({ htu: `//api.example.com${PATH}` }),
  'htu of another scheme': setting({ htu: `ftp://api.example.com${PATH}` }),
  'htu with spaces around': setting({ htu: ` ${URL_OF_REQUEST} ` }),
  'htu with a tab': setting({ htu: `https://api.exa\tmple.com${PATH}` }),
  'htu with backslashes': setting({ htu: 'https:\\\\api.example.com\\orders\\7' }),
  'htu empty': setting({ htu: '' }),
  'htu a number': setting({ htu: 7 }),
  'htu an array': setting({ htu: [URL_OF_REQUEST] }),
  'htu null': setting({ htu: null }),
  'iat absent': without('iat'),
  'iat 290 s ago': () => setting({ iat: now() - 290 }),
  'iat ten minutes ago': () => setting({ iat: now() - 600 }),
  'iat in ten minutes': () => setting({ iat: now() + 600 }),
  'iat in milliseconds': () => setting({ iat: Date.now() }),
  'iat zero': setting({ iat: 0 }),
  'iat negative': () => setting({ iat: -now() }),
  'iat a fraction': () => setting({ iat: now() + 0.5 }),
  'iat a string': () => setting({ iat: String(now()) }),
  'iat null': setting({ iat: null }),
  'iat an array': () => setting({ iat: [now()] }),
  'ath absent': without('ath'),
  'ath of another token': (text, kit) => setting({ ath: createHash('sha256').update(kit.foreign).digest('base64url') })(text),
  'ath padded': (text) => setting({ ath: `${JSON.parse(text).ath}=` })(text),
  'ath in hexadecimal': (text, kit) => setting({ ath: createHash('sha256').update(kit.token).digest('hex') })(text),
  'ath of SHA-512': (text, kit) => setting({ ath: createHash('sha512').update(kit.token).digest('base64url') })(text),
  'ath the token': (text, kit) => setting({ ath: kit.token })(text),
  'ath empty': setting({ ath: '' }),
  'ath a number': setting({ ath: 7 }),
  'ath null': setting({ ath: null }),
  'exp in the future': () => setting({ exp: now() + 60 }),
  'exp in the past': () => setting({ exp: now() - 60 }),
  'nbf in the future': () => setting({ nbf: now() + 600 }),
  'nbf in the past': () => setting({ nbf: now() - 60 }),
  'exp a string': setting({ exp: 'tomorrow' }),
  'nonce in addition': setting({ nonce: 'abc' }),
  'claims in addition': setting({ x: { y: [1] }, sub: 'mallory', iss: 'https://evil.test' }),
  'jti twice': (text) => member(text, '"jti":"another"'),
  'htu twice': (text) => member(text, `"htu":"${URL_OF_REQUEST}"`),
  'claims with white space': (text) => JSON.stringify(JSON.parse(text), null, 2),
  'claims an array': (text) => `[${text}]`,
  'claims null': () => 'null',
  'claims no JSON': (text) => text.slice(0, -1),
  'claims followed by text': (text) => `${text}x`,
  'claims empty': () => '',
};

const flip = (bytes, index) => {
  const copy = Buffer.from(bytes);
  copy[index] ^= 1;
  return copy;
};
const damagedSignature = (change) => async (kit) => {
  const [head, payload, signature] = (await kit.good()).split('.');
  return `${head}.${payload}.${change(unbase64url(signature), `${head}.${payload}`, kit)}`;
};
const text = {
  'signature with a changed first byte': damagedSignature((bytes) => base64url(flip(bytes, 0))),
  'signature with a changed last byte': damagedSignature((bytes) => base64url(flip(bytes, bytes.length - 1))),
  'signature cut off': damagedSignature((bytes) => base64url(bytes.subarray(1))),
  'signature with a byte in addition': damagedSignature((bytes) => base64url(Buffer.concat([bytes, Buffer.from([0])]))),
  'signature empty': damagedSignature(() => ''),
  'signature of zeros': damagedSignature((bytes) => base64url(Buffer.alloc(bytes.length))),
  'signature padded': damagedSignature((bytes) => `${base64url(bytes)}=`),
  'signature in the other alphabet': damagedSignature((bytes) => bytes.toString('base64')),
  'signature with a line break': damagedSignature((bytes) => base64url(bytes).replace(/^(.{10})/, '$1%0a')),
  'signature of another proof': async (kit) => {
    const [one, other] = [await kit.good(), await kit.good()].map((proof) => proof.split('.'));
    return [one[0], one[1], other[2]].join('.');
  },
  'HMAC with the public key': async (kit) => {
    const head = base64url(JSON.stringify({ typ: 'dpop+jwt', alg: 'HS256', jwk: kit.jwk }));
    const input = `${head}.${(await kit.good()).split('.')[1]}`;
    return `${input}.${createHmac('sha256', JSON.stringify(kit.jwk)).update(input).digest('base64url')}`;
  },
  'unsigned': async (kit) => {
    const head = base64url(JSON.stringify({ typ: 'dpop+jwt', alg: 'none', jwk: kit.jwk }));
    return `${head}.${(await kit.good()).split('.')[1]}.`;
  },
  'signed by the other key of the other jwk': (kit) =>
    signed(kit, { header: setting({ jwk: kit.otherJwk }), key: kit.other }),
  'signed by another key': (kit) => signed(kit, { key: kit.other }),
  'jwk of another key': (kit) => signed(kit, { header: setting({ jwk: kit.otherJwk }) }),
  'two parts': async (kit) => (await kit.good()).split('.').slice(0, 2).join('.'),
  'four parts': async (kit) => `${await kit.good()}.`,
  'five parts': async (kit) => `${await kit.good()}.a.b`,
  'a first dot': async (kit) => `.${await kit.good()}`,
  'header padded': async (kit) => (await kit.good()).replace('.', '=.'),
  'a space within': async (kit) => (await kit.good()).replace('.', '. '),
  'quoted': async (kit) => `"${await kit.good()}"`,
  'prefixed with the scheme': async (kit) => `DPoP ${await kit.good()}`,
  'flattened JSON': async (kit) => {
    const [head, payload, signature] = (await kit.good()).split('.');
    return JSON.stringify({ protected: head, payload, signature });
  },
  'two proofs with a comma': async (kit) => `${await kit.good()}, ${await kit.good()}`,
  'the access token': async (kit) => kit.token,
  'a single word': async () => 'proof',
};

const proofs = {
  ...Object.fromEntries(Object.entries(header).map(([name, change]) => [name, (kit) => signed(kit, { header: change })])),
  ...Object.fromEntries(
    Object.entries(claims).map(([name, change]) => [
      name,
      (kit) =>
        signed(kit, {
          claims: (text) => {
            const changed = change(text, kit);
            return typeof changed === 'function' ? changed(text) : changed;
          },
        }),
    ]),
  ),
  ...text,
};

const bound = (kit, cnf) => accessToken({ cnf: { jkt: thumbprint(kit.jwk), ...cnf } });
const proofFor = (kit, token) => generateProof(kit.pair, URL_OF_REQUEST, METHOD, undefined, token);
const withToken = (make, scheme = 'DPoP') => async (kit) => {
  const token = await make(kit);
  return [['authorization', `${scheme} ${token}`], ['dpop', await proofFor(kit, token)]];
};
const requests = {
  'good': async (kit) => [['authorization', `DPoP ${kit.token}`], ['dpop', await kit.good()]],
  'scheme in lower case': async (kit) => [['authorization', `dpop ${kit.token}`], ['dpop', await kit.good()]],
  'two spaces after the scheme': async (kit) => [['authorization', `DPoP  ${kit.token}`], ['dpop', await kit.good()]],
  'no proof': async (kit) => [['authorization', `DPoP ${kit.token}`]],
  'proof empty': async (kit) => [['authorization', `DPoP ${kit.token}`], ['dpop', '']],
  'two fields': async (kit) => [['authorization', `DPoP ${kit.token}`], ['dpop', await kit.good()], ['dpop', await kit.good()]],
  'bound token as Bearer with proof': async (kit) => [['authorization', `Bearer ${kit.token}`], ['dpop', await kit.good()]],
  'bound token as Bearer': async (kit) => [['authorization', `Bearer ${kit.token}`]],
  'unbound token as Bearer': async (kit) => [['authorization', `Bearer ${kit.unbound}`]],
  'unbound token as Bearer with proof': withToken(async (kit) => kit.unbound, 'Bearer'),
  'unbound token': withToken(async (kit) => kit.unbound),
  'token of another client': withToken(async (kit) => kit.foreign),
  'token with jkt of another form': withToken(async (kit) => bound(kit, { jkt: unbase64url(thumbprint(kit.jwk)).toString('hex') })),
  'token with jkt padded': withToken(async (kit) => bound(kit, { jkt: `${thumbprint(kit.jwk)}=` })),
  'token with jkt a number': withToken(async (kit) => bound(kit, { jkt: 7 })),
  'token with jkt null': withToken(async (kit) => bound(kit, { jkt: null })),
  'token with jkt and kid': withToken(async (kit) => bound(kit, { kid: 'a' })),
  'token with jkt and a certificate': withToken(async (kit) => bound(kit, { 'x5t#S256': thumbprint(kit.jwk) })),
  'token with cnf empty': withToken(async () => accessToken({ cnf: {} })),
  'token with cnf a string': withToken(async () => accessToken({ cnf: 'a' })),
  'token expired': withToken(async (kit) => accessToken({ cnf: { jkt: thumbprint(kit.jwk) }, exp: now() - 600 })),
  'token of another audience': withToken(async (kit) => accessToken({ cnf: { jkt: thumbprint(kit.jwk) }, aud: 'https://other.test' })),
  'token of another issuer': withToken(async (kit) => accessToken({ cnf: { jkt: thumbprint(kit.jwk) }, iss: 'https://other.test' })),
  'token with a changed signature': withToken(async (kit) => {
    const [head, payload, signature] = kit.token.split('.');
    return `${head}.${payload}.${base64url(flip(unbase64url(signature), 5))}`;
  }),
};

const server = { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` };
const keys = { jwks: { keys: [issuerJwk] }, uat: now() };

async function judge(fields) {
  const headers = new Headers();
  for (const [name, value] of fields) headers.append(name, value);
  try {
    const request = new Request(URL_OF_REQUEST, { method: METHOD, headers });
    await oauth.validateJwtAccessToken(server, request, AUDIENCE, { [oauth.jwksCache]: keys });
    return { accepted: true };
  } catch (error) {
    return { accepted: false, why: String(error?.message ?? error) };
  }
}

console.log(JSON.stringify({ issuer: ISSUER, audience: AUDIENCE, path: PATH, method: METHOD, jwks: keys.jwks }));
for (const alg of Object.keys(ALGORITHMS)) {
  const kit = await client(alg);
  const rows = {
    ...requests,
    ...Object.fromEntries(
      Object.entries(proofs).map(([name, make]) => [
        name,
        async (kit) => [['authorization', `DPoP ${kit.token}`], ['dpop', await make(kit)]],
      ]),
    ),
  };
  for (const [name, make] of Object.entries(rows)) {
    const fields = await make(kit);
    console.log(JSON.stringify({ alg, name, fields, ...(await judge(fields)) }));
  }
}
