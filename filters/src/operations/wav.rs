//! The header of a WAV file (RIFF, Microsoft Multimedia Programming Interface 1.0).

/// Bytes of the header.
const HEADER_BYTES: u32 = 44;

/// Samples of 16 bits, the low byte first, with a header before them; `None` when they are more than a WAV file holds.
pub(super) fn file(samples: &[u8], rate: u32, channels: u16) -> Option<Vec<u8>> {
    let length = u32::try_from(samples.len()).ok()?;
    let all = length.checked_add(HEADER_BYTES - 8)?;
    let block = channels.checked_mul(2)?;
    let mut out = Vec::with_capacity(samples.len() + HEADER_BYTES as usize);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&all.to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16_u32.to_le_bytes());
    // 1 is PCM.
    out.extend_from_slice(&1_u16.to_le_bytes());
    out.extend_from_slice(&channels.to_le_bytes());
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&rate.checked_mul(u32::from(block))?.to_le_bytes());
    out.extend_from_slice(&block.to_le_bytes());
    out.extend_from_slice(&16_u16.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(samples);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_what_follows() {
        let file = file(&[1, 2, 3, 4], 24_000, 1).unwrap();
        assert_eq!(file.len(), 48);
        assert_eq!(&file[..8], b"RIFF\x28\0\0\0");
        assert_eq!(&file[8..16], b"WAVEfmt ");
        // PCM, one channel, 24,000 samples and 48,000 bytes a second, 2 bytes a sample, 16 bits.
        assert_eq!(&file[16..36], &[16, 0, 0, 0, 1, 0, 1, 0, 0xC0, 0x5D, 0, 0, 0x80, 0xBB, 0, 0, 2, 0, 16, 0]);
        assert_eq!(&file[36..], b"data\x04\0\0\0\x01\x02\x03\x04");
    }
}
