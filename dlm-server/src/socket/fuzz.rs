//! Fuzz target of the frames of a session.

use dlm_protocol::SessionRequest;

use super::frame;

/// A frame is decoded to the operation that its request says, or refused.
pub fn frame(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok((id, operation)) = frame::decode(&text) else { return };
    let request: SessionRequest = serde_json::from_str(&text).expect("a request");
    assert_eq!(request.id, id);
    // As another client would write it.
    let again = serde_json::to_string(&request).expect("JSON");
    match frame::decode(&again) {
        Ok((id_again, same)) => {
            assert_eq!((id, format!("{operation:?}")), (id_again, format!("{same:?}")), "{again}");
        }
        Err(_) => panic!("{text} is accepted, and {again} is not"),
    }
}
