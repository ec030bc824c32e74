//! The gRPC interface, made from `proto/silt/v1/silt.proto`, and how it maps to the library's
//! types.

mod convert;

#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::unwrap_used)]
mod generated {
    tonic::include_proto!("silt.v1");
}

pub use generated::*;

/// The description of the interface, as reflection tells it.
#[cfg(feature = "server")]
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/silt.v1.bin"));
