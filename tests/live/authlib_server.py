"""An OpenID provider that is made with Authlib and Flask, on loopback, with one client.

Its arguments are its port and the lifetime of tokens in seconds. It prints its issuer on one line when it is ready, and ends
when its standard input does. A line there is an order, which it answers with "done":

  rotate    sign with new keys from now on; the old ones stay published
  withdraw  publish the newest keys only

The parameter "resource" of a token request is the audience. Its query may name the signature algorithm:
https://api.test/?alg=ES256.
"""

import os
import sys
import threading
from urllib.parse import parse_qs, urlsplit

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, request
from joserfc.jwk import ECKey, KeySet, RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

PORT, LIFETIME = map(int, sys.argv[1:])
ISSUER = f"http://127.0.0.1:{PORT}"
SCOPES = ["read:messages", "write:messages"]


class Client(ClientMixin):
    """The only client."""

    client_id = "service"

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return " ".join(part for part in scope.split() if part in SCOPES)

    def check_client_secret(self, client_secret):
        return client_secret == "a secret for tests"

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_post"

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


def new_keys():
    return {
        algorithm: key.generate_key(size, {"alg": algorithm, "use": "sig"}, auto_kid=True)
        for algorithm, key, size in [("RS256", RSAKey, 2048), ("ES256", ECKey, "P-256")]
    }


# The newest first.
generations = [new_keys()]


class Tokens(JWTBearerTokenGenerator):
    def __init__(self, algorithm):
        super().__init__(ISSUER, algorithm, expires_generator=lambda *_: LIFETIME)

    def get_jwks(self):
        return KeySet([generations[0][self.alg]])

    def get_audiences(self, client, user, scope):
        resource = request.form.get("resource")
        return resource.partition("/?")[0] if resource else client.get_client_id()


class Server(AuthorizationServer):
    """Signs with the algorithm that the resource names."""

    tokens = {algorithm: Tokens(algorithm) for algorithm in generations[0]}

    def generate_token(self, *args, **kwargs):
        algorithm = parse_qs(urlsplit(request.form.get("resource", "")).query).get("alg", ["RS256"])[0]
        return self.tokens[algorithm](*args, **kwargs)


app = Flask(__name__)
server = Server(app, lambda client_id: Client() if client_id == Client.client_id else None, lambda *_: None)
server.register_grant(grants.ClientCredentialsGrant)
grants.ClientCredentialsGrant.TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post"]


@app.get("/.well-known/openid-configuration")
def metadata():
    return {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", "token_endpoint": f"{ISSUER}/token"}


@app.get("/keys")
def keys():
    return KeySet([key for generation in generations for key in generation.values()]).as_dict(private=False)


@app.post("/token")
def token():
    return server.create_token_response()


class Quiet(WSGIRequestHandler):
    def log_request(self, *_):
        pass


def orders():
    for order in sys.stdin:
        if order.strip() == "rotate":
            generations.insert(0, new_keys())
        else:
            del generations[1:]
        print("done", flush=True)
    os._exit(0)


listener = make_server("127.0.0.1", PORT, app, threaded=True, request_handler=Quiet)
threading.Thread(target=orders, daemon=True).start()
print(f"issuer {ISSUER}", flush=True)
listener.serve_forever()
