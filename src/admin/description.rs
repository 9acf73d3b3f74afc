//! What the description of the API says of every operation, so that no handler has to.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::{OpenApi, RefOr};

use super::problem;

/// The description with an id for each operation that no other has, and with the refusal of who brings no key.
pub(super) fn completed(mut description: OpenApi) -> OpenApi {
    for path in description.paths.paths.values_mut() {
        operations(path).for_each(complete);
    }
    description
}

/// The operations of a path.
fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = path;
    [get, put, post, delete, patch].into_iter().filter_map(Option::as_mut)
}

/// Handlers of several parts may have one name; with the part before it, it is an id.
fn complete(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
    operation.operation_id = operation.operation_id.take().map(|name| format!("{tag}_{name}"));
    let refused = problem::response("There is no admin key, or another one than those that are configured");
    operation.responses.responses.insert("401".to_owned(), RefOr::T(refused));
}
