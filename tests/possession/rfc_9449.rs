//! The examples that RFC 9449 prints.

use portcullis::adapter::{Credential, HeaderList, Scheme};
use portcullis::claims::NumericDate;
use portcullis::clock::ManualClock;
use portcullis::possession::Dpop;
use portcullis::verifier::{Evidence, SenderConstraint};
use portcullis::{AuthError, Gate, Verified, Verifier, async_trait};
use serde_json::json;

use crate::support::verdict;

/// RFC 9449 §7.1, figure 12.
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
/// RFC 9449 §6.1, figure 9.
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const ISSUED_AT: i64 = 1_562_262_618;

/// Answers as the introspection endpoint of RFC 9449 §6.2, figure 11.
#[derive(Debug)]
struct Introspected;

#[async_trait]
impl Verifier for Introspected {
    async fn verify(&self, credential: &Credential<'_>) -> Result<Verified, AuthError> {
        assert_eq!(credential.unverified_token(), TOKEN);
        let claims = json!({"sub": "someone@example.com", "exp": 1_562_266_216, "cnf": {"jkt": THUMBPRINT}});
        Ok(Verified::from_claims(&claims, Evidence::Introspection)?)
    }
}

#[tokio::test]
async fn printed_proof_and_token_are_accepted_at_their_time() {
    let request = |path: &str| {
        HeaderList::new("GET", [("Authorization", format!("DPoP {TOKEN}")), ("DPoP", PROOF.to_owned())])
            .with_original_path(path)
    };
    for (path, now, expected) in [
        ("/protectedresource", ISSUED_AT, "accepted"),
        ("/protectedresource", ISSUED_AT + 60, "accepted"),
        ("/protectedresource", ISSUED_AT - 60, "accepted"),
        ("/protectedresource", ISSUED_AT + 61, "proof_too_old"),
        ("/protectedresource", ISSUED_AT - 61, "proof_from_future"),
        ("/otherresource", ISSUED_AT, "proof_wrong_target"),
    ] {
        let gate = Gate::new(Introspected).with_public_url("https://resource.example.org").unwrap();
        let gate = gate.with_dpop(Dpop::required().with_clock(ManualClock::at_unix(now))).unwrap();
        assert_eq!(verdict(&gate, &request(path)).await, expected, "{path} {now}");
    }
}

#[tokio::test]
async fn opaque_token_is_bound_by_its_claims() {
    let caller = Introspected.verify(&Credential::bearer(TOKEN)).await.unwrap();
    let bound = SenderConstraint::Dpop { thumbprint: THUMBPRINT.to_owned() };
    assert_eq!((caller.sender_constraint(), caller.scheme()), (Some(bound), Scheme::Bearer));
    assert_eq!(caller.expires_at(), Some(NumericDate::from_unix(1_562_266_216, 0)));
}
