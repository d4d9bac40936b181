//! Reads the auth file again when it has changed, and on demand.

use std::path::PathBuf;
use std::sync::Arc;

use super::Policies;
use super::changes::Changes;
use super::file::{FilesRead, LoadError, Loaded, load};
use crate::audit::{Audit, AuditOutcome, Record};
use crate::clock::wall_time;
use crate::metrics::Metrics;
use crate::reload::{Followed, Reloader};

/// Keeps the policy up to date with its file.
pub(crate) type PolicyReloader = Reloader<AuthFile>;

/// The auth file, and the policy in force.
#[derive(Debug)]
pub(crate) struct AuthFile {
    path: PathBuf,
    policies: Policies,
    metrics: Arc<Metrics>,
    audit: Audit,
}

impl PolicyReloader {
    /// Reads the auth file for the first time.
    ///
    /// # Errors
    ///
    /// Returns why the file is refused.
    pub(crate) fn start(path: PathBuf, metrics: Arc<Metrics>, audit: Audit) -> Result<Self, LoadError> {
        let (read, loaded) = load(&path, wall_time());
        let Loaded { policy, summary } = loaded?;
        tracing::info!(file = %path.display(), %summary, "auth file loaded");
        metrics.auth_loaded(wall_time());
        Ok(Self::new(AuthFile { path, policies: Policies::new(policy), metrics, audit }, read))
    }

    pub(crate) fn policies(&self) -> Policies {
        self.files().policies.clone()
    }
}

impl Followed for AuthFile {
    type Content = FilesRead;

    fn content(&self, before: &FilesRead) -> FilesRead {
        before.again()
    }

    fn reload(&mut self) -> FilesRead {
        let (read, loaded) = load(&self.path, wall_time());
        match loaded {
            Ok(loaded) => self.replace(loaded),
            Err(error) => {
                tracing::error!(%error, "auth file refused; the policy before stays in force");
                self.metrics.auth_refused();
                self.record(AuditOutcome::Failed, &error.to_string());
            }
        }
        read
    }
}

impl AuthFile {
    fn replace(&self, Loaded { policy, summary }: Loaded) {
        let Changes { added, removed, changed, jwt } = Changes::between(&self.policies.current(), &policy);
        self.policies.replace(policy);
        tracing::info!(%summary, added, removed, changed, jwt_changed = jwt, "auth file reloaded");
        self.metrics.auth_loaded(wall_time());
        let jwt = if jwt { ", JWT issuer changed" } else { "" };
        let what = format!("{summary}; {added} added, {removed} removed, {changed} changed{jwt}");
        self.record(AuditOutcome::Succeeded, &what);
    }

    fn record(&self, outcome: AuditOutcome, what: &str) {
        self.audit.record_reserved(&Record::of_reload("reload_auth", outcome, what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const HASHES: [&str; 2] = [
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
    ];

    fn file(names: &[&str]) -> String {
        let principal = |(name, hash): (&&str, &str)| {
            format!("[[principal]]\nname = \"{name}\"\ntokens = [{{ sha256 = \"{hash}\" }}]\nrules = []\n")
        };
        names.iter().zip(HASHES).map(principal).collect()
    }

    fn names(reloader: &PolicyReloader) -> Vec<String> {
        let policy = reloader.policies().current();
        let mut names: Vec<_> = policy.principals().map(|principal| principal.name().to_string()).collect();
        names.sort();
        names
    }

    fn start(path: PathBuf) -> (PolicyReloader, Arc<Metrics>) {
        let metrics = Metrics::new();
        (PolicyReloader::start(path, Arc::clone(&metrics), Audit::default()).unwrap(), metrics)
    }

    #[test]
    fn a_change_is_applied_once_it_was_seen_twice() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.toml");
        std::fs::write(&path, file(&["a", "b"])).unwrap();
        let (mut reloader, metrics) = start(path.clone());
        reloader.poll();
        reloader.poll();
        assert!(
            metrics.text().contains("dlm_auth_file_loads_total{result=\"ok\"} 1"),
            "no change, no reload"
        );
        // Half of it is a valid file, but not the one that is being written.
        std::fs::write(&path, file(&["c"])).unwrap();
        reloader.poll();
        assert_eq!(names(&reloader), ["a", "b"]);
        std::fs::write(&path, file(&["c", "d"])).unwrap();
        reloader.poll();
        assert_eq!(names(&reloader), ["a", "b"]);
        reloader.poll();
        assert_eq!(names(&reloader), ["c", "d"]);
        assert!(metrics.text().contains("dlm_auth_file_loads_total{result=\"ok\"} 2"));
    }

    #[test]
    fn a_mistake_or_a_missing_file_keeps_the_policy_and_is_counted_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("auth.toml");
        std::fs::write(&path, file(&["a"])).unwrap();
        let (mut reloader, metrics) = start(path.clone());
        let mut failed = 0;
        let mut refuse = |reloader: &mut PolicyReloader| {
            for _ in 0..5 {
                reloader.poll();
            }
            failed += 1;
            let count = format!("dlm_auth_file_loads_total{{result=\"failed\"}} {failed}\n");
            assert!(metrics.text().contains(&count), "{}", metrics.text());
            assert_eq!(names(reloader), ["a"]);
        };
        for content in ["", "[[principal]]", "\u{0}"] {
            std::fs::write(&path, content).unwrap();
            refuse(&mut reloader);
        }
        std::fs::remove_file(&path).unwrap();
        refuse(&mut reloader);
        std::fs::write(&path, file(&["a", "b"])).unwrap();
        reloader.poll();
        reloader.poll();
        assert_eq!(names(&reloader), ["a", "b"]);
    }

    #[test]
    fn a_directory_that_is_replaced_by_renaming_a_link_is_a_change() {
        // As Kubernetes mounts a secret: a link to a directory with the files.
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (version, principal) in [("v1", "a"), ("v2", "b")] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("auth.toml"), file(&[principal])).unwrap();
        }
        symlink("v1", at("data")).unwrap();
        symlink("data/auth.toml", at("auth.toml")).unwrap();
        let (mut reloader, _) = start(at("auth.toml"));
        assert_eq!(names(&reloader), ["a"]);
        symlink("v2", at("new")).unwrap();
        std::fs::rename(at("new"), at("data")).unwrap();
        std::fs::remove_dir_all(at("v1")).unwrap();
        reloader.poll();
        reloader.poll();
        assert_eq!(names(&reloader), ["b"]);
    }
}
