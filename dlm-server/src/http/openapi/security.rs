//! How a caller authenticates, in the OpenAPI document.

use serde_json::{Value, json};

use crate::http::route::Route;

/// The schemes of the document, by the names that [`required`] uses.
pub(super) fn schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token that `dlm-server token new` made, or a JWT of the issuer that the auth file \
                names. A server without an auth file needs no credential",
        },
        "clientCertificate": {
            "type": "mutualTLS",
            "description": "A client certificate whose DNS name or URI the auth file gives to a principal",
        },
        "ticket": {
            "type": "apiKey",
            "in": "header",
            "name": "Sec-WebSocket-Protocol",
            "description": "The subprotocol `dlm.ticket.` and a ticket, besides the subprotocol of the WebSocket: \
                for callers that can't send other headers with an upgrade",
        },
    })
}

/// What an operation needs: one of these credentials, or none if there are none.
pub(super) fn required(route: Route) -> Value {
    if route.is_public() {
        return json!([]);
    }
    let mut credentials = vec![json!({"bearer": []}), json!({"clientCertificate": []})];
    if matches!(route, Route::Events | Route::Session) {
        credentials.push(json!({"ticket": []}));
    }
    Value::Array(credentials)
}
