CREATE TABLE IF NOT EXISTS {schema} (version BIGINT NOT NULL PRIMARY KEY);

CREATE TABLE IF NOT EXISTS {sessions} (
    id TEXT NOT NULL PRIMARY KEY,
    family TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    current_hash TEXT NOT NULL,
    previous_hash TEXT,
    rotated_at BIGINT,
    key_version BIGINT,
    auth_time BIGINT NOT NULL,
    acr TEXT,
    amr TEXT NOT NULL,
    label TEXT,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason TEXT
);
CREATE INDEX IF NOT EXISTS {sessions}_by_expiry ON {sessions} (expires_at);
CREATE INDEX IF NOT EXISTS {sessions}_by_subject ON {sessions} (subject, expires_at);

CREATE TABLE IF NOT EXISTS {revoked_tokens} (
    token TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS {revoked_tokens}_by_expiry ON {revoked_tokens} (expires_at);

CREATE TABLE IF NOT EXISTS {purpose_tokens} (
    token TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    subject TEXT NOT NULL,
    binding TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS {purpose_tokens}_by_expiry ON {purpose_tokens} (expires_at);
