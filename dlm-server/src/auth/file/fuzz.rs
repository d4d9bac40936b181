//! Fuzz target of auth files, which operators write.

use super::parse::parse;
use super::principal::check_name;

/// A value in the seeds of the corpus. Keys of this length are not repeated either.
const SECRET: &str = "dlm_CANARYcanary1CANARYcanary2CANARYcanary3CANA";

/// A file is refused with a line of it, or accepted with names that are valid. A message
/// repeats no secret.
pub fn auth_file(input: &[u8]) {
    match parse(input) {
        Ok(parsed) => {
            let rules = &parsed.principals.rules;
            assert!(!rules.is_empty() && rules.keys().all(|name| check_name(name).is_ok()));
        }
        Err(mistake) => {
            let lines = input.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!((1..=lines).contains(&mistake.line), "{mistake}");
            assert!(!mistake.reason.contains(SECRET), "{mistake}");
        }
    }
}
