//! Where tokens come from.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use crate::request_error::Cause;
use crate::token::BearerToken;

/// How long a token that was read from a file is used before the file is read again.
const FILE_REFRESH: Duration = Duration::from_secs(5);
/// A larger file is not a token.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Returns a token each time it is asked.
#[derive(Clone)]
pub(crate) struct TokenProvider(
    Arc<dyn Fn() -> BoxFuture<'static, Result<BearerToken, Cause>> + Send + Sync>,
);

impl TokenProvider {
    /// A provider of the application.
    pub(crate) fn new<F, E>(provider: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<BearerToken, E>> + Send + 'static,
        E: Into<Cause>,
    {
        Self(Arc::new(move || {
            let provided = provider();
            Box::pin(async move { provided.await.map_err(Into::into) })
        }))
    }

    /// A file that is replaced when its token is. `name` is what errors call it.
    pub(crate) fn file(path: PathBuf, name: String) -> Self {
        let file = Arc::new((path, name));
        Self::new(move || {
            let file = Arc::clone(&file);
            async move { read_file(&file.0).map_err(|why| format!("{}: {why}", file.1)) }
        })
    }

    pub(crate) fn ask(&self) -> BoxFuture<'static, Result<BearerToken, Cause>> {
        (self.0)()
    }
}

impl fmt::Debug for TokenProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenProvider")
    }
}

/// Reads a token. The error does not show what the file contains.
fn read_file(path: &PathBuf) -> Result<BearerToken, String> {
    let file = File::open(path).map_err(|why| why.to_string())?;
    // Allocated once: growth would leave copies behind.
    let capacity = usize::try_from(MAX_FILE_BYTES).unwrap_or(usize::MAX) + 1;
    let mut content = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(|why| why.to_string())?;
    let text = std::str::from_utf8(&content).map_err(|_| "it is not text".to_owned())?;
    let token = BearerToken::new(text.trim()).map_err(|error| error.to_string())?;
    Ok(token.refresh_after(FILE_REFRESH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn token_is_read_from_a_file_without_the_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "dlm_abc\n").unwrap();
        let provider = TokenProvider::file(path.clone(), "the file".into());
        assert_eq!(provider.ask().await.unwrap().header(), "Bearer dlm_abc");
        std::fs::write(&path, "dlm_def").unwrap();
        let token = provider.ask().await.unwrap();
        assert_eq!(
            (token.header(), token.refresh_delay()),
            (&"Bearer dlm_def".parse().unwrap(), Some(FILE_REFRESH))
        );
    }

    #[tokio::test]
    async fn error_names_the_file_and_hides_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let provider = TokenProvider::file(path.clone(), "the file in VARIABLE".into());
        let missing = provider.ask().await.unwrap_err().to_string();
        assert!(
            missing.starts_with("the file in VARIABLE: ") && missing.contains("No such file"),
            "{missing}"
        );
        for content in [&b""[..], b"s3cret s3cret", b"s3cret\xff", &[b'a'; 100_000]] {
            std::fs::write(&path, content).unwrap();
            let error = provider.ask().await.unwrap_err().to_string();
            assert!(error.starts_with("the file in VARIABLE: ") && !error.contains("s3cret"), "{error}");
        }
    }
}
