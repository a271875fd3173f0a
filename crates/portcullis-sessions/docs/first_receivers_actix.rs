use actix_web::web::ServiceConfig;
use portcullis_sessions::actix::{backchannel_logout, security_events};
use portcullis_sessions::{BackchannelLogout, EventReceiver};

/// For `App::new().configure(|app| receivers(app, &logout, &events))`.
pub fn receivers(app: &mut ServiceConfig, logout: &BackchannelLogout, events: &EventReceiver) {
    app.configure(backchannel_logout("/logout", logout)).configure(security_events("/events", events));
}
