//! Files with mistakes, and files without.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::parse::parse;
use super::{LoadError, load};
use crate::auth::credentials::CertificateName;
use crate::auth::{Digest, Limits, Principal, Role};

const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const CANARY: &str = "dlm_CANARYcanaryCANARYcanaryCANARYcanaryCANARYca";

/// A principal whose token, certificates and rules begin in lines 3, 4 and 5.
const PRINCIPAL: &str = r#"[[principal]]
name = "api"
tokens = [{ sha256 = "HASH", expires = 2027-01-01T00:00:00Z }]
certificates = ["spiffe://example.org/api", "API.example.org"]
rules = [{ role = "lock", prefix = "orders/", max_ttl = "10m", max_wait = "1h", max_leases = 1000, max_waiters = 1000, requests_per_second = 500 }]
"#;

fn principal() -> String {
    PRINCIPAL.replace("HASH", HASH)
}

#[test]
fn the_file_of_the_documentation_is_read() {
    let parsed = parse(principal().as_bytes()).unwrap();
    let api = Principal::named("api".into());
    let rules: Vec<_> = parsed.principals.rules["api"].iter().collect();
    assert_eq!((rules.len(), rules[0].role, rules[0].prefix.as_str()), (1, Role::Lock, "orders/"));
    let limits = Limits {
        max_ttl_ms: Some(600_000),
        max_wait_ms: Some(3_600_000),
        max_leases: Some(1000),
        max_waiters: Some(1000),
        requests_per_second: Some(500),
    };
    assert_eq!(rules[0].limits, limits);
    let credentials = parsed.principals.credentials;
    let token = credentials.token(Digest::of(b"abc")).unwrap();
    assert_eq!(token.principal, api);
    assert_eq!(token.expires_at, Some(UNIX_EPOCH + Duration::from_secs(1_798_761_600)));
    for name in ["spiffe://example.org/api", "api.example.org"] {
        assert_eq!(credentials.certificate(&CertificateName::parse(name).unwrap()), Some(&api));
    }
}

#[test]
fn a_mistake_is_refused_with_its_line_and_its_reason() {
    let file = principal();
    let with = |from: &str, to: &str| {
        assert!(file.contains(from), "{from}");
        file.replacen(from, to, 1)
    };
    let second = |text: &str| format!("{file}\n{text}");
    let long = "x".repeat(129);
    let long_prefix = format!("prefix = \"{}\"", "\u{e4}".repeat(129));
    let other_hash = HASH.replace('a', "b");
    let cases = [
        (String::new(), 1, "no `[[principal]]`"),
        ("principal = []".into(), 1, "no `[[principal]]`"),
        (
            "[[principals]]\nname = \"a\"".into(),
            1,
            "unknown key `principals`; known here: `principal`, `jwt`",
        ),
        ("principal = 1".into(), 1, "must be an array"),
        ("principal = [1]".into(), 1, "must be a table"),
        (second("= 1"), 7, "not valid TOML"),
        (with("name = \"api\"", "name = \"api"), 2, "not valid TOML"),
        (with("name = \"api\"", "name = \"api\"\nname = \"b\""), 3, "not valid TOML: duplicate key"),
        // Names.
        (with("name = \"api\"\n", ""), 1, "`name` is missing"),
        (with("name = \"api\"", "name = 1"), 2, "must be a text in quotes"),
        (with("\"api\"", "\"\""), 2, "1 to 128 visible ASCII characters"),
        (with("\"api\"", &format!("\"{long}\"")), 2, "1 to 128 visible ASCII characters"),
        (with("\"api\"", "\"a b\""), 2, "visible ASCII"),
        (with("\"api\"", "\"\u{e4}\""), 2, "visible ASCII"),
        (with("\"api\"", "\"system\""), 2, "must not be `system`"),
        (second("[[principal]]\nname = \"api\"\nrules = []"), 8, "another principal, in line 1"),
        (with("rules = ", "rulez = "), 5, "unknown key `rulez`"),
        // Tokens.
        (with("tokens = [{ sha256 = ", "tokens = [{ sha265 = "), 3, "unknown key `sha265`"),
        (with("tokens = [{", "tokens = [\"x\", {"), 3, "`tokens` must be a table"),
        (with(&format!("sha256 = \"{HASH}\", "), ""), 3, "`sha256` is missing"),
        (with(HASH, &HASH[1..]), 3, "64 hexadecimal digits"),
        (with(HASH, CANARY), 3, "never the token itself"),
        (with("2027-01-01T00:00:00Z", "2027-01-01"), 3, "with its offset from UTC"),
        (with("2027-01-01T00:00:00Z", "\"2027-01-01T00:00:00Z\""), 3, "without quotes"),
        (with("2027-01-01T00:00:00Z", "2027-13-01T00:00:00Z"), 3, "not valid TOML"),
        (
            with("tokens = [", &format!("tokens = [\n{{ sha256 = \"{HASH}\" }},\n")),
            5,
            "another token, in line 4",
        ),
        (
            second(&format!(
                "[[principal]]\nname = \"b\"\ntokens = [{{ sha256 = \"{}\" }}]",
                HASH.to_uppercase()
            )),
            9,
            "another token, in line 3",
        ),
        // Certificates.
        (with("\"API.example.org\"", "\"*.example.org\""), 4, "without wildcards"),
        (with("\"API.example.org\"", "1"), 4, "must be a text"),
        (with("\"API.example.org\"", "\"spiffe://example.org/api\""), 4, "given twice, first in line 4"),
        (
            second(&format!(
                "[[principal]]\nname = \"b\"\ntokens = [{{ sha256 = \"{other_hash}\" }}]\n\
                 certificates = [\"api.EXAMPLE.org\"]"
            )),
            10,
            "given twice, first in line 4",
        ),
        // Rules.
        (file.lines().take(4).collect::<Vec<_>>().join("\n"), 1, "`rules` is missing"),
        (with("role = \"lock\", ", ""), 5, "`role` is missing"),
        (with("\"lock\"", "\"Lock\""), 5, "`observe`, `lock` or `admin`"),
        (with("\"lock\"", "[\"lock\"]"), 5, "must be a text"),
        (with("prefix = \"orders/\", ", ""), 5, "`prefix` is missing"),
        (with("prefix = \"orders/\"", &long_prefix), 5, "at most 256 bytes"),
        (with("\"orders/\"", "\"a\\u0000\""), 5, "control or bidirectional"),
        (with("\"orders/\"", "\"a\\u202e\""), 5, "control or bidirectional"),
        (
            with("rules = [", "rules = [\n{ role = \"admin\", prefix = \"orders\" },\n"),
            7,
            "two rules on the same names; the other one is in line 6",
        ),
        // Limits.
        (with("\"10m\"", "\"99ms\""), 5, "`max_ttl` must be a duration from 100ms to 1day"),
        (with("\"10m\"", "\"25h\""), 5, "`max_ttl` must be a duration"),
        (with("\"10m\"", "\"1s 1us\""), 5, "`max_ttl` must be a duration"),
        (with("\"10m\"", "600000"), 5, "`max_ttl` must be a text"),
        (with("\"10m\"", "\"soon\""), 5, "`max_ttl` must be a duration"),
        (with("\"1h\"", "\"0s\""), 5, "`max_wait` must be a duration from 1ms to 1day"),
        (with("max_leases = 1000", "max_leases = 0"), 5, "`max_leases` must be a whole number from 1"),
        (with("max_leases = 1000", "max_leases = -1"), 5, "`max_leases` must be a whole number"),
        (with("max_leases = 1000", "max_leases = 1.0"), 5, "`max_leases` must be a whole number"),
        (with("max_waiters = 1000", "max_waiters = 1_000_000_001"), 5, "to 1000000000"),
        (with("requests_per_second = 500", "requests_per_second = 1_000_001"), 5, "to 1000000"),
        (with("max_leases = 1000", "max_lease = 1000"), 5, "unknown key `max_lease`"),
        // JWTs.
        (second("jwt = 1"), 7, "unknown key `jwt`"),
        (format!("jwt = 1\n{file}"), 1, "`jwt` must be a table"),
        (second("[jwt]\nissuer = \"i\"\njwks_file = \"k\""), 7, "`audience` is missing"),
        (second("[jwt]\nissuer = \"\"\naudience = \"a\"\njwks_file = \"k\""), 8, "1 to 1024 bytes"),
        (second("[jwt]\nissuer = \"i\"\naudience = [\"a\"]\njwks_file = \"k\""), 9, "must be a text"),
        (
            second("[jwt]\nissuer = \"i\"\naudience = \"a\"\njwks_file = \"k\"\nkid = \"k\""),
            11,
            "unknown key `kid`",
        ),
    ];
    let failed = cases.into_iter().filter_map(|(text, line, reason)| {
        let found =
            parse(text.as_bytes()).map_or_else(|mistake| mistake.to_string(), |_| "no mistake".into());
        let is_right = found.starts_with(&format!("line {line}: ")) && found.contains(reason);
        (!is_right).then(|| format!("{found}\ninstead of line {line}: {reason}\nin\n{text}"))
    });
    let failed: Vec<String> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn a_file_that_is_not_utf8_is_refused_with_its_line() {
    let mistake = parse(b"# a\n# \xff").unwrap_err();
    assert_eq!(mistake.to_string(), "line 2: the file is not UTF-8");
}

#[test]
fn limits_may_have_the_bounds_of_the_api() {
    for (max_ttl, max_wait) in [("100ms", "1ms"), ("24h", "1day")] {
        let text = format!(
            "[[principal]]\nname = \"a\"\nrules = [{{ role = \"lock\", prefix = \"..\", max_ttl = \"{max_ttl}\", \
             max_wait = \"{max_wait}\", max_leases = 1, max_waiters = 1_000_000_000 }}]"
        );
        parse(text.as_bytes()).unwrap();
    }
}

#[test]
fn no_message_repeats_a_secret_wherever_it_stands() {
    let file = principal() + "[jwt]\nissuer = \"i\"\naudience = \"a\"\njwks_file = \"k\"\n";
    let mut refused = 0;
    for start in file.char_indices().map(|(index, _)| index) {
        for replaced in 0..=6 {
            let end = (start + replaced).min(file.len());
            for secret in [CANARY, &format!("\"{CANARY}\""), &format!("{CANARY} = 1\n")] {
                let text = format!("{}{secret}{}", &file[..start], &file[end..]);
                if let Err(mistake) = parse(text.as_bytes()) {
                    refused += 1;
                    assert!(!mistake.to_string().contains("CANARY"), "{mistake}\n{text}");
                }
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn a_jwks_file_is_relative_to_the_auth_file_and_its_mistakes_name_both() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("auth.toml");
    let jwt = "[jwt]\nissuer = \"i\"\naudience = \"a\"\njwks_file = \"keys/jwks.json\"\n";
    std::fs::write(&path, principal() + jwt).unwrap();
    let refused = || load(&path, UNIX_EPOCH).1.unwrap_err().to_string();
    assert!(
        refused().contains("keys/jwks.json (`jwks_file` in ")
            && refused().contains(", line 9): No such file")
    );
    std::fs::create_dir(directory.path().join("keys")).unwrap();
    let keys = directory.path().join("keys/jwks.json");
    std::fs::write(&keys, r#"{"keys": []}"#).unwrap();
    assert!(refused().contains("there is no key for"), "{}", refused());
    let key =
        r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    std::fs::write(&keys, key).unwrap();
    let (files, loaded) = load(&path, UNIX_EPOCH);
    assert_eq!(loaded.unwrap().summary.jwt_keys, 1);
    assert!(files == files.again());
    std::fs::write(&keys, key.replace("11", "12")).unwrap();
    assert!(files != files.again());
}

#[test]
fn a_missing_or_huge_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("auth.toml");
    let (files, loaded) = load(&path, UNIX_EPOCH);
    assert!(matches!(loaded, Err(LoadError::Unreadable { .. })));
    assert!(files == files.again());
    std::fs::write(&path, "#".repeat(17 * 1024 * 1024)).unwrap();
    assert!(matches!(load(&path, UNIX_EPOCH).1, Err(LoadError::TooLarge(_))));
    // A directory in its place, as a container runtime makes of a missing file.
    assert!(load(directory.path(), UNIX_EPOCH).1.is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(parse(&bytes));
    }

    #[test]
    fn parsing_pieces_of_files_in_any_order_never_panics(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30),
    ) {
        drop(parse(pieces.concat().as_bytes()));
    }
}

const PIECES: &[&str] = &[
    "[[principal]]",
    "[jwt]",
    "\n",
    " = ",
    "\"",
    "'''",
    "{ ",
    " }",
    "[",
    "]",
    ", ",
    "name",
    "tokens",
    "sha256",
    "certificates",
    "rules",
    "role",
    "prefix",
    "\"lock\"",
    "max_ttl",
    "\"10m\"",
    "\"\"",
    "expires",
    "2027-01-01",
    "T00:00:00Z",
    "9999-12-31T23:59:60+23:59",
    "0001-01-01T00:00:00-12:00",
    "99999999999999999999999",
    "-1",
    "1e9",
    "inf",
    "\"a\u{e4}\"",
    "\u{feff}",
    "\\u0000",
    "principal.name",
    "#",
    "true",
];
