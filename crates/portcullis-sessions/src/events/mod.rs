//! Receivers of what an identity provider reports: logouts and security events. They fill a deny-list.

mod logout;
#[cfg(feature = "poll")]
mod poll;
mod receiver;
mod report;
mod request;
mod set;
mod status;
mod subject;

pub use self::logout::{BackchannelLogout, LoggedOut, LogoutError};
#[cfg(feature = "poll")]
pub use self::poll::{EventPoller, EventPollerBuilder, PollError, Polled};
pub use self::receiver::{EventReceiver, EventReceiverBuilder};
pub use self::request::{EventRequest, EventResponse};
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) use self::request::{MAX_BODY_BYTES, TOO_LONG};
pub use self::set::{EventEffect, EventError, ReceivedEvent};
pub use self::status::{EventStatus, Verification};
pub use self::subject::{Affected, EventSubject, EventSubjects};
