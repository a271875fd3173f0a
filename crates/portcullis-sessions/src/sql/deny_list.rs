//! Deny-lists in the same database.

use portcullis::async_trait;
use portcullis::error::Unavailable;

use super::database::{Row, Value};
use super::statements::DENIALS_AT_ONCE;
use super::{SqlStore, hash_from, time};
use crate::deny_list::{DenyListStore, StoredDenial};
use crate::timestamp::Timestamp;
use crate::token::TokenHash;

#[async_trait]
impl DenyListStore for SqlStore {
    async fn deny(&self, denial: &StoredDenial) -> Result<(), Unavailable> {
        let name = denial.name.to_text();
        let (name, expires_at) = (Value::Text(&name), time(denial.expires_at));
        match denial.issued_before {
            None => self.execute(&self.statements.deny, &[name, expires_at]).await,
            Some(before) => self.execute(&self.statements.deny_before, &[name, time(before), expires_at]).await,
        }
        .map(drop)
    }

    async fn denials(&self, names: &[TokenHash]) -> Result<Vec<StoredDenial>, Unavailable> {
        let mut found = Vec::new();
        for names in names.chunks(DENIALS_AT_ONCE) {
            let texts: Vec<String> = names.iter().map(|name| name.to_text()).collect();
            // The number of placeholders is fixed. The others get a name once more.
            let marks = texts.iter().cycle().take(DENIALS_AT_ONCE).map(|text| Value::Text(text));
            let values: Vec<Value<'_>> = marks.clone().chain(marks).collect();
            for row in self.fetch(&self.statements.denials, &values).await? {
                found.push(read(&row)?);
            }
        }
        Ok(found)
    }

    async fn remove_expired_denials(&self, before: Timestamp, limit: u32) -> Result<u64, Unavailable> {
        self.remove_of(&self.statements.remove_expired_denials, before, limit).await
    }
}

fn read(row: &Row) -> Result<StoredDenial, Unavailable> {
    Ok(StoredDenial {
        name: hash_from(&row.text("token")?)?,
        issued_before: row.optional_int("issued_before")?.map(Timestamp::from_unix_millis),
        expires_at: Timestamp::from_unix_millis(row.int("expires_at")?),
    })
}
