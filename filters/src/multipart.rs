//! Forms (`multipart/form-data`).
