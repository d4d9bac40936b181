//! The content of an auth file.

use toml::de::DeTable;

use super::field::{Field, Fields};
use super::mistake::{Mistake, Source};
use super::principal::Principals;

/// Maximum length of a text in the table `jwt`.
const MAX_TEXT: usize = 1024;
/// The claim that names the principal unless the file names another.
const DEFAULT_CLAIM: &str = "sub";

/// What an auth file says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) principals: Principals,
    pub(super) jwt: Option<JwtTable>,
}

/// The table `jwt`.
#[derive(Debug)]
pub(super) struct JwtTable {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) claim: String,
    pub(super) jwks_file: String,
    /// The line of `jwks_file`.
    pub(super) line: usize,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Mistake> {
    let text = std::str::from_utf8(bytes).map_err(|error| Mistake {
        line: 1 + bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count(),
        reason: "the file is not UTF-8".into(),
    })?;
    let source = Source(text);
    // Of the parser's error only the message: its `Display` repeats the line.
    let document = DeTable::parse(text).map_err(|error| {
        source.mistake(
            error.span().map_or(0, |span| span.start),
            format!("not valid TOML: {}", error.message()),
        )
    })?;
    let fields = Fields::new(document.get_ref(), 0, source, &["principal", "jwt"])?;
    let mut principals = Principals::default();
    if let Some(field) = fields.optional("principal") {
        for principal in field.items()? {
            principals.add(&principal)?;
        }
    }
    if principals.rules.is_empty() {
        return Err(fields.mistake("the file has no `[[principal]]`, so nobody could do anything"));
    }
    let jwt = fields.optional("jwt").map(|field| jwt(&field)).transpose()?;
    Ok(Parsed { principals, jwt })
}

fn jwt(field: &Field<'_>) -> Result<JwtTable, Mistake> {
    let fields = field.table(&["issuer", "audience", "jwks_file", "claim"])?;
    let jwks_file = fields.required("jwks_file")?;
    Ok(JwtTable {
        issuer: some_text(&fields.required("issuer")?)?,
        audience: some_text(&fields.required("audience")?)?,
        claim: fields.optional("claim").map_or(Ok(DEFAULT_CLAIM.into()), |field| some_text(&field))?,
        jwks_file: some_text(&jwks_file)?,
        line: jwks_file.line(),
    })
}

fn some_text(field: &Field<'_>) -> Result<String, Mistake> {
    let text = field.text()?;
    let within = (1..=MAX_TEXT).contains(&text.len()) && !text.chars().any(char::is_control);
    if within {
        Ok(text.to_owned())
    } else {
        Err(field.mistake(&format!("must be 1 to {MAX_TEXT} bytes of text")))
    }
}
