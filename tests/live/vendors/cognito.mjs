// Amazon's verifier for Cognito, with the pool's keys given to it: it fetches nothing.

import { CognitoJwtVerifier } from 'aws-jwt-verify';
import { judge } from './judge.mjs';

await judge(({ userPoolId, tokenUse, clientId, groups, jwks }) => {
  const verifier = CognitoJwtVerifier.create({ userPoolId, tokenUse, clientId, groups });
  verifier.cacheJwks(jwks);
  return (token) => verifier.verifySync(token);
});
