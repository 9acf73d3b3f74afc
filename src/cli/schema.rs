//! `interlingua schema`: the JSON schema of the configuration, for editors.

/// The schema. `conf/schema.json` holds it.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn run() -> Result<String, String> {
    crate::config::schema().map_err(|error| error.to_string())
}
