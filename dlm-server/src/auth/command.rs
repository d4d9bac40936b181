//! The commands of the binary that deal with auth files.

use std::path::Path;
use std::time::Duration;

use super::Role;
use super::file::{PrincipalBlock, load};
use super::token::NewToken;
use crate::clock::wall_time;

/// The longest time for which a token can be made: no instant overflows, and longer
/// means for ever.
const MAX_EXPIRY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What a new token is for.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// The name of the principal.
    pub name: String,
    /// `observe`, `lock` or `admin`.
    pub role: String,
    /// Whose names the principal may use; empty for all.
    pub prefix: String,
    /// For how long the token is valid; `None` for ever.
    pub expires_in: Option<Duration>,
}

/// Makes a token. Returns the text to print: the token in the first line, an empty line,
/// and the block for the auth file. Nothing is stored.
///
/// # Errors
///
/// Returns what is wrong with the request, for people to read.
pub fn new_token(request: &TokenRequest) -> Result<String, String> {
    let role = Role::from_name(&request.role).ok_or("the role must be `observe`, `lock` or `admin`")?;
    let expires_at = match request.expires_in {
        Some(within) if within < Duration::from_secs(1) || within > MAX_EXPIRY => {
            return Err("a token must expire after 1 second to 100 years".into());
        }
        within => within.map(|within| wall_time() + within),
    };
    let token = NewToken::make().map_err(|error| format!("the system has no random bytes: {error}"))?;
    let block = PrincipalBlock::new(&request.name, role, &request.prefix, token.digest(), expires_at)?;
    Ok(format!(
        "{}\n\n\
         # The token above is not stored anywhere. This block goes into the auth file. If the\n\
         # principal is there already, add only the entry of `tokens` to it.\n\
         {block}",
        token.secret()
    ))
}

/// Checks an auth file. Returns how much it holds.
///
/// # Errors
///
/// Returns the file, the line and the reason of the first mistake.
pub fn check_auth_file(path: &Path) -> Result<String, String> {
    let (_, loaded) = load(path, wall_time());
    loaded.map(|loaded| loaded.summary.to_string()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Authentication, Policy, Principal};

    fn request(name: &str, prefix: &str, expires_in: Option<Duration>) -> TokenRequest {
        TokenRequest { name: name.into(), role: "lock".into(), prefix: prefix.into(), expires_in }
    }

    fn policy_of(text: &str) -> Policy {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.toml");
        std::fs::write(&path, text).unwrap();
        load(&path, wall_time()).1.unwrap().policy
    }

    #[test]
    fn the_block_of_a_new_token_authenticates_the_token_whatever_the_names() {
        for (name, prefix) in [("api", "orders/"), ("\"a\\b\"", "\"\\\u{1f512} x'"), ("#", "")] {
            let text = new_token(&request(name, prefix, Some(Duration::from_secs(60)))).unwrap();
            let (token, block) = text.split_once("\n\n").unwrap();
            assert!(!block.contains(token));
            let policy = policy_of(block);
            let header = format!("Bearer {token}");
            let caller = |now| Authentication::of(&policy, [header.as_bytes()].into_iter(), None, now);
            let authenticated = caller(wall_time()).unwrap();
            assert_eq!(&**authenticated.principal().name(), name);
            assert!(caller(wall_time() + Duration::from_secs(61)).is_err());
            let rules = policy.rules(&Principal::named(name.into())).unwrap();
            assert_eq!(rules.iter().next().unwrap().prefix.as_str(), prefix);
        }
    }

    #[test]
    fn impossible_requests_are_refused() {
        let refused = |request| new_token(&request).unwrap_err();
        assert!(refused(request("system", "", None)).contains("must not be `system`"));
        assert!(refused(request("", "", None)).contains("1 to 128"));
        assert!(refused(request("a", "a\nb", None)).contains("the prefix"));
        assert!(refused(request("a", "", Some(Duration::ZERO))).contains("1 second"));
        assert!(refused(request("a", "", Some(Duration::MAX))).contains("100 years"));
        let role = TokenRequest { role: "root".into(), ..request("a", "", None) };
        assert!(refused(role).contains("`observe`, `lock` or `admin`"));
    }

    #[test]
    fn checking_a_file_counts_what_it_holds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.toml");
        let text = new_token(&request("api", "", None)).unwrap();
        std::fs::write(&path, text.split_once("\n\n").unwrap().1).unwrap();
        let summary = check_auth_file(&path).unwrap();
        assert_eq!(summary, "1 principals, 1 rules, 1 tokens (0 expired), 0 certificate names, 0 JWT keys");
        // The token is no part of the file, and a file that has it is refused.
        std::fs::write(&path, &text).unwrap();
        let error = check_auth_file(&path).unwrap_err();
        assert!(error.contains("auth.toml: line 1: not valid TOML"), "{error}");
        assert!(!error.contains("dlm_"), "{error}");
    }
}
