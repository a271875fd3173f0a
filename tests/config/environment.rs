//! Proxy variables of the environment. Each test starts a new process, because a process must not change its own
//! environment.

use portcullis::Config;
use portcullis::keys::RemoteKeys;
use portcullis_auth0::Auth0;
use portcullis_azure::Azure;
use portcullis_clerk::Clerk;
use portcullis_oidc::Okta;
use portcullis_testing::TestIssuer;

use crate::child::run_in_child;
use crate::log::Log;

/// Runs `code` in another process with `variables`, and returns what it printed. `test` is the name of the calling test.
fn in_child(test: &str, variables: &[(&str, &str)], code: impl FnOnce()) -> String {
    run_in_child(test, variables).unwrap_or_else(|| {
        code();
        String::new()
    })
}

/// Runs this test in another process with `variables`, and returns its log. The process builds the keys twice.
fn log_with(test: &str, variables: &[(&str, &str)], proxy: Option<&str>) -> String {
    let mut in_process = String::new();
    let printed = in_child(test, variables, || {
        in_process = Log::of(|| {
            for _ in 0..2 {
                let mut keys = RemoteKeys::builder();
                if let Some(url) = proxy {
                    keys = keys.proxy(url);
                }
                keys.at("https://issuer.example/keys").unwrap();
            }
        });
        println!("{in_process}");
    });
    printed + &in_process
}

#[test]
fn unused_proxy_variable_is_logged_once() {
    let variables = [("HTTPS_PROXY", "http://user:secret@proxy.example:3128")];
    let log = log_with("environment::unused_proxy_variable_is_logged_once", &variables, None);
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("HTTPS_PROXY") && log.contains("PORTCULLIS_PROXY"), "{log}");
    assert!(!log.contains("secret") && !log.contains("proxy.example"), "{log}");
}

#[test]
fn configured_proxy_needs_no_warning() {
    let variables = [("HTTPS_PROXY", "http://proxy.example:3128")];
    let proxy = Some("http://proxy.example:3128");
    let log = log_with("environment::configured_proxy_needs_no_warning", &variables, proxy);
    assert!(!log.contains("WARN"), "{log}");
}

#[test]
fn no_proxy_variable_needs_no_warning() {
    let log = log_with("environment::no_proxy_variable_needs_no_warning", &[("NO_PROXY", "*")], None);
    assert!(!log.contains("WARN"), "{log}");
}

const NO_CA_STORE: [(&str, &str); 2] = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];

#[test]
fn plain_http_needs_no_ca_store() {
    in_child("environment::plain_http_needs_no_ca_store", &NO_CA_STORE, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let log = Log::of(|| {
            let server = TestIssuer::new().serve();
            let mut by_url = Config::new(server.url(), server.issuer().audience());
            by_url.jwks_url = Some(server.jwks_url());
            for config in [Config::new(server.url(), server.issuer().audience()), by_url] {
                let gate = config.gate().unwrap();
                assert!(runtime.block_on(gate.verify(&server.issuer().token().sign())).is_ok());
            }
            // Nothing is trusted: a key set over https is refused.
            let metadata = format!(r#"{{"issuer":"{}","jwks_uri":"https://localhost:9/keys"}}"#, server.url());
            server.set_metadata_body(metadata);
            let gate = Config::new(server.url(), server.issuer().audience()).gate().unwrap();
            let error = runtime.block_on(gate.verify(&server.issuer().token().sign())).unwrap_err();
            assert_eq!(error.status(), 503);
        });
        assert!(log.contains("the system has no CA store, so keys cannot be fetched over https"), "{log}");
    });
}

#[test]
fn missing_ca_store_is_named() {
    in_child("environment::missing_ca_store_is_named", &NO_CA_STORE, || {
        let okta = Okta::new("dev-1.okta.com", "api");
        let clerk = Clerk::from_frontend_api("clerk.example.com");
        let azure =
            Azure::single_tenant("8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "535fb089-9ff3-47b6-9bfb-4f1264799865");
        for error in [
            RemoteKeys::at("https://issuer.example/keys").err(),
            RemoteKeys::discover("https://issuer.example").err(),
            Auth0::new("tenant.eu.auth0.com", "api").verifier().err(),
            okta.verifier().err(),
            clerk.verifier().err(),
            azure.verifier().err(),
        ] {
            let error = error.unwrap();
            assert_eq!(error.field(), "root_certificate");
            let text = error.to_string();
            assert!(text.contains("the system has no CA store, which https needs"), "{text}");
            for instead in ["ca-certificates", "SSL_CERT_FILE", "root_certificates_file"] {
                assert!(text.contains(instead), "{text}");
            }
        }
        let variables = |name: &str| match name {
            "PORTCULLIS_ISSUER" => Some("https://issuer.example".to_owned()),
            "PORTCULLIS_AUDIENCE" => Some("api".to_owned()),
            _ => None,
        };
        let error = Config::from_variables(variables).unwrap().gate().unwrap_err();
        assert_eq!(error.field(), "PORTCULLIS_ROOT_CERTIFICATES_FILE");
    });
}

#[test]
fn own_certificates_are_enough() {
    in_child("environment::own_certificates_are_enough", &NO_CA_STORE, || {
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
        let path = std::env::temp_dir().join(format!("portcullis-own-roots-{}", std::process::id()));
        std::fs::write(&path, &certificate).unwrap();
        let mut config = Config::new("https://issuer.example", "api");
        config.root_certificates_file = Some(path.clone());
        assert!(config.gate().is_ok());
        std::fs::remove_file(&path).unwrap();
        assert!(RemoteKeys::builder().root_certificate(certificate).at("https://issuer.example/keys").is_ok());
    });
}
