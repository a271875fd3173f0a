// Clerk's SDK for backends, with the instance's public key given to it: it fetches nothing.

import { verifyToken } from '@clerk/backend';
import { signedInAuthObject, verifyMachineAuthToken } from '@clerk/backend/internal';
import { judge } from './judge.mjs';

// `machines` is the class of machines' tokens to accept in the place of sessions; `asks` are conditions for `has`.
await judge(({ machines, asks, ...options }) => {
  if (machines) {
    return async (token) => {
      const { tokenType, errors } = await verifyMachineAuthToken(token, options);
      if (errors) throw errors[0];
      if (tokenType !== machines) throw new Error(`a token of the class ${tokenType}`);
    };
  }
  return async (token) => {
    const claims = await verifyToken(token, options);
    if (!asks) return undefined;
    const { orgId, orgSlug, orgRole, orgPermissions, has } = signedInAuthObject({}, token, claims);
    return { decoded: { orgId, orgSlug, orgRole, orgPermissions, has: asks.map((ask) => has(ask)) } };
  };
});
