//! How started servers are protected: with an auth file, with TLS, with both or not.

use std::path::Path;
use std::process::Command;

use crate::BoxError;
use crate::access::Access;

/// How many other principals the auth file has, so that it has the size of a real one.
const OTHER_PRINCIPALS: usize = 99;

/// Rules that allow everything that the load does. The limits are never reached, but they
/// are checked.
const RULES: &str = "rules = [
    { role = \"lock\", prefix = \"load/\", max_ttl = \"24h\", max_wait = \"24h\", max_leases = 10000000, \
     max_waiters = 10000000, requests_per_second = 1000000 },
    { role = \"observe\", prefix = \"\" },
]\n";

/// An openssl configuration for a certificate of this machine that is its own authority.
const CERTIFICATE: &str = "[req]\ndistinguished_name = name\nx509_extensions = extensions\n[name]\n\
                           [extensions]\nsubjectAltName = IP:127.0.0.1\nbasicConstraints = CA:FALSE\n";

/// Which protection a server has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Protection {
    /// An auth file, in which the load generator is a principal with a token and limits.
    pub(crate) auth: bool,
    /// A certificate, so connections are TLS.
    pub(crate) tls: bool,
}

impl Protection {
    /// Writes the files that a server needs into this directory. Returns the arguments of
    /// the server and the access of its clients.
    pub(crate) fn set_up(self, server: &Path, directory: &Path) -> Result<(Vec<String>, Access), BoxError> {
        let mut arguments = Vec::new();
        let mut access = Access::default();
        let mut add = |option: &str, file: &Path| {
            arguments.extend([option.to_owned(), file.display().to_string()]);
        };
        if self.auth {
            let file = directory.join("auth.toml");
            let (token, content) = auth_file(&new_token(server)?)?;
            std::fs::write(&file, content)?;
            add("--auth-file", &file);
            access = access.with_token(token);
        }
        if self.tls {
            let (certificate, key) = (directory.join("tls.crt"), directory.join("tls.key"));
            make_certificate(directory)?;
            add("--tls-cert", &certificate);
            add("--tls-key", &key);
            access = access.trusting(&certificate)?;
        }
        Ok((arguments, access))
    }
}

/// What `dlm-server token new` prints: a token, and a block for the auth file.
fn new_token(server: &Path) -> Result<String, BoxError> {
    let output = Command::new(server)
        .args(["token", "new", "load", "--role", "lock", "--prefix", "load/"])
        .output()?;
    if !output.status.success() {
        return Err(format!("no token was made: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The token, and an auth file with the principal that it belongs to and others.
fn auth_file(new_token: &str) -> Result<(String, String), BoxError> {
    let token = new_token.lines().next().filter(|line| !line.is_empty());
    let entry = new_token.lines().find(|line| line.starts_with("tokens = "));
    let (token, entry) = token.zip(entry).ok_or("dlm-server token new did not print a token")?;
    let mut content = format!("[[principal]]\nname = \"load\"\n{entry}\n{RULES}");
    for number in 0..OTHER_PRINCIPALS {
        content += &format!(
            "[[principal]]\nname = \"other-{number}\"\ntokens = [{{ sha256 = \"{number:064x}\" }}]\n\
             rules = [{{ role = \"lock\", prefix = \"other-{number}/\" }}]\n"
        );
    }
    Ok((token.to_owned(), content))
}

/// Makes `tls.crt` and `tls.key`.
fn make_certificate(directory: &Path) -> Result<(), BoxError> {
    std::fs::write(directory.join("openssl.cnf"), CERTIFICATE)?;
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                     -subj /CN=dlm-load -config openssl.cnf -keyout tls.key -out tls.crt";
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(directory).output();
    let output = output.map_err(|error| format!("TLS requires the program openssl: {error}"))?;
    if !output.status.success() {
        return Err(format!("openssl failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_file_has_the_token_of_the_load_and_other_principals() {
        let printed =
            "dlm_x\n\n# …\n[[principal]]\nname = \"load\"\ntokens = [{ sha256 = \"ab\" }]\nrules = []\n";
        let (token, content) = auth_file(printed).unwrap();
        assert_eq!(token, "dlm_x");
        assert!(
            content
                .starts_with("[[principal]]\nname = \"load\"\ntokens = [{ sha256 = \"ab\" }]\nrules = [\n")
        );
        assert_eq!(content.matches("[[principal]]").count(), 1 + OTHER_PRINCIPALS);
        assert!(!content.contains("dlm_x"));
        assert!(auth_file("").is_err());
    }
}
