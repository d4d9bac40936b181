//! What a scripted server answers.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::server::{ReceivedRequest, ScriptedReply};

/// A lease id that is unique among the tests.
pub(crate) fn new_lease_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("lease-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A lease on `orders/42`.
pub(crate) fn lease(lease_id: &str, ttl_ms: u64) -> Value {
    json!({
        "resource": "orders/42", "lease_id": lease_id, "mode": "exclusive", "fencing_token": 7,
        "ttl_ms": ttl_ms, "acquired_at": "2026-01-01T00:00:00.000Z",
        "expires_at": "2026-01-01T00:00:30.000Z", "elapsed_ms": 0, "owner": "", "metadata": {},
    })
}

/// A grant of a new lease.
pub(crate) fn granted(ttl_ms: u64) -> ScriptedReply {
    ScriptedReply::Json(200, lease(&new_lease_id(), ttl_ms))
}

pub(crate) fn problem(status: u16, code: &str, reason: Option<&str>) -> Value {
    let mut problem = json!({
        "type": format!("/problems/{code}"), "title": code, "status": status, "detail": format!("it is {code}"),
        "code": code, "request_id": "r1",
    });
    if let Some(reason) = reason {
        problem["reason"] = reason.into();
    }
    problem
}

/// Replies to `POST /v1/renew` with every lease renewed.
pub(crate) fn renewed(request: &ReceivedRequest, ttl_ms: u64) -> ScriptedReply {
    let leases = request.body["leases"].as_array().cloned().unwrap_or_default();
    let result = |item: &Value| json!({"lease": lease(item["lease_id"].as_str().unwrap(), ttl_ms)});
    ScriptedReply::Json(200, json!({"results": leases.iter().map(result).collect::<Vec<_>>()}))
}

pub(crate) fn released() -> ScriptedReply {
    ScriptedReply::Json(200, json!({"released": true, "fencing_token": 7}))
}

pub(crate) fn cancelled() -> ScriptedReply {
    ScriptedReply::Json(200, json!({"outcome": "cancelled"}))
}

/// Accepts every request: grants, renews, releases and cancels.
pub(crate) fn accept_all(ttl_ms: u64) -> impl FnMut(&ReceivedRequest) -> ScriptedReply {
    move |request| match request.path.as_str() {
        "/v1/renew" => renewed(request, ttl_ms),
        path if path.ends_with("/acquire") => granted(ttl_ms),
        path if path.ends_with("/renew") => {
            ScriptedReply::Json(200, lease(request.body["lease_id"].as_str().unwrap(), ttl_ms))
        }
        path if path.ends_with("/cancel") => cancelled(),
        _ => released(),
    }
}
