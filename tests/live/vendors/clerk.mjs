// Clerk's SDK for backends, with the instance's public key given to it: it fetches nothing.

import { createClerkClient, verifyToken } from '@clerk/backend';
import { signedInAuthObject, verifyMachineAuthToken } from '@clerk/backend/internal';
import { judge } from './judge.mjs';

// With `publishableKey` whole requests are judged, with `machines` tokens of that class of machines, and else sessions,
// of which `asks` are conditions for `has`.
await judge(({ publishableKey, machines, asks, ...options }) => {
  if (publishableKey) {
    const clerk = createClerkClient({ publishableKey, secretKey: 'sk_live_unused', telemetry: { disabled: true } });
    return async (token) => {
      const request = new Request('https://app.example.com/', { headers: { authorization: `Bearer ${token}` } });
      const state = await clerk.authenticateRequest(request, options);
      if (!state.toAuth()?.isAuthenticated) throw new Error(`${state.reason}: ${state.message}`);
    };
  }
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
