"""An authorization server that is made with Django OAuth Toolkit, on loopback. Its access tokens are opaque.

Its arguments are its port and the lifetime of tokens in seconds. It prints its issuer on one line when it is ready, and ends when its standard input does.

The client "service" gets tokens, and the client "api" asks the introspection endpoint.
"""

import os
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path

PORT, LIFETIME = map(int, sys.argv[1:])
ISSUER = f"http://127.0.0.1:{PORT}/o"

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    # Tables are made without the history of their changes.
    MIGRATION_MODULES={"auth": None, "contenttypes": None, "oauth2_provider": None},
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": LIFETIME,
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "SCOPES": {"read:messages": "", "write:messages": "", "introspection": ""},
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY="a secret for tests",
    USE_TZ=True,
)
django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)

from oauth2_provider.models import Application  # noqa: E402, after the set-up
from oauth2_provider.urls import metadata_urlpatterns  # noqa: E402

for client, secret in [("service", "a secret for tests"), ("api", "the secret: of the API")]:
    Application.objects.create(
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        client_id=client,
        client_secret=secret,
        client_type=Application.CLIENT_CONFIDENTIAL,
        hash_client_secret=False,
    )

urlpatterns = [
    path("o/", include("oauth2_provider.urls")),
    # The metadata is at the root, with the path of the issuer at the end (RFC 8414 §3).
    path("", include((metadata_urlpatterns, "metadata"))),
]


class Quiet(WSGIRequestHandler):
    def log_request(self, *_):
        pass


def end():
    sys.stdin.read()
    os._exit(0)


# One request after another, because the database is in the memory of this thread.
server = make_server("127.0.0.1", PORT, get_wsgi_application(), handler_class=Quiet)
threading.Thread(target=end, daemon=True).start()
print(f"issuer {ISSUER}", flush=True)
server.serve_forever()
