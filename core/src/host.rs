//! What the engine needs of its host besides storage: a clock and randomness.
//!
//! Both are injected, so that equal inputs give identical files on every home and a simulated
//! run can be replayed.

/// Clock and randomness of the host.
pub trait Host {
    /// The clock, in microseconds since 1970. It may jump either way: order never depends on it.
    fn now_us(&self) -> u64;

    /// Sixty-four random bits: store ids, hash keys and segment salts are made of them.
    fn random_u64(&self) -> u64;
}

/// A new store's identity or hash key.
pub(crate) fn random_bytes<H: Host>(host: &H) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&host.random_u64().to_le_bytes());
    bytes[8..].copy_from_slice(&host.random_u64().to_le_bytes());
    bytes
}

impl<H: Host + ?Sized> Host for &H {
    fn now_us(&self) -> u64 {
        (**self).now_us()
    }

    fn random_u64(&self) -> u64 {
        (**self).random_u64()
    }
}

impl<H: Host + ?Sized> Host for alloc::sync::Arc<H> {
    fn now_us(&self) -> u64 {
        (**self).now_us()
    }

    fn random_u64(&self) -> u64 {
        (**self).random_u64()
    }
}
