//! Reads a request body within its bounds.

use bytes::{Bytes, BytesMut};
use interlingua_filters::ir::{ApiError, ErrorKind};
use pingora_proxy::Session;

/// Memory set aside for a body before its bytes have come, whatever length it announces.
const FIRST_ALLOCATION_BYTES_MAX: usize = 1024 * 1024;

/// Reads the whole body, in any framing.
///
/// # Errors
/// `Ok(Err(_))` is the caller's fault (too large, an encoding that is not served), `Err(_)` a broken connection.
pub(super) async fn read(session: &mut Session, bytes_max: usize) -> pingora::Result<Result<Bytes, ApiError>> {
    let announced = header(session, "content-length").and_then(|text| text.parse::<usize>().ok());
    if announced.is_some_and(|length| length > bytes_max) {
        return Ok(Err(too_large(bytes_max)));
    }
    if header(session, "content-encoding").is_some_and(|encoding| encoding != "identity") {
        let message = "send the body without a content-encoding";
        return Ok(Err(ApiError::new(ErrorKind::InvalidRequest, message)));
    }
    if header(session, "expect").is_some_and(|expect| expect.eq_ignore_ascii_case("100-continue")) {
        // Pingora takes any response before the end of the body for the last one on the connection.
        session.downstream_session.set_close_on_response_before_downstream_finish(false);
        let told = session.downstream_session.write_continue_response().await;
        session.downstream_session.set_close_on_response_before_downstream_finish(true);
        told?;
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0).min(FIRST_ALLOCATION_BYTES_MAX));
    while let Some(piece) = session.downstream_session.read_request_body().await? {
        if body.len() + piece.len() > bytes_max {
            return Ok(Err(too_large(bytes_max)));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Ok(body.freeze()))
}

fn header<'s>(session: &'s Session, name: &str) -> Option<&'s str> {
    session.req_header().headers.get(name)?.to_str().ok()
}

fn too_large(bytes_max: usize) -> ApiError {
    let message = format!("the request body is larger than the {bytes_max} bytes that this gateway takes");
    ApiError::new(ErrorKind::TooLarge, message)
}
