//! Writes events in the form that every known client reads.

/// Appends an event with a name (none when `name` is empty) and one `data:` line with a space after the colon.
///
/// `write` appends the data. Raw line ends in it can only be white space between JSON tokens (JSON forbids them in
/// strings), and some clients read one `data:` line only, so they are taken out.
pub fn event(out: &mut Vec<u8>, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
    if !name.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    let start = out.len();
    write(out);
    if memchr::memchr2(b'\n', b'\r', &out[start..]).is_some() {
        let data: Vec<u8> = out.drain(start..).filter(|byte| !matches!(byte, b'\n' | b'\r')).collect();
        out.extend_from_slice(&data);
    }
    out.extend_from_slice(b"\n\n");
}

/// Appends a comment, for clients that read any byte as a sign of life.
pub fn comment(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(b": ");
    out.extend(text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    out.extend_from_slice(b"\n\n");
}
