//! The response side of a request.
