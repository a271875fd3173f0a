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
/// A change counts a moment after it was made; the files need not be written in one go. One that can't be read keeps the
/// keys that it had, and so does the whole folder, so to withdraw a key, remove its file. Tokens whose `kid` two files
/// have are refused.
///
/// The notices come from the operating system. Network file systems often have none: use `notify::PollWatcher` there. And
/// a folder that was deleted and made anew is another one, which is not watched.
pub struct KeyFolder {
    held: Arc<ArcSwap<FixedKeys>>,
    /// Its end is the end of the channel, and so of the thread that reads the files.
    _watcher: RecommendedWatcher,
}

/// One change is several events; so long they may go on before the files are read.
const SETTLING: Duration = Duration::from_millis(50);

impl KeyFolder {
    /// Reads the folder, and goes on watching it until the value is dropped. A file that can't be read is logged.
    ///
    /// # Errors
    /// When the folder can't be read or watched.
    pub fn open(path: impl Into<PathBuf>) -> notify::Result<Self> {
        let path = path.into();
        let (changed, changes) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // That a file was opened is an event as well: our own doing, and no change.
            if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                let _ = changed.send(());
            }
        })?;
        // Watched before it is read, so that nothing can change in between.
        watcher.watch(&path, RecursiveMode::NonRecursive)?;
        let mut files = Files { folder: path, good: HashMap::new() };
        let held = Arc::new(ArcSwap::from_pointee(files.read()?));
        let shared = Arc::clone(&held);
        thread::Builder::new().name("key-folder".to_owned()).spawn(move || {
            while changes.recv().is_ok() {
                thread::sleep(SETTLING);
                while changes.try_recv().is_ok() {}
                match files.read() {
                    Ok(keys) => shared.store(Arc::new(keys)),
                    Err(error) => tracing::warn!(%error, "key folder not read; its last keys stay"),
                }
            }
        })?;
        Ok(Self { held, _watcher: watcher })
    }
}

#[async_trait]
impl KeyProvider for KeyFolder {
    async fn key(&self, query: &KeyQuery<'_>) -> Result<Arc<VerifyingKey>, KeyError> {
        self.held.load_full().key(query).await
    }

    fn status(&self) -> KeyStatus {
        let keys = self.held.load().key_set().len();
        let mut status = if keys > 0 { KeyStatus::ready() } else { KeyStatus::waiting() };
        status.keys = keys;
        status
    }
}

impl fmt::Debug for KeyFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFolder").field("held", &self.held.load()).finish_non_exhaustive()
    }
}

struct Files {
    folder: PathBuf,
    /// What each file held when it could last be read.
    good: HashMap<PathBuf, Keys>,
}

type Keys = Vec<Arc<VerifyingKey>>;

impl Files {
    fn read(&mut self) -> io::Result<FixedKeys> {
        let mut good = HashMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            match keys_of(&path) {
                None => {}
                Some(Ok(keys)) => {
                    good.insert(path, keys);
                }
                Some(Err(error)) => {
                    tracing::warn!(path = %path.display(), error, "key file not read; its last keys stay");
                    good.extend(self.good.remove_entry(&path));
                }
            }
        }
        self.good = good;
        Ok(FixedKeys::keys(self.good.values().flatten().cloned()))
    }
}

/// The keys of a file; `None` when it is not for keys, as the hidden files that editors leave.
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
