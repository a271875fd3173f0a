//! Keys in a folder of files.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{fmt, fs, io, thread};

use arc_swap::ArcSwap;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use portcullis_axum::keys::{FixedKeys, KeyError, KeyQuery, KeySet, KeyStatus, VerifyingKey};
use portcullis_axum::{KeyProvider, async_trait};

/// The keys in the files of a folder: `.pem` with one public key or certificate, whose `kid` is the file's name without
/// `.pem`; `.jwk`, `.jwks` or `.json` with a JWK or a JWK Set.
///
/// A change takes effect after a moment. A file may be written in several steps: while it can't be read, its last keys
/// stay in use, and so do those of the whole folder. To withdraw a key, remove its file. Tokens whose `kid` is in two
/// files are refused.
///
/// The operating system reports the changes. Many network file systems report none; use `notify::PollWatcher` for them. A
/// folder that is deleted and created again is a new one, and is not watched.
pub struct KeyFolder {
    keys: Arc<ArcSwap<FixedKeys>>,
    /// Dropping it closes the channel, which ends the thread that reads the files.
    _watcher: RecommendedWatcher,
}

/// The wait between the first event of a change and the reading of the files, because one change causes several events.
const SETTLE_TIME: Duration = Duration::from_millis(50);

impl KeyFolder {
    /// Reads the folder, and watches it until this value is dropped. Files that can't be read are logged.
    ///
    /// # Errors
    /// [`notify::Error`] when the folder can't be read or watched.
    pub fn open(path: impl Into<PathBuf>) -> notify::Result<Self> {
        let path = path.into();
        let (changed, changes) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Reading a file causes an event as well, but is not a change.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                let _ = changed.send(());
            }
        })?;
        // The watch starts before the first reading, so that no change is missed.
        watcher.watch(&path, RecursiveMode::NonRecursive)?;
        let mut files = Files { folder: path, last_keys: HashMap::new() };
        let current = Arc::new(ArcSwap::from_pointee(files.read()?));
        let shared = Arc::clone(&current);
        thread::Builder::new().name("key-folder".to_owned()).spawn(move || {
            while changes.recv().is_ok() {
                thread::sleep(SETTLE_TIME);
                while changes.try_recv().is_ok() {}
                match files.read() {
                    Ok(keys) => shared.store(Arc::new(keys)),
                    Err(error) => tracing::warn!(%error, "key folder not read; its last keys stay in use"),
                }
            }
        })?;
        Ok(Self { keys: current, _watcher: watcher })
    }
}

#[async_trait]
impl KeyProvider for KeyFolder {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        self.keys.load_full().key(query).await
    }

    fn status(&self) -> KeyStatus {
        let keys = self.keys.load().key_set().len();
        let mut status = if keys > 0 { KeyStatus::ready() } else { KeyStatus::waiting() };
        status.keys = keys;
        status
    }
}

impl fmt::Debug for KeyFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFolder").field("keys", &self.keys.load()).finish_non_exhaustive()
    }
}

struct Files {
    folder: PathBuf,
    /// The keys of each file when it was last readable.
    last_keys: HashMap<PathBuf, Keys>,
}

type Keys = Vec<Arc<VerifyingKey>>;

impl Files {
    fn read(&mut self) -> io::Result<FixedKeys> {
        let mut current = HashMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match keys_of(&path) {
                None => {}
                Some(Ok(keys)) => {
                    current.insert(path, keys);
                }
                Some(Err(error)) => {
                    tracing::warn!(path = %path.display(), error, "key file not read; its last keys stay in use");
                    current.extend(self.last_keys.remove_entry(&path));
                }
            }
        }
        self.last_keys = current;
        Ok(FixedKeys::keys(self.last_keys.values().flatten().cloned()))
    }
}

/// Returns the keys of a file. `None` means that it is not a key file, for example a hidden file of an editor.
fn keys_of(path: &Path) -> Option<Result<Keys, Box<dyn Error>>> {
    let name = path.file_stem()?.to_str().filter(|name| !name.starts_with('.'))?;
    let read = match path.extension()?.to_str()? {
        "pem" => |text: &str, name: &str| Ok(vec![Arc::new(VerifyingKey::from_pem(text)?.with_id(name))]),
        "json" | "jwk" | "jwks" => keys_of_json,
        _ => return None,
    };
    Some(fs::read_to_string(path).map_err(Box::from).and_then(|text| read(&text, name)))
}

fn keys_of_json(text: &str, name: &str) -> Result<Keys, Box<dyn Error>> {
    let Ok(set) = KeySet::from_json(text) else {
        let key = VerifyingKey::from_jwk(text)?;
        let key = if key.id().is_some() { key } else { key.with_id(name) };
        return Ok(vec![Arc::new(key)]);
    };
    if set.is_empty() {
        return Err("no key of the set can be used".into());
    }
    Ok(set.keys().cloned().collect())
}
