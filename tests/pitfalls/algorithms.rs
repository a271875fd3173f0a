//! The key and the allow-list choose the algorithm, never the token.

use portcullis::error::InvalidToken;
use portcullis::jose::{Algorithm, AlgorithmSet};
use portcullis::keys::FixedKeys;
use portcullis::verifier::jws;
use portcullis::{Config, Gate, Reason};
use portcullis_testing::TestIssuer;

use crate::support::{admitted, builder_with, gate_for_jwks, generated, refused, with_member};

#[tokio::test]
async fn the_algorithm_is_not_taken_from_the_token() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256, Algorithm::Es256]);
    let gate = Gate::new(issuer.verifier().algorithms(Algorithm::Es256).build().unwrap());
    // Correctly signed, with a key of the verifier.
    let token = issuer.token().algorithm(Algorithm::Rs256).sign();
    assert_eq!(refused(&gate, &token).await, InvalidToken::AlgorithmNotAllowed);
    admitted(&gate, &issuer.token().algorithm(Algorithm::Es256).sign()).await;
    admitted(&issuer.gate(), &token).await;
}

#[tokio::test]
async fn a_key_serves_only_its_own_alg() {
    let issuer = TestIssuer::new();
    let allowed = [Algorithm::Rs256, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Es256];
    let gate = Gate::new(issuer.verifier().algorithms(allowed).build().unwrap());
    for claimed in ["RS512", "PS256", "ES256"] {
        let token = issuer.token().header("alg", claimed).sign();
        assert_eq!(refused(&gate, &token).await, InvalidToken::UnknownKey, "{claimed}");
    }
    admitted(&gate, &issuer.token().sign()).await;
}

#[tokio::test]
async fn the_algorithm_of_the_header_is_used() {
    let issuer = TestIssuer::new();
    // Without `alg`, the key serves all RSA algorithms.
    let gate = gate_for_jwks(&issuer, &[with_member(issuer.first_key().jwk(), "alg", serde_json::Value::Null)]);
    for claimed in ["RS384", "RS512", "PS256", "PS384", "PS512"] {
        let token = issuer.token().header("alg", claimed).sign();
        assert_eq!(refused(&gate, &token).await, InvalidToken::BadSignature, "{claimed}");
    }
    admitted(&gate, &issuer.token().sign()).await;
}

#[tokio::test]
async fn an_empty_allow_list_is_an_error() {
    let issuer = TestIssuer::new();
    let none: [Algorithm; 0] = [];
    for algorithms in [AlgorithmSet::EMPTY, none.into(), none.into_iter().collect(), AlgorithmSet::default()] {
        let error = issuer.verifier().algorithms(algorithms).build().unwrap_err();
        assert_eq!(error.field(), "algorithms");
    }
    let mut config = Config::new(issuer.url(), issuer.audience());
    config.algorithms = Some(Vec::new());
    assert_eq!(config.builder_with(issuer.keys()).build().unwrap_err().field(), "algorithms");

    let token = issuer.token().sign();
    let error = jws::verify(&token, &issuer.keys(), AlgorithmSet::EMPTY).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::AlgorithmNotAllowed));
    assert!(jws::verify(&token, &issuer.keys(), Algorithm::Rs256.into()).await.is_ok());
    config.algorithms = Some(vec![Algorithm::Rs256]);
    admitted(&Gate::new(config.builder_with(issuer.keys()).build().unwrap()), &token).await;
}

#[test]
fn an_allow_list_that_no_key_serves_is_an_error() {
    let issuer = TestIssuer::new();
    assert_eq!(
        issuer.verifier().algorithms(Algorithm::Es256).build().unwrap_err().to_string(),
        "algorithms: no key serves any of the allowed algorithms (ES256); allow one of those that the keys serve, as \
         KeyProvider::algorithms says: RS256"
    );
    let no_keys = builder_with(&issuer, FixedKeys::keys([]));
    assert_eq!(no_keys.build().unwrap_err().field(), "algorithms");
    assert!(issuer.verifier().algorithms([Algorithm::Es256, Algorithm::Rs256]).build().is_ok());
}

#[tokio::test]
async fn allowing_hmac_makes_no_secret_of_public_keys() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Rs256]);
    let gate = Gate::new(issuer.verifier().algorithms([Algorithm::Rs256, Algorithm::Hs256]).build().unwrap());
    let forgeries = issuer.forgeries();
    let confused: Vec<_> = forgeries.iter().filter(|forgery| forgery.name.starts_with("HS256 keyed with")).collect();
    assert_eq!(confused.len(), 5);
    for forgery in confused {
        assert_eq!(refused(&gate, &forgery.token).await, InvalidToken::UnknownKey, "{}", forgery.name);
        assert_eq!(refused(&issuer.gate(), &forgery.token).await, InvalidToken::AlgorithmNotAllowed);
    }
    admitted(&gate, &issuer.token().sign()).await;
}

#[tokio::test]
async fn a_secret_needs_the_length_of_its_hash() {
    let issuer = TestIssuer::from_algorithms([Algorithm::Hs256]);
    let secret = issuer.first_key().secret().unwrap();
    let gate = |bytes: usize| {
        let keys = FixedKeys::secret(&secret[..bytes]).unwrap();
        Gate::new(builder_with(&issuer, keys).build().unwrap())
    };
    let (_, other) = generated(Algorithm::Hs512, "other");
    assert!(FixedKeys::secret(&secret[..31]).is_err() && FixedKeys::jwk(&other.to_string()).is_err());
    let claims_512 = issuer.token().header("alg", "HS512").sign();
    assert_eq!(refused(&gate(32), &claims_512).await, InvalidToken::AlgorithmNotAllowed);
    assert_eq!(refused(&gate(64), &claims_512).await, InvalidToken::BadSignature);
    admitted(&gate(64), &issuer.token().sign()).await;
}
