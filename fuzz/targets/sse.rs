//! Any split of any bytes gives the same events.
#![no_main]

use interlingua_filters::sse::Parser;
use libfuzzer_sys::fuzz_target;

fn read<'d>(pieces: impl Iterator<Item = &'d [u8]>) -> Vec<(String, String)> {
    let (mut parser, mut events) = (Parser::default(), Vec::new());
    for piece in pieces {
        let read = parser.push(piece, &mut |event| events.push((event.name.to_owned(), event.data.to_owned())));
        if read.is_err() {
            return events;
        }
    }
    parser.finish(&mut |event| events.push((event.name.to_owned(), event.data.to_owned())));
    events
}

fuzz_target!(|data: &[u8]| {
    let whole = read(std::iter::once(data));
    let step = usize::from(data.first().copied().unwrap_or(0)) % 7 + 1;
    assert_eq!(read(data.chunks(1)), whole);
    assert_eq!(read(data.chunks(step)), whole);
});
