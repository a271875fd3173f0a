// Starts Swagger UI with the document of this server.
const at = (path) => new URL(path, location.href).href;

const page = SwaggerUIBundle({
  url: at('openapi.json'),
  dom_id: '#swagger-ui',
  oauth2RedirectUrl: at('docs/oauth2-redirect.html'),
  // It would send the document to a server of the vendor.
  validatorUrl: null,
});

// The name that this page has at the authorization server. The dialog lets the user change it.
page.initOAuth({ clientId: 'docs', usePkceWithAuthorizationCodeGrant: true });
