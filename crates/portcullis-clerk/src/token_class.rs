//! The classes of token that an instance signs, all with one key.

use portcullis::checks::{ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use serde_json::Value;

/// What a token was issued as. One key signs them all, so a service says which it accepts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TokenClass {
    /// A machine's own, for calling another machine: `sub` is `mch_…`.
    /// See <https://clerk.com/docs/guides/development/machine-auth/m2m-tokens>.
    MachineToMachine,
    /// An OAuth access token of a user, issued to an application: `typ` is `at+jwt`.
    /// See <https://clerk.com/docs/guides/configure/auth-strategies/oauth/overview>.
    OAuth,
    /// A signed-in user's session.
    Session,
    /// Made from a JWT template, mostly for another service.
    /// See <https://clerk.com/docs/guides/sessions/jwt-templates>.
    Template,
}

/// Values of the header's `cat`, as in the vendor's SDK (`tokens/jwtCategories` of @clerk/backend).
const SESSION: &str = "cl_B7d4PD111AAA";
const TEMPLATE: &str = "cl_B7d4PD222AAA";
const MACHINE_TO_MACHINE: &str = "cl_B7d4PD333AAA";
/// The category that the vendor's SDK ignores: it says nothing. A machine's token that has it is no good, there too.
const ANY: &str = "cl_I7d4PD111III";

/// What machines' identifiers start with.
pub(crate) const MACHINE: &str = "mch_";

impl TokenClass {
    /// The class of a token; `None` when its marks are unknown or contradict each other. Tokens from before `cat` have
    /// none, and count as a session's unless another mark says otherwise.
    fn of(token: &TokenView<'_>) -> Option<Self> {
        let header = token.header();
        let category = match header.get::<Value>("cat") {
            None => None,
            Some(Value::String(category)) => Some(category),
            Some(_) => return None,
        };
        let is_machine = token.claims().subject().is_some_and(|subject| subject.starts_with(MACHINE));
        let is_access_token = header
            .token_type()
            .is_some_and(|name| name.eq_ignore_ascii_case("at+jwt") || name.eq_ignore_ascii_case("application/at+jwt"));
        match (category.as_deref(), is_machine, is_access_token) {
            (None | Some(SESSION | ANY), false, false) => Some(Self::Session),
            (Some(TEMPLATE), false, false) => Some(Self::Template),
            (None | Some(MACHINE_TO_MACHINE), true, false) => Some(Self::MachineToMachine),
            (None | Some(SESSION | TEMPLATE | ANY), false, true) => Some(Self::OAuth),
            _ => None,
        }
    }
}

/// The token is of one of these classes.
pub(crate) struct TokenClassCheck(pub(crate) Vec<TokenClass>);

impl ClaimCheck for TokenClassCheck {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        match TokenClass::of(token) {
            Some(class) if self.0.contains(&class) => Ok(()),
            _ => Err(InvalidToken::WrongTokenClass),
        }
    }
}
