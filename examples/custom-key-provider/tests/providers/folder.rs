//! Keys in a folder.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use example_custom_key_provider::KeyFolder;
use portcullis_axum::jose::Algorithm;
use portcullis_testing::SigningKey;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{GOOD, Service, new_key, new_key_for, token};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn serve(&self) -> Service {
        Service::with(KeyFolder::open(self.0.path()).unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.path().join(name), content).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.0.path().join(name)).unwrap();
    }

    /// Waits until all earlier changes have been read, because the files are read together.
    async fn has_been_read_by(&self, service: &Service) {
        let probe = new_key("probe");
        self.write("probe.jwk", probe.jwk().to_string());
        service.comes_to_answer(&token(&probe), GOOD).await;
    }
}

fn pem(key: &SigningKey) -> String {
    key.public_key_pem().unwrap()
}

fn set(keys: &[&SigningKey]) -> String {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()}).to_string()
}

#[actix_web::test]
async fn key_is_accepted_while_its_file_exists() {
    let folder = Folder::new();
    let (of_pem, of_jwk) = (new_key_for(Algorithm::Rs256, "of-pem"), new_key("of-jwk"));
    let (first, second) = (new_key("first-of-set"), new_key_for(Algorithm::Es384, "second-of-set"));
    folder.write("of-pem.pem", pem(&of_pem));
    let service = folder.serve();
    // Keys that exist at the start are accepted at once.
    assert_eq!(service.answer(&token(&of_pem)).await, GOOD);
    assert_eq!(service.answer(&token(&of_jwk)).await, "401 unknown_key");

    folder.write("one.jwk", of_jwk.jwk().to_string());
    service.comes_to_answer(&token(&of_jwk), GOOD).await;
    folder.write("several.json", set(&[&first, &second]));
    service.comes_to_answer(&token(&first), GOOD).await;
    assert_eq!(service.answer(&token(&second)).await, GOOD);

    folder.remove("of-pem.pem");
    service.comes_to_answer(&token(&of_pem), "401 unknown_key").await;
    folder.write("several.json", set(&[&second]));
    service.comes_to_answer(&token(&first), "401 unknown_key").await;
    for key in [&of_jwk, &second] {
        assert_eq!(service.answer(&token(key)).await, GOOD, "{key:?}");
    }
}

#[actix_web::test]
async fn unreadable_file_keeps_its_last_keys() {
    let folder = Folder::new();
    let (ours, other) = (new_key("ours"), new_key("other"));
    folder.write("ours.pem", pem(&ours));
    folder.write("other.jwk", other.jwk().to_string());
    let service = folder.serve();
    let half = pem(&ours).len() / 2;
    for garbage in
        ["", "\u{0}garbage", &pem(&ours)[..half], "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
    {
        folder.write("ours.pem", garbage);
        folder.write("other.jwk", garbage);
        folder.write("new.jwks", garbage);
        folder.write("bytes.pem", [0xff; 100]);
        folder.has_been_read_by(&service).await;
        assert_eq!(service.answer(&token(&ours)).await, GOOD, "{garbage:?}");
        assert_eq!(service.answer(&token(&other)).await, GOOD, "{garbage:?}");
        folder.remove("probe.jwk");
    }
    // A set without usable keys withdraws no key.
    folder.write("other.jwk", r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#);
    folder.has_been_read_by(&service).await;
    assert_eq!(service.answer(&token(&other)).await, GOOD);
    // Removing the file withdraws the key.
    folder.remove("other.jwk");
    service.comes_to_answer(&token(&other), "401 unknown_key").await;
    assert_eq!(service.answer(&token(&ours)).await, GOOD);
}

#[actix_web::test]
async fn file_may_be_written_in_parts() {
    let folder = Folder::new();
    let service = folder.serve();
    let key = new_key("slowly");
    let jwk = key.jwk().to_string();
    let mut file = fs::File::create(folder.0.path().join("slowly.jwk")).unwrap();
    file.write_all(&jwk.as_bytes()[..20]).unwrap();
    folder.has_been_read_by(&service).await;
    assert_eq!(service.answer(&token(&key)).await, "401 unknown_key");
    file.write_all(&jwk.as_bytes()[20..]).unwrap();
    service.comes_to_answer(&token(&key), GOOD).await;
}

#[actix_web::test]
async fn moved_file_replaces_its_key() {
    let folder = Folder::new();
    let (old, new) = (new_key("k"), new_key("k"));
    folder.write("k.pem", pem(&old));
    let service = folder.serve();
    // Hidden files and files with other extensions are not read.
    folder.write(".k.pem", pem(&new));
    folder.write(".k.jwk", new.jwk().to_string());
    folder.write("k.pem~", pem(&new));
    folder.has_been_read_by(&service).await;
    assert_eq!(service.answer(&token(&old)).await, GOOD);
    fs::rename(folder.0.path().join(".k.pem"), folder.0.path().join("k.pem")).unwrap();
    service.comes_to_answer(&token(&new), GOOD).await;
    assert_eq!(service.answer(&token(&old)).await, "401 bad_signature");
}

#[actix_web::test]
async fn moved_folder_keeps_its_keys() {
    let outer = TempDir::new().unwrap();
    let (here, away) = (outer.path().join("keys"), outer.path().join("away"));
    fs::create_dir(&here).unwrap();
    let (key, later) = (new_key("k"), new_key("later"));
    fs::write(here.join("k.pem"), pem(&key)).unwrap();
    let service = Service::with(KeyFolder::open(&here).unwrap());
    fs::rename(&here, &away).unwrap();
    fs::write(away.join("later.pem"), pem(&later)).unwrap();
    // Long enough to notice the change.
    for _ in 0..10 {
        assert_eq!(service.answer(&token(&key)).await, GOOD);
        actix_web::rt::time::sleep(Duration::from_millis(30)).await;
    }
    fs::rename(&away, &here).unwrap();
    fs::write(here.join("later.pem"), pem(&later)).unwrap();
    service.comes_to_answer(&token(&later), GOOD).await;
    assert_eq!(service.answer(&token(&key)).await, GOOD);
}

#[actix_web::test]
async fn jwk_without_kid_gets_its_file_name() {
    let folder = Folder::new();
    let key = new_key("named");
    let mut jwk = key.jwk();
    jwk.as_object_mut().unwrap().remove("kid");
    folder.write("named.jwk", jwk.to_string());
    let service = folder.serve();
    assert_eq!(service.answer(&token(&key)).await, GOOD);
    assert_eq!(service.answer(&token(&new_key("other"))).await, "401 unknown_key");
}

#[actix_web::test]
async fn kid_in_two_files_is_ambiguous() {
    let folder = Folder::new();
    let (one, other) = (new_key("k"), new_key("k"));
    folder.write("k.pem", pem(&one));
    folder.write("other.jwk", other.jwk().to_string());
    assert_eq!(folder.serve().answer(&token(&one)).await, "401 ambiguous_key");
}

#[actix_web::test]
async fn folder_without_keys_is_not_ready() {
    let folder = Folder::new();
    let service = folder.serve();
    assert!(!service.gate.status().ready);
    folder.has_been_read_by(&service).await;
    assert_eq!((service.gate.status().ready, service.gate.status().keys), (true, 1));
    assert!(KeyFolder::open(folder.0.path().join("absent")).is_err());
}
