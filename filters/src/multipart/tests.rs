use proptest::prelude::*;

use super::*;

const TYPE: &str = "multipart/form-data; boundary=XX";

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (header, content) in parts {
        body.extend_from_slice(format!("--XX\r\n{header}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--XX--\r\n");
    body
}

fn field(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"")
}

#[test]
fn a_form_as_the_sdks_write_it() {
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".wav\"\r\nContent-Type: audio/wav";
    let body = form(&[(&field("model"), b"whisper-1"), (file, b"RIFF\r\n--X\r\n\0")]);
    let form = read("Multipart/Form-Data; charset=utf-8; Boundary=\"XX\"", &body).unwrap();
    assert_eq!(form.text("model").unwrap(), Some("whisper-1"));
    let file = form.one("file").unwrap().unwrap();
    assert_eq!(file.file_name.as_deref(), Some("a \"b\".wav"));
    assert_eq!((file.content_type, file.content), (Some("audio/wav"), &b"RIFF\r\n--X\r\n\0"[..]));
    assert_eq!(&body[file.at.clone()], file.content);
}

#[test]
fn an_empty_form_an_empty_field_and_padding_are_read() {
    assert!(read(TYPE, b"--XX--").unwrap().parts.is_empty());
    let body = b"\r\n--XX \t\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--XX--\r\n";
    assert_eq!(read(TYPE, body).unwrap().text("a").unwrap(), Some(""));
}

#[test]
fn a_list_is_one_field_and_a_repeated_field_is_refused() {
    let body = form(&[(&field("image[]"), b"1"), (&field("image"), b"2")]);
    let form = read(TYPE, &body).unwrap();
    assert_eq!(form.all("image").count(), 2);
    assert_eq!(form.one("image").unwrap_err().param.as_deref(), Some("image"));
    assert!(form.set("image", "x").is_err());
}

#[test]
fn the_model_is_edited_in_place_or_added() {
    let body = form(&[(&field("n"), b"1"), (&field("model"), b"a")]);
    let form_read = read(TYPE, &body).unwrap();
    assert_eq!(
        form_read.set("model", "b-2").unwrap().apply(&body).unwrap(),
        form(&[(&field("n"), b"1"), (&field("model"), b"b-2")])
    );
    assert!(form_read.set("model", "a").unwrap().is_empty());
    assert!(form_read.set("model", "a\r\n--XX--").is_err());
    let body = form(&[(&field("n"), b"1")]);
    let added = read(TYPE, &body).unwrap().set("model", "b").unwrap().apply(&body).unwrap();
    assert_eq!(added, form(&[(&field("model"), b"b"), (&field("n"), b"1")]));
}

#[test]
fn what_two_readers_could_read_in_two_ways_is_refused() {
    let header = |problem: &'static str| FormError::Header { part: 1, problem };
    let name = "Content-Disposition: form-data; name=\"a\"";
    for (body, expected) in [
        (format!("preamble\r\n--XX\r\n{name}\r\n\r\n1\r\n--XX--"), FormError::Start),
        (format!("--XX\r\n{name}\r\n\r\n1\r\n--XXY\r\n"), FormError::Delimiter { at: 57 }),
        (format!("--XX\n{name}\n\n1\n--XX--"), FormError::Delimiter { at: 4 }),
        (format!("--XX\r\n{name}\r\n\r\n1\r\n--XX--\r\nx"), FormError::Trailer),
        (format!("--XX\r\n{name}\r\n\r\n1"), FormError::Unfinished),
        (
            format!("--XX\r\n{name}\r\n\r\n--XX--"),
            header("has no content, not even the line end before the next boundary; add CRLF"),
        ),
        (format!("--XX\r\n{name}\r\n{name}\r\n\r\n1\r\n--XX--"), header("has the same header twice; send it once")),
        (format!("--XX\r\n{name}; name=b\r\n\r\n1\r\n--XX--"), header("has two names; send one")),
        (
            format!("--XX\r\n{name}\r\nContent-Transfer-Encoding: base64\r\n\r\n1\r\n--XX--"),
            header("is encoded (`Content-Transfer-Encoding`); send its bytes as they are"),
        ),
        (
            "--XX\r\n\r\n1\r\n--XX--".to_owned(),
            header("has no header; send `Content-Disposition: form-data; name=\"…\"`"),
        ),
    ] {
        assert_eq!(read(TYPE, body.as_bytes()).unwrap_err(), expected, "{body:?}");
    }
    for kind in ["", "application/json", "multipart/mixed; boundary=XX"] {
        assert_eq!(read(kind, b"--XX--").unwrap_err(), FormError::NotAForm);
    }
    let long = format!("multipart/form-data; boundary={}", "x".repeat(BOUNDARY_BYTES_MAX + 1));
    for kind in [
        "multipart/form-data",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=a; boundary=b",
        &long,
    ] {
        assert_eq!(read(kind, b"--XX--").unwrap_err(), FormError::Boundary);
    }
}

#[test]
fn parts_and_headers_are_bounded() {
    let one = (field("a"), b"1".to_vec());
    let many: Vec<(&str, &[u8])> = (0..=PARTS_MAX).map(|_| (one.0.as_str(), one.1.as_slice())).collect();
    assert!(read(TYPE, &form(&many[..PARTS_MAX])).is_ok());
    assert_eq!(read(TYPE, &form(&many)).unwrap_err(), FormError::TooManyParts);
    let long = format!("{}\r\nX: {}", field("a"), "x".repeat(HEADER_BYTES_MAX));
    assert!(matches!(read(TYPE, &form(&[(&long, b"1")])), Err(FormError::Header { part: 1, .. })));
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    // Bytes that come near a boundary as often as others.
    proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'-'), Just(b'X'), any::<u8>()], 0..40)
        .prop_filter("holds the boundary", |bytes| {
            memchr::memmem::find(bytes, b"\r\n--XX").is_none() && !bytes.starts_with(b"--XX")
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_was_written_is_read(parts in proptest::collection::vec(("[a-z_]{1,8}", content()), 0..6)) {
        let written: Vec<(String, Vec<u8>)> = parts.iter().map(|(name, bytes)| (field(name), bytes.clone())).collect();
        let body = form(&written.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>());
        let read = read(TYPE, &body).unwrap();
        let found: Vec<(String, Vec<u8>)> =
            read.parts.iter().map(|part| (part.name.to_string(), part.content.to_vec())).collect();
        prop_assert_eq!(found, parts);
    }

    #[test]
    fn an_edit_changes_the_one_field(parts in proptest::collection::vec(("[a-z_]{1,8}", content()), 0..6), value in "[a-z0-9./:-]{0,20}") {
        let mut all = parts.clone();
        all.retain(|(name, _)| name != "model");
        let written: Vec<(String, Vec<u8>)> = all.iter().map(|(name, bytes)| (field(name), bytes.clone())).collect();
        let body = form(&written.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>());
        let edited = read(TYPE, &body).unwrap().set("model", &value).unwrap().apply(&body).unwrap();
        let again = read(TYPE, &edited).unwrap();
        prop_assert_eq!(again.text("model").unwrap(), Some(value.as_str()));
        let rest: Vec<(String, Vec<u8>)> =
            again.parts.iter().skip(1).map(|part| (part.name.to_string(), part.content.to_vec())).collect();
        prop_assert_eq!(rest, all);
    }

    #[test]
    fn a_form_that_was_cut_off_is_refused(bytes in content(), cut in any::<prop::sample::Index>()) {
        let body = form(&[(&field("a"), &bytes)]);
        let whole = body.len() - 2;
        prop_assert!(read(TYPE, &body[..cut.index(whole)]).is_err());
    }

    #[test]
    fn any_bytes_give_a_form_or_an_error(
        kind in "(multipart/form-data; ?boundary=\"?XX\"?)?[ -~]{0,12}",
        pieces in proptest::collection::vec(
            prop::sample::select(vec![&b"--XX"[..], b"\r\n", b"--", b"Content-Disposition: form-data; name=\"a", b"\"",
                b"\\", b"; filename=", b"\xff", b": "]), 0..16),
    ) {
        let body = pieces.concat();
        if let Ok(form) = read(&kind, &body) {
            for part in &form.parts {
                prop_assert_eq!(&body[part.at.clone()], part.content);
            }
        }
        let _ = read(TYPE, &body);
    }
}
