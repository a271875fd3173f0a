-- Names are binary: in text, MySQL ignores white space at the end.
CREATE TABLE IF NOT EXISTS {schema} (version BIGINT NOT NULL PRIMARY KEY);

CREATE TABLE IF NOT EXISTS {sessions} (
    id VARBINARY(22) NOT NULL PRIMARY KEY,
    family VARBINARY(43) NOT NULL UNIQUE,
    subject VARBINARY(255) NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    current_hash VARBINARY(43) NOT NULL,
    previous_hash VARBINARY(43),
    rotated_at BIGINT,
    key_version BIGINT,
    auth_time BIGINT NOT NULL,
    acr VARCHAR(255),
    amr TEXT NOT NULL,
    label VARCHAR(255),
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    end_reason VARCHAR(16),
    KEY by_expiry (expires_at),
    KEY by_subject (subject, expires_at)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS {revoked_tokens} (
    token VARBINARY(43) NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    KEY by_expiry (expires_at)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS {purpose_tokens} (
    token VARBINARY(43) NOT NULL PRIMARY KEY,
    purpose VARBINARY(64) NOT NULL,
    subject VARBINARY(255) NOT NULL,
    binding VARBINARY(43) NOT NULL,
    expires_at BIGINT NOT NULL,
    KEY by_expiry (expires_at)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
