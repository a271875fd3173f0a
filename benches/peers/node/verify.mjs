// Verifies tokens for the driver: `node verify.mjs LIBRARY {"issuer","audience","jwksUrl","lifetime"}`.
//
// Each line of standard input is `ID TOKEN`, each line of standard output `ID OUTCOME MICROSECONDS`, timed here.

import { createInterface } from 'node:readline'

const [library, given] = process.argv.slice(2)
const provider = JSON.parse(given)
const verify = await { jose, 'jwks-rsa': jwksRsa }[library](provider)

createInterface({ input: process.stdin }).on('line', async (line) => {
  const [id, token] = line.split(' ')
  const start = process.hrtime.bigint()
  const outcome = await verify(token).then(() => 'accepted', ({ unavailable }) => (unavailable ? 'unavailable' : 'refused'))
  process.stdout.write(`${id} ${outcome} ${(process.hrtime.bigint() - start) / 1000n}\n`)
})

/** As its documentation of createRemoteJWKSet has it. */
async function jose({ issuer, audience, jwksUrl, lifetime }) {
  const { createRemoteJWKSet, errors, jwtVerify } = await import('jose')
  const keys = createRemoteJWKSet(new URL(jwksUrl), lifetime ? { cacheMaxAge: lifetime } : {})
  // Its documented classes: a token that is bad, or a key set that has no such key. Anything else is the fetch.
  const isRefusal = (error) =>
    error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWTClaimValidationFailed ||
    error instanceof errors.JWTExpired || error instanceof errors.JWTInvalid || error instanceof errors.JWSInvalid ||
    error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JOSEAlgNotAllowed
  return (token) => jwtVerify(token, keys, { issuer, audience }).catch((error) => { throw { unavailable: !isRefusal(error) } })
}

/** As its README has it, with jsonwebtoken and the cache and the rate limit that it recommends. */
async function jwksRsa({ issuer, audience, jwksUrl, lifetime }) {
  const { default: jwksClient } = await import('jwks-rsa')
  const { default: jsonwebtoken } = await import('jsonwebtoken')
  const options = { jwksUri: jwksUrl, cache: true, rateLimit: true, jwksRequestsPerMinute: 5 }
  const client = jwksClient(lifetime ? { ...options, cacheMaxAge: lifetime } : options)
  const key = ({ kid }, done) => client.getSigningKey(kid).then((found) => done(null, found.getPublicKey()), done)
  return (token) => new Promise((resolve, reject) => {
    jsonwebtoken.verify(token, key, { issuer, audience, algorithms: ['RS256'] }, (error, claims) => {
      if (!error) return resolve(claims)
      // It wraps what the key callback says.
      const unknown = /Unable to find a signing key/.test(error.message)
      reject({ unavailable: !unknown && /error in secret or public key callback/.test(error.message) })
    })
  })
}
