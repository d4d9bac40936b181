//! The file in which `dlm login` keeps a URL and a token: `dlm/login.toml` in the directory of the
//! XDG Base Directory Specification. Only its owner may read it.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What is stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    pub(crate) url: String,
    /// None for a server that does not authenticate.
    pub(crate) token: Option<String>,
    /// The path of a file with certificates to trust.
    pub(crate) ca: Option<PathBuf>,
}

impl Login {
    /// Reads the file. None if there is none.
    pub(crate) fn read() -> Result<Option<Self>, Failure> {
        path().map_or(Ok(None), |path| Self::read_from(&path))
    }

    /// Replaces the file. Returns its path.
    pub(crate) fn write(&self) -> Result<PathBuf, Failure> {
        let path = path().ok_or_else(|| {
            Failure::usage("there is no directory for the login file").hint("set HOME or XDG_CONFIG_HOME")
        })?;
        self.write_to(&path)
            .map_err(|error| Failure::other(format!("can't write {}: {error}", path.display())))?;
        Ok(path)
    }

    fn read_from(path: &Path) -> Result<Option<Self>, Failure> {
        let failed =
            |why: String| Failure::usage(format!("can't use the login file {}: {why}", path.display()));
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.to_string())),
        };
        if is_open_to_others(path)? {
            return Err(
                failed("other users may read it".into()).hint(format!("chmod 600 {}", path.display()))
            );
        }
        // The error of the parser would show the line, and with it the token.
        let login = toml::from_str(&text).map_err(|error| failed(error.message().to_owned()));
        login.map(Some).map_err(|failure| failure.hint("write it again: `dlm login`"))
    }

    fn write_to(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        create_private_directory(directory)?;
        // Created for its owner alone, and renamed into place: no reader sees half of it.
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(toml::to_string(self).map_err(io::Error::other)?.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }
}

fn path() -> Option<PathBuf> {
    // A relative path in the variable is invalid, says the specification, and is ignored.
    let configured = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let directory = configured.or_else(|| Some(env::home_dir()?.join(".config")))?;
    Some(directory.join("dlm").join("login.toml"))
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;

    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

#[cfg(unix)]
fn create_private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Elsewhere the directories of a user are private by default.
#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(not(unix))]
fn create_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn login() -> Login {
        Login {
            url: "https://locks.example.org".into(),
            token: Some("s3cret".into()),
            ca: Some("/etc/\"dlm\".crt".into()),
        }
    }

    #[test]
    fn login_is_read_back_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config/dlm/login.toml");
        assert!(Login::read_from(&path).unwrap().is_none());
        login().write_to(&path).unwrap();
        assert!(Login::read_from(&path).unwrap() == Some(login()));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let other = Login { token: None, ..login() };
        other.write_to(&path).unwrap();
        assert!(Login::read_from(&path).unwrap() == Some(other));
    }

    #[test]
    fn login_that_others_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("login.toml");
        login().write_to(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let failure = Login::read_from(&path).err().unwrap();
        assert!(failure.to_string().contains("chmod 600"), "{failure}");
    }

    #[test]
    fn error_in_the_file_does_not_show_the_token() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("login.toml");
        for text in ["url = \"a\"\ntoken = s3cret", "token = \"s3cret\"", "url = \"a\"\nother = \"s3cret\""] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let failure = Login::read_from(&path).err().unwrap().to_string();
            assert!(!failure.contains("s3cret"), "{failure}");
        }
    }
}
