use portcullis::adapter::{HeaderList, RequestView};
use portcullis::{AuthError, Gate, Policy, Reason};
use portcullis_testing::{TestIssuer, TokenBuilder};
use portcullis_workload::{
    AlbClaims, AwsAlb, CloudflareAccess, CloudflareCaller, CloudflareClaims, GoogleIap, IapClaims,
};

use crate::{TestGate, lookup};

const TEAM: &str = "acme.cloudflareaccess.com";
const TAG: &str = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228";
const BACKEND: &str = "/projects/1234567890/global/backendServices/5678901234";
const ARN: &str = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/lb/0123456789abcdef";
const ISSUER: &str = "https://issuer.example/";

/// Asks the gate about a request with these fields.
async fn ask(gate: &Gate, fields: &[(&str, &str)]) -> Result<Option<String>, AuthError> {
    let request = HeaderList::new("GET", fields.iter().map(|(name, value)| (*name, *value)));
    let admitted = gate.admit(&request as &dyn RequestView, &Policy::authenticated()).await;
    Ok(admitted.map_err(AuthError::from)?.subject().map(str::to_owned))
}

fn cloudflare() -> (TestIssuer, CloudflareAccess) {
    let team = TestIssuer::cloudflare_access(TEAM, TAG);
    let preset = CloudflareAccess::new(TEAM, TAG).keys(team.keys());
    (team, preset)
}

/// Anyone who reaches the service past the proxy can send the other fields.
#[tokio::test]
async fn only_the_field_of_the_proxy_is_read() {
    let (team, preset) = cloudflare();
    let (gate, token) = (preset.gate().unwrap(), team.token().sign());
    let user = Some("7335d417-61da-459d-899c-0a01c76a2f94".to_owned());
    assert_eq!(ask(&gate, &[("Cf-Access-Jwt-Assertion", &token)]).await.unwrap(), user);
    for fields in [
        &[("Authorization", format!("Bearer {token}"))][..],
        &[("Cookie", format!("CF_Authorization={token}"))],
        &[("Cf-Access-Authenticated-User-Email", "admin@example.com".to_owned())],
        &[],
    ] {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert!(matches!(ask(&gate, &fields).await, Err(AuthError::MissingToken)), "{fields:?}");
    }
    let twice = [("Cf-Access-Jwt-Assertion", token.as_str()), ("cf-access-jwt-assertion", token.as_str())];
    assert_eq!(ask(&gate, &twice).await.unwrap_err().status(), 400);

    let iap = TestIssuer::google_iap(BACKEND);
    let gate = GoogleIap::new(BACKEND).keys(iap.keys()).gate().unwrap();
    assert!(ask(&gate, &[("X-Goog-IAP-JWT-Assertion", &iap.token().sign())]).await.unwrap().is_some());
    let unsigned = [("X-Goog-Authenticated-User-Id", "accounts.google.com:1")];
    assert!(matches!(ask(&gate, &unsigned).await, Err(AuthError::MissingToken)));

    let balancer = TestIssuer::aws_alb(ARN, ISSUER);
    let gate = AwsAlb::new(ARN, ISSUER).keys(balancer.keys()).gate().unwrap();
    assert!(matches!(ask(&gate, &[("X-Amzn-Oidc-Identity", "1234567890")]).await, Err(AuthError::MissingToken)));
}

/// A service token has an empty `sub`.
#[tokio::test]
async fn service_token_is_not_a_user() {
    let (team, preset) = cloudflare();
    let service = team.token().subject("").without("email").claim("common_name", "e367.access");
    let any = TestGate::new(preset.verifier().unwrap());
    let claims = any.admits(&service).await.claims::<CloudflareClaims>().unwrap();
    assert_eq!(claims.caller(), Some(CloudflareCaller::Service("e367.access")));
    let claims = any.admits(&team.token()).await.claims::<CloudflareClaims>().unwrap();
    assert_eq!(claims.caller(), Some(CloudflareCaller::User("7335d417-61da-459d-899c-0a01c76a2f94")));
    for nobody in
        [team.token().subject(""), team.token().without("sub"), team.token().claim("common_name", "e367.access")]
    {
        assert_eq!(any.refuses(&nobody).await, Reason::InvalidClaim);
    }
    let users = TestGate::new(preset.users_only().verifier().unwrap());
    users.admits(&team.token()).await;
    assert_eq!(users.refuses(&service).await, Reason::WrongTokenClass);
    assert_eq!(users.refuses(&team.token().claim("type", "org")).await, Reason::WrongTokenClass);
    assert_eq!(users.refuses(&team.token().without("type")).await, Reason::MissingClaim);
}

/// All applications of a team have the same issuer and keys.
#[tokio::test]
async fn tag_of_the_application_decides() {
    let (team, preset) = cloudflare();
    let other = "97e2aae120121f902df8bc99fc345913ab186d174f3079ea729236766b2e7c4a";
    let gate = TestGate::new(preset.clone().verifier().unwrap());
    assert_eq!(gate.refuses(&team.token().audience([other])).await, Reason::WrongAudience);
    TestGate::new(preset.application(other).verifier().unwrap()).admits(&team.token().audience([other])).await;
    let field = |team: &str, tag: &str| CloudflareAccess::new(team, tag).verifier().unwrap_err().field().to_owned();
    assert_eq!(field(TEAM, "https://app.example.com"), "audience");
    assert_eq!(field(TEAM, ""), "audience");
    assert_eq!(field("acme", TAG), "team_domain");
}

/// Two keys are published, and the older one leaves the set after six weeks.
#[tokio::test]
async fn keys_of_the_team_rotate() {
    let server = TestIssuer::cloudflare_access(TEAM, TAG).serve_under("");
    server.serve_at("/cdn-cgi/access/certs", server.issuer().jwks());
    let preset = CloudflareAccess::new(server.url(), TAG);
    let gate = TestGate::new(preset.verifier().unwrap());
    gate.admits(&server.issuer().token()).await;
    server.rotate(portcullis::jose::Algorithm::Rs256);
    server.serve_at("/cdn-cgi/access/certs", server.issuer().jwks());
    gate.admits(&server.issuer().token()).await;
    assert_eq!(server.hits("/cdn-cgi/access/certs"), 2);
}

#[tokio::test]
async fn header_of_iap_is_for_one_back_end() {
    let iap = TestIssuer::google_iap(BACKEND);
    let gate = TestGate::new(GoogleIap::new(BACKEND).hosted_domain("example.com").keys(iap.keys()).verifier().unwrap());
    let claims = gate.admits(&iap.token()).await.claims::<IapClaims>().unwrap();
    assert_eq!(claims.hd.as_deref(), Some("example.com"));
    for (token, reason) in [
        (iap.token().audience("/projects/1234567890/global/backendServices/1"), Reason::WrongAudience),
        (iap.token().issuer("https://accounts.google.com"), Reason::WrongIssuer),
        (iap.token().claim("hd", "other.example"), Reason::WrongTenant),
        (iap.token().without("hd"), Reason::MissingClaim),
        (iap.token().without("iat"), Reason::MissingClaim),
    ] {
        assert_eq!(gate.refuses(&token).await, reason);
    }
    for wrong in ["", "https://app.example.com", "/projects/my-project/apps/my-project", "/projects//apps/x"] {
        assert_eq!(GoogleIap::new(wrong).verifier().unwrap_err().field(), "audience", "{wrong}");
    }
}

#[tokio::test]
async fn every_forgery_is_refused_for_its_reason() {
    let (team, preset) = cloudflare();
    TestGate::new(preset.verifier().unwrap()).refuses_forgeries_except(&team, &[]).await;
    let iap = TestIssuer::google_iap(BACKEND);
    TestGate::new(GoogleIap::new(BACKEND).keys(iap.keys()).verifier().unwrap())
        .refuses_forgeries_except(&iap, &[])
        .await;
}

async fn padded(gate: &Gate, token: &TokenBuilder) -> Result<(), Reason> {
    let text = token.sign_padded();
    let direct = gate.verify(&text).await.map(|_| ()).map_err(|error| error.reason().unwrap());
    let of_request =
        ask(gate, &[("x-amzn-oidc-data", &text)]).await.map(|_| ()).map_err(|error| error.reason().unwrap());
    assert_eq!(direct, of_request);
    direct
}

/// All load balancers of a region sign with the same keys.
#[tokio::test]
async fn signer_decides_whose_load_balancer_it_is() {
    let balancer = TestIssuer::aws_alb(ARN, ISSUER);
    let preset = AwsAlb::new(ARN, ISSUER).keys(balancer.keys());
    let gate = preset.gate().unwrap();
    let other = "arn:aws:elasticloadbalancing:eu-central-1:999999999999:loadbalancer/app/evil/fedcba9876543210";
    assert_eq!(padded(&gate, &balancer.token()).await, Ok(()));
    for token in [
        balancer.token().header("signer", other),
        balancer.token().header("signer", [ARN]),
        balancer.token().without_header("signer"),
        // What the payload says is the user's.
        balancer.token().without_header("signer").claim("signer", ARN),
    ] {
        assert_eq!(padded(&gate, &token).await, Err(Reason::WrongTenant));
    }
    let both = preset.clone().load_balancer(other).gate().unwrap();
    assert_eq!(padded(&both, &balancer.token().header("signer", other)).await, Ok(()));
    let of_client = preset.client("6bkkhhd7ip8n8ho3plckv1lq7t").gate().unwrap();
    assert_eq!(padded(&of_client, &balancer.token()).await, Ok(()));
    assert_eq!(padded(&of_client, &balancer.token().header("client", "x")).await, Err(Reason::WrongParty));
    assert_eq!(padded(&of_client, &balancer.token().without_header("client")).await, Err(Reason::WrongParty));
    let far = ARN.replace("eu-central-1", "us-east-1");
    assert_eq!(AwsAlb::new(ARN, ISSUER).load_balancer(far).verifier().unwrap_err().field(), "arn");
    assert_eq!(AwsAlb::new(ARN, "").verifier().unwrap_err().field(), "issuer");
}

#[tokio::test]
async fn padded_token_passes_all_other_checks() {
    let balancer = TestIssuer::aws_alb(ARN, ISSUER);
    let gate = AwsAlb::new(ARN, ISSUER).keys(balancer.keys()).gate().unwrap();
    // All lengths of the header and of the payload.
    for length in 0..4 {
        let token = balancer.token().header("pad", "x".repeat(length)).claim("pad", "x".repeat(length / 2));
        assert_eq!(padded(&gate, &token).await, Ok(()), "{length}");
    }
    for (token, reason) in [
        (balancer.token().expired().without("iat"), Reason::Expired),
        (balancer.token().without("exp"), Reason::MissingClaim),
        (balancer.token().issuer("https://other.example"), Reason::WrongIssuer),
        (balancer.token().without("sub"), Reason::MissingClaim),
        (balancer.token().header("crit", ["x"]), Reason::CriticalHeader),
        (balancer.token().header("typ", "logout+jwt"), Reason::WrongType),
        (balancer.token().header("alg", "none"), Reason::AlgorithmNotAllowed),
        (balancer.token().header("alg", "HS256"), Reason::AlgorithmNotAllowed),
        (balancer.token().header("kid", "another"), Reason::UnknownKey),
    ] {
        assert_eq!(padded(&gate, &token).await, Err(reason));
    }
    let good = balancer.token().sign_padded();
    let caller = gate.verify(&good).await.unwrap();
    assert_eq!(
        (caller.claims::<AlbClaims>().unwrap().sub.as_str(), caller.raw_token()),
        ("1234567890", Some(good.clone()))
    );
    // The signature covers the padding, so a token that was signed without it is another.
    let bare = balancer.token().header("pad", "").claim("pad", "");
    let is_padded = bare.sign_padded().split('.').take(2).any(|part| part.ends_with('='));
    let refused = gate.verify(&bare.sign()).await.err().and_then(|error| error.reason());
    assert_eq!(refused, is_padded.then_some(Reason::BadSignature));
    for text in [good.replace('=', "=="), format!("{good}="), good.replacen('.', "=.", 1), good.replace('.', "..")] {
        if text != good {
            assert!(gate.verify(&text).await.is_err(), "{text}");
        }
    }
    let repeated = [("x-amzn-oidc-data", good.as_str()), ("x-amzn-oidc-data", good.as_str())];
    assert_eq!(ask(&gate, &repeated).await.unwrap_err().status(), 400);
    assert_eq!(ask(&gate, &[("x-amzn-oidc-data", "a b")]).await.unwrap_err().status(), 400);
}

/// A token of the shape that load balancers write, in a file.
#[tokio::test]
async fn real_shaped_token_is_read() {
    let balancer = TestIssuer::aws_alb(ARN, ISSUER);
    let gate = AwsAlb::new(ARN, ISSUER).keys(balancer.keys()).gate().unwrap();
    let token = include_str!("alb_padded.txt").trim();
    assert!(token.split('.').any(|part| part.ends_with('=')), "the premise");
    // It was signed with a key that is not here, so that is what is wrong with it.
    assert_eq!(gate.verify(token).await.unwrap_err().reason(), Some(Reason::UnknownKey));
}

/// The keys of the region, one PEM text for each `kid`.
#[tokio::test]
async fn each_key_has_its_own_url() {
    const KID: &str = "2f3e4d5c-6b7a-4889-9a0b-1c2d3e4f5a6b";
    let balancer = TestIssuer::aws_alb(ARN, ISSUER);
    let server = TestIssuer::new().serve_under("");
    server.serve_at(&format!("/{KID}"), balancer.public_key_pem());
    server.serve_at("/broken", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    let gate = AwsAlb::new(ARN, ISSUER).keys_below(server.url()).gate().unwrap();
    assert!(gate.status().ready);
    let token = balancer.token().header("kid", KID);
    for _ in 0..3 {
        assert_eq!(padded(&gate, &token).await, Ok(()));
    }
    assert_eq!((server.hits(&format!("/{KID}")), server.all_hits()), (1, 1));
    // Nothing of a token changes the path of a request.
    for kid in ["../keys", "a/b", "a%2fb", "a?b", "a#b", "", ".", "a b", &"a".repeat(129)] {
        assert_eq!(padded(&gate, &token.clone().header("kid", kid)).await, Err(Reason::UnknownKey), "{kid}");
    }
    assert_eq!(padded(&gate, &token.clone().without_header("kid")).await, Err(Reason::UnknownKey));
    assert_eq!(server.all_hits(), 1);
    // There is no such key, and the answer is remembered.
    for _ in 0..3 {
        assert_eq!(padded(&gate, &token.clone().header("kid", "0000")).await, Err(Reason::UnknownKey));
    }
    assert_eq!(server.all_hits(), 2);
    let broken = gate.verify(&token.clone().header("kid", "broken").sign_padded()).await.unwrap_err();
    assert_eq!(broken.status(), 503);
    // Made-up names cause a limited number of requests, and known keys stay.
    let mut limited = 0;
    for number in 0..30 {
        let made_up = token.clone().header("kid", format!("made-up-{number}")).sign_padded();
        limited += usize::from(gate.verify(&made_up).await.unwrap_err().status() == 503);
    }
    assert!(limited > 15 && server.all_hits() < 16, "{limited} {}", server.all_hits());
    server.go_down();
    assert_eq!(padded(&gate, &token).await, Ok(()));
}

#[test]
fn variables_are_read() {
    let field = |error: portcullis::ConfigError| error.field().to_owned();
    let cloudflare = |variables: &[(&str, &str)]| CloudflareAccess::from_variables(lookup(variables));
    let (team, tag) = (("PORTCULLIS_CLOUDFLARE_TEAM_DOMAIN", TEAM), ("PORTCULLIS_CLOUDFLARE_AUDIENCE", TAG));
    assert!(cloudflare(&[team, tag]).unwrap().verifier().is_ok());
    assert_eq!(cloudflare(&[team]).map_err(field).unwrap_err(), "PORTCULLIS_CLOUDFLARE_AUDIENCE");
    assert_eq!(cloudflare(&[(team.0, "acme"), tag]).map_err(field).unwrap_err(), "PORTCULLIS_CLOUDFLARE_TEAM_DOMAIN");
    let iap = |variables: &[(&str, &str)]| GoogleIap::from_variables(lookup(variables));
    let audience = ("PORTCULLIS_IAP_AUDIENCE", BACKEND);
    assert!(iap(&[audience]).unwrap().verifier().is_ok());
    assert_eq!(iap(&[]).map_err(field).unwrap_err(), "PORTCULLIS_IAP_AUDIENCE");
    let blank = iap(&[audience, ("PORTCULLIS_IAP_HOSTED_DOMAINS", " ")]).map_err(field).unwrap_err();
    assert_eq!(blank, "PORTCULLIS_IAP_HOSTED_DOMAINS");
    let alb = |variables: &[(&str, &str)]| AwsAlb::from_variables(lookup(variables));
    let (arn, issuer) = (("PORTCULLIS_ALB_ARN", ARN), ("PORTCULLIS_ALB_ISSUER", ISSUER));
    assert!(alb(&[arn, issuer]).unwrap().verifier().is_ok());
    assert_eq!(alb(&[arn]).map_err(field).unwrap_err(), "PORTCULLIS_ALB_ISSUER");
    assert_eq!(alb(&[(arn.0, "lb"), issuer]).map_err(field).unwrap_err(), "PORTCULLIS_ALB_ARN");
}
