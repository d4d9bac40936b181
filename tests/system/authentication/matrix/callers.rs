//! The callers of the matrix: principals with one of their credentials.

use std::collections::BTreeMap;
use std::fmt;

use tokio_tungstenite::tungstenite::Error as WsError;

use super::requests::{Answer, Connection, Version};
use super::table::{PRINCIPALS, Prefix, Principal, SEGMENTS, Segment, TYPICAL, Verb, verb};
use crate::authentication::{TestServer, jwt};
use crate::harness::{AuthFile, Authority, Identity, Trust, WebSocket, principal};

/// What a caller proves with who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    Token,
    Jwt,
    Certificate,
}

const CREDENTIALS: [Credential; 3] = [Credential::Token, Credential::Jwt, Credential::Certificate];

/// A server with the principals of the table, and their certificates.
pub(super) struct Fixture {
    pub(super) server: TestServer,
    pub(super) server_authority: Authority,
    identities: BTreeMap<&'static str, Identity>,
    /// They have the files.
    _files: (Authority, AuthFile),
}

impl Fixture {
    pub(super) fn start() -> Self {
        let file = AuthFile::new("");
        let (server_authority, of_clients) = (Authority::new(), Authority::new());
        file.replace(&(PRINCIPALS.iter().map(block).collect::<String>() + jwt::table(&file)));
        let certificate = |principal: &Principal| {
            (principal.name, of_clients.issue(principal.name, &format!("URI:{}", uri(principal))))
        };
        let identities = PRINCIPALS.iter().map(certificate).collect();
        let (identity, ca) = (server_authority.issue("server", "IP:127.0.0.1"), of_clients.file());
        let options = ["--auth-file", &file.path(), "--tls-client-ca", ca.to_str().unwrap()];
        let server = TestServer::start_with(&[&identity.arguments(), &options[..]].concat());
        Self { server, server_authority, identities, _files: (of_clients, file) }
    }

    fn caller(&self, principal: &'static Principal, credential: Credential) -> Caller<'_> {
        let trust = Trust::new(&[&self.server_authority]);
        let (trust, token) = match credential {
            Credential::Token => (trust, Some(token(principal))),
            Credential::Jwt => (trust, Some(jwt::of(principal.name))),
            Credential::Certificate => (trust.presenting(&self.identities[principal.name]), None),
        };
        Caller { server: &self.server, principal, credential, trust, token }
    }

    pub(super) fn callers(&self) -> impl Iterator<Item = Caller<'_>> {
        let with = move |credential| PRINCIPALS.iter().map(move |caller| self.caller(caller, credential));
        CREDENTIALS.into_iter().flat_map(with)
    }

    pub(super) fn root(&self) -> Caller<'_> {
        let is_root = |caller: &&Principal| caller.name == "root";
        self.caller(PRINCIPALS.iter().find(is_root).expect("root"), Credential::Token)
    }
}

fn token(principal: &Principal) -> String {
    format!("token-of-{}", principal.name)
}

fn uri(principal: &Principal) -> String {
    format!("spiffe://example.org/{}", principal.name)
}

/// The block of a principal in the auth file.
fn block(of: &Principal) -> String {
    let rule = of.rule.map(|(role, prefix)| {
        let prefix = match prefix {
            Prefix::Everything => "",
            Prefix::A => "a",
            Prefix::Ab => "ab/",
        };
        (role.as_str(), prefix)
    });
    let rules: Vec<_> = rule.into_iter().collect();
    principal(of.name, &[&token(of)], &rules) + &format!("certificates = [\"{}\"]\n", uri(of))
}

/// A principal with one of its credentials.
pub(super) struct Caller<'a> {
    server: &'a TestServer,
    pub(super) principal: &'static Principal,
    credential: Credential,
    trust: Trust,
    token: Option<String>,
}

/// Whether a socket is opened with the credential itself, or with a ticket that was asked
/// for over a connection.
pub(super) enum Opening {
    Credential,
    Ticket(Connection),
}

impl Caller<'_> {
    /// The names to try. The meaning of a name does not depend on the credential, so those
    /// that are unlike the others will do for two of three.
    pub(super) fn segments(&self) -> impl Iterator<Item = &'static Segment> {
        let all = self.credential == Credential::Token;
        SEGMENTS.iter().filter(move |segment| all || TYPICAL.contains(&segment.text))
    }

    pub(super) async fn openings(&self) -> [Opening; 2] {
        [Opening::Credential, Opening::Ticket(self.connect(Version::Http1).await)]
    }

    pub(super) async fn connect(&self, version: Version) -> Connection {
        let authorization = self.token.as_ref().map(|token| format!("Bearer {token}"));
        Connection::open(self.server.url(), &self.trust, version, authorization).await
    }

    pub(super) fn what(&self, verb: &Verb, segment: Option<&Segment>) -> String {
        format!(
            "{} {:?} by {} with {:?}",
            verb.id,
            segment.map(|segment| segment.text),
            self.principal.name,
            self.credential
        )
    }

    /// Opens a socket; the problem if it is refused.
    pub(super) async fn socket(
        &self,
        path: &str,
        purpose: &str,
        opening: &Opening,
    ) -> Result<WebSocket, Answer> {
        let protocol = format!("dlm.{purpose}.v1");
        let opened = match opening {
            Opening::Credential => {
                let offers = [protocol.as_str()];
                let token = self.token.as_deref();
                WebSocket::over_tls(self.server.url(), &self.trust, path, &offers, token).await
            }
            Opening::Ticket(connection) => {
                let ticket = format!("dlm.ticket.{}", ticket(connection, purpose).await);
                let offers = [protocol.as_str(), ticket.as_str()];
                // On a connection that proves nothing.
                let trust = self.trust.clone().anonymous();
                WebSocket::over_tls(self.server.url(), &trust, path, &offers, None).await
            }
        };
        opened.map_err(|error| match error {
            WsError::Http(response) => Answer::of_upgrade(&response),
            error => panic!("{path}: {error}"),
        })
    }
}

async fn ticket(connection: &Connection, purpose: &str) -> String {
    let mut verb = verb("tickets").clone();
    if purpose == "session" {
        verb.members = Some(r#""purpose": "session""#);
    }
    let reply = connection.send(&verb, None).await;
    reply.body["ticket"].as_str().expect("a ticket").to_owned()
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credential => "with the credential",
            Self::Ticket(_) => "with a ticket",
        })
    }
}
