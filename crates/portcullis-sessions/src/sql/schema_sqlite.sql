CREATE TABLE IF NOT EXISTS {schema} (version INTEGER NOT NULL PRIMARY KEY);

CREATE TABLE IF NOT EXISTS {sessions} (
    id TEXT NOT NULL PRIMARY KEY,
    family TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    current_hash TEXT NOT NULL,
    previous_hash TEXT,
    rotated_at INTEGER,
    key_version INTEGER,
    auth_time INTEGER NOT NULL,
    acr TEXT,
    amr TEXT NOT NULL,
    label TEXT,
    last_used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS {sessions}_by_expiry ON {sessions} (expires_at);
CREATE INDEX IF NOT EXISTS {sessions}_by_subject ON {sessions} (subject, expires_at);

CREATE TABLE IF NOT EXISTS {revoked_tokens} (
    token TEXT NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS {revoked_tokens}_by_expiry ON {revoked_tokens} (expires_at);

CREATE TABLE IF NOT EXISTS {purpose_tokens} (
    token TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    subject TEXT NOT NULL,
    binding TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS {purpose_tokens}_by_expiry ON {purpose_tokens} (expires_at);
