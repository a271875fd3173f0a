//! Requests to an issuer: for keys, for metadata and for introspection. They share one kind of HTTP client, its options, and
//! the limits on what is read.

mod client;
mod environment_proxy;
mod metadata;
mod request_headers;
mod response;

pub(crate) use client::{RequestOptions, Requests};
pub(crate) use metadata::{Metadata, MetadataError, MetadataLocation, MetadataUrl};
pub(crate) use request_headers::RequestHeaders;
pub(crate) use response::{RequestFailure, full_text, http_error, read_body, without_query};
