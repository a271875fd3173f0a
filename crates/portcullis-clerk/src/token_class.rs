//! The classes of tokens that an instance signs with its one key.

use portcullis::checks::{CheckAbout, ClaimCheck, TokenView};
use portcullis::error::InvalidToken;
use portcullis::jose::Header;
use serde_json::Value;

/// The class of a token. An instance signs all classes with one key, so a service must choose which it accepts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TokenClass {
    /// The token of a machine for calls to another machine. `sub` is `mch_…`.
    /// See <https://clerk.com/docs/guides/development/machine-auth/m2m-tokens>.
    MachineToMachine,
    /// An OAuth access token of a user, issued to an application. `typ` is `at+jwt`.
    /// See <https://clerk.com/docs/guides/configure/auth-strategies/oauth/overview>.
    OAuth,
    /// The session token of a user.
    Session,
    /// A token made from a JWT template, usually for another service.
    /// See <https://clerk.com/docs/guides/sessions/jwt-templates>.
    Template,
}

/// The values of the header's `cat`, as in Clerk's SDK (`tokens/jwtCategories` of @clerk/backend).
const SESSION: &str = "cl_B7d4PD111AAA";
const TEMPLATE: &str = "cl_B7d4PD222AAA";
const MACHINE_TO_MACHINE: &str = "cl_B7d4PD333AAA";
/// The category that says nothing about the class. Clerk's SDK ignores it, and refuses a machine token with it.
const ANY: &str = "cl_I7d4PD111III";

/// The prefix of a machine's identifier.
pub(crate) const MACHINE: &str = "mch_";

impl TokenClass {
    /// Returns the class of a token. `None` means that its marks are unknown or contradict each other.
    ///
    /// Old tokens have no `cat`. They are session tokens unless another mark says otherwise.
    fn of(token: &TokenView<'_>) -> Option<Self> {
        Self::marked(token.header(), token.claims().subject())
    }

    /// Returns the class that the marks of a token name: its header and its `sub`.
    pub(crate) fn marked(header: &Header, subject: Option<&str>) -> Option<Self> {
        let category = match header.get::<Value>("cat") {
            None => None,
            Some(Value::String(category)) => Some(category),
            Some(_) => return None,
        };
        let is_machine = subject.is_some_and(|subject| subject.starts_with(MACHINE));
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

/// Checks that the token has one of these classes.
pub(crate) struct TokenClassCheck(pub(crate) Vec<TokenClass>);

impl ClaimCheck for TokenClassCheck {
    fn check(&self, token: &TokenView<'_>) -> Result<(), InvalidToken> {
        match TokenClass::of(token) {
            Some(class) if self.0.contains(&class) => Ok(()),
            _ => Err(InvalidToken::WrongTokenClass),
        }
    }

    fn about(&self) -> CheckAbout {
        CheckAbout::named("token class").reading("sub").expecting(format!("one of {:?}", self.0))
    }
}
