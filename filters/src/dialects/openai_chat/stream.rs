//! Chunks both ways.

mod calls;
mod decode;
mod encode;

pub use decode::StreamDecoder;
pub use encode::StreamEncoder;

/// An id for a call that has none: stable for one answer, whose id is `seed`, and different in the next one, because
/// other dialects want ids unique within a conversation.
pub(super) fn made_id(seed: &str, choice: usize, n: usize) -> String {
    // FNV-1a, 64 bits: the same on every machine.
    let hash = seed
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let n = if n == usize::MAX { "f".to_owned() } else { n.to_string() };
    format!("call_{hash:016x}_{choice}_{n}")
}
