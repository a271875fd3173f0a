//! The scripts. Redis runs each of them atomically, and all keys of a call are in one slot of a cluster.

use redis::{Cmd, ToRedisArgs};

/// The text of a script and its name on the server.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

pub(super) struct Scripts {
    pub(super) replace: Script,
    pub(super) end: Script,
    pub(super) list: Script,
    pub(super) revoke: Script,
    pub(super) insert_purpose_token: Script,
    pub(super) take: Script,
    pub(super) remove: Script,
    pub(super) release: Script,
    pub(super) schedule: Script,
    #[cfg(feature = "issuer")]
    pub(super) replace_key_ring: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            replace: Script::new(include_str!("scripts/replace.lua")),
            end: Script::new(include_str!("scripts/end.lua")),
            list: Script::new(include_str!("scripts/list.lua")),
            revoke: Script::new(include_str!("scripts/revoke.lua")),
            insert_purpose_token: Script::new(include_str!("scripts/insert_purpose_token.lua")),
            take: Script::new(include_str!("scripts/take.lua")),
            remove: Script::new(include_str!("scripts/remove.lua")),
            release: Script::new(include_str!("scripts/release.lua")),
            schedule: Script::new(include_str!("scripts/schedule.lua")),
            #[cfg(feature = "issuer")]
            replace_key_ring: Script::new(include_str!("scripts/replace_key_ring.lua")),
        }
    }
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// The call of a script that the server knows.
    pub(super) fn by_hash(&self, keys: &[String], arguments: impl ToRedisArgs) -> Cmd {
        call("EVALSHA", &self.hash, keys, arguments)
    }

    /// The call for a server that does not know the script. It knows the script then.
    pub(super) fn by_text(&self, keys: &[String], arguments: impl ToRedisArgs) -> Cmd {
        call("EVAL", self.text, keys, arguments)
    }
}

fn call(command: &str, script: &str, keys: &[String], arguments: impl ToRedisArgs) -> Cmd {
    let mut call = redis::cmd(command);
    call.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    call
}
