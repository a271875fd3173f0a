"""fastapi-azure-auth, with issuer and keys given to it: it fetches nothing.

Standard input is JSON, one value a line: first the settings, then tokens. Each token is answered with one line: whether
it is accepted, and if not, why.
"""

import asyncio
import json
import logging
import sys
from datetime import datetime

from fastapi.security import SecurityScopes
from fastapi_azure_auth import (
    B2CMultiTenantAuthorizationCodeBearer,
    MultiTenantAzureAuthorizationCodeBearer,
    SingleTenantAzureAuthorizationCodeBearer,
)
from fastapi_azure_auth.exceptions import UnauthorizedHttp
from starlette.exceptions import HTTPException
from starlette.requests import Request


def verifier(settings):
    # How far clocks may differ is ours; guests are a matter of policy.
    common = {"app_client_id": settings["audience"], "leeway": 5}
    kind = settings["kind"]
    if kind == "single":
        scheme = SingleTenantAzureAuthorizationCodeBearer(
            tenant_id=settings["tenant"], allow_guest_users=True, **common
        )
        scheme.openid_config.issuer = settings["issuer"]
    else:

        async def issuer_of(tid):
            accepted = settings["tenants"]
            if accepted is not None and tid not in accepted:
                raise UnauthorizedHttp("tenant not accepted")
            # As its documentation has it.
            return settings["issuer"].replace("{tenantid}", str(tid))

        if kind == "b2c":
            scheme = B2CMultiTenantAuthorizationCodeBearer(iss_callable=issuer_of, **common)
        else:
            scheme = MultiTenantAzureAuthorizationCodeBearer(
                iss_callable=issuer_of, allow_guest_users=True, **common
            )
        scheme.openid_config.issuer = settings["issuer"]
    scheme.openid_config._load_keys(settings["jwks"]["keys"])
    scheme.openid_config._config_timestamp = datetime.now()
    scopes = SecurityScopes(settings["scopes"])

    async def verify(token):
        field = (b"authorization", f"Bearer {token}".encode())
        request = Request({"type": "http", "method": "GET", "path": "/", "headers": [field]})
        try:
            await scheme(request, scopes)
        except HTTPException as refused:
            return {"accepted": False, "why": str(refused.detail)}
        return {"accepted": True}

    return verify


def main():
    # It logs the tokens that it refuses.
    logging.disable(logging.CRITICAL)
    verify = verifier(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        verdict = asyncio.run(verify(json.loads(line)["token"]))
        print(json.dumps(verdict), flush=True)


main()
