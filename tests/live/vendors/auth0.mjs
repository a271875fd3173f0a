// Auth0's middleware for Express, in an application on loopback.

import express from 'express';
import { auth, claimIncludes, requiredScopes } from 'express-oauth2-jwt-bearer';
import { judge } from './judge.mjs';

await judge(async ({ issuer, audience, strict, scope, permission }) => {
  const app = express();
  app.use(auth({ issuerBaseURL: issuer, audience, strict }));
  if (scope) app.use(requiredScopes(scope));
  if (permission) app.use(claimIncludes('permissions', permission));
  app.get('/', (_request, response) => response.sendStatus(204));
  app.use((error, _request, response, _next) => response.status(error.status ?? 500).send(error.message));
  const server = await new Promise((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening));
  });
  const url = `http://127.0.0.1:${server.address().port}/`;

  return async (token) => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    const text = await response.text();
    if (response.status >= 500) {
      console.error(text);
      process.exit(1);
    }
    if (response.status !== 204) throw new Error(text);
  };
});
