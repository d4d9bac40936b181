//! The schemas of the wire types.

use dlm_protocol as wire;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

/// What is derived. The paths come from the routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "dlm", description = "A distributed lock manager", license(name = "MIT OR Apache-2.0")),
    components(schemas(
        wire::AccessRule,
        wire::AcquireRequest,
        wire::BlockedLock,
        wire::Blocker,
        wire::WaitGraph,
        wire::CancelOutcome,
        wire::Cancelled,
        wire::CheckRequest,
        wire::Checked,
        wire::EndReason,
        wire::Event,
        wire::EventKind,
        wire::EventPage,
        wire::ContendedLock,
        wire::DeadlockedHolder,
        wire::ExpiredLease,
        wire::EstimatedWait,
        wire::Explanation,
        wire::HoldStatistics,
        wire::HoldStatisticsList,
        wire::LockHolds,
        wire::OwnedLease,
        wire::OwnedWait,
        wire::OwnerDetails,
        wire::OwnerPage,
        wire::OwnerSummary,
        wire::QueuedWaiter,
        wire::LongWait,
        wire::Overview,
        wire::OverviewSecond,
        wire::FencingToken,
        wire::ForceReleaseRequest,
        wire::ForceReleased,
        wire::Holder,
        wire::IdempotencyKey,
        wire::Lease,
        wire::LeaseEnded,
        wire::LeaseId,
        wire::LiveWaitGraph,
        wire::LockPage,
        wire::LockState,
        wire::LockStatus,
        wire::Metadata,
        wire::Mode,
        wire::Owner,
        wire::PastHolder,
        wire::PastLock,
        wire::PastState,
        wire::PastWaiter,
        wire::PendingRelease,
        wire::PossibleDeadlock,
        wire::PrincipalDetails,
        wire::Problem,
        wire::ProblemCode,
        wire::Queued,
        wire::Quota,
        wire::Reason,
        wire::ReleaseNotice,
        wire::ReleaseRequest,
        wire::Released,
        wire::Renewal,
        wire::RenewItem,
        wire::RenewManyRequest,
        wire::RenewRequest,
        wire::RenewResult,
        wire::Renewed,
        wire::RequestReleaseRequest,
        wire::RequestedRelease,
        wire::ResourceName,
        wire::Role,
        wire::SessionBody,
        wire::SessionOp,
        wire::SessionQueued,
        wire::SessionRequest,
        wire::StateFilter,
        wire::Ticket,
        wire::TicketPurpose,
        wire::TicketRequest,
        wire::Timestamp,
        wire::Ttl,
        wire::Wait,
        wire::Waiter,
        wire::WhoAmI,
    ))
)]
struct Schemas;

/// A document with the schemas of the wire types alone.
pub(super) fn document() -> Value {
    let mut document = serde_json::to_value(Schemas::openapi()).unwrap_or_else(|error| {
        tracing::error!(%error, "OpenAPI schemas could not be serialized");
        json!({})
    });
    complete(&mut document["components"]["schemas"]);
    document
}

/// Adds what the derived schemas lack: the `type` tag of the messages of the event
/// stream, and that all fields of an acquire are optional.
fn complete(schemas: &mut Value) {
    for (name, tag) in [("Event", "event"), ("Renewal", "renewed"), ("LiveWaitGraph", "wait_graph")] {
        schemas[name]["properties"]["type"] = json!({"type": "string", "enum": [tag]});
        if let Some(required) = schemas[name]["required"].as_array_mut() {
            required.insert(0, json!("type"));
        }
    }
    schemas["EventMark"] = json!({
        "type": "object",
        "description": "A position in the event stream to resume from.",
        "required": ["type", "cursor"],
        "properties": {
            "type": {"type": "string", "enum": ["synced", "bookmark"]},
            "cursor": {"type": "string"},
        },
    });
    if let Some(acquire) = schemas["AcquireRequest"].as_object_mut() {
        acquire.remove("required");
    }
    // `maxLength` counts characters, the server counts bytes.
    for schema in schemas.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let Some(max) = schema["maxLength"].as_u64() else { continue };
        let described = schema["description"].as_str().unwrap_or_default();
        schema["description"] = json!(
            format!("{described}\n\nThe maximum is {max} bytes of UTF-8, not characters.").trim_start()
        );
    }
}
