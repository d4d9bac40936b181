//! A fence in an object of S3, or of a storage that speaks its API and has conditional writes: the
//! object has the token of the last holder that used it, and the write of a stale holder is refused.
//!
//! The slow writer is paused past its TTL between its read and its write. Meanwhile the fast writer
//! gets the lock and reads. The slow one resumes before the fast one writes: the late write is refused,
//! and no update is lost.
//!
//! - A write replaces only the version that its holder has read: it is a `PUT` with `If-Match`.
//! - A holder that reads puts its token into the object first. Otherwise the late write would be accepted.
//! - The token is in the content. In the metadata of the object it would be no fence: the `ETag`, which
//!   `If-Match` compares, is that of the content.
//!
//! The credentials and the region are taken from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
//! `AWS_REGION`.

use std::error::Error;
use std::time::Duration;

use clap::Parser;
use dlm_client::{Client, FencingToken};
use dlm_examples::say;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};
use serde::{Deserialize, Serialize};

const OBJECT: &str = "accounts/1.json";

/// Show what a write by a paused lock holder does to an object with a fence.
#[derive(Debug, Parser)]
struct Arguments {
    /// URL of the lock server.
    #[arg(long, default_value = "http://127.0.0.1:7420")]
    server: String,
    /// The bucket, in which the object `accounts/1.json` is created.
    #[arg(long)]
    bucket: String,
    /// URL of a storage that speaks the API of S3, instead of AWS.
    #[arg(long)]
    endpoint: Option<String>,
}

/// The object's content.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Account {
    balance: i64,
    /// The token of the last holder that read it or wrote it.
    fence: u64,
}

/// Another holder has used the object since.
#[derive(Debug, PartialEq, Eq)]
struct Stale;

type StorageResult<T> = Result<Result<T, Stale>, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // For `https`: `object_store` is built without a provider of its own here.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut storage = AmazonS3Builder::from_env().with_bucket_name(&arguments.bucket);
    if let Some(endpoint) = &arguments.endpoint {
        storage = storage.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    let storage = storage.build()?;
    let client = Client::connect(&arguments.server).await?;

    let ttl = Duration::from_millis(500);
    let slow = client.lock("accounts/1").ttl(ttl).auto_renew(false).await?;
    let (seen, version) =
        read(&storage, slow.fencing_token()).await?.map_err(|Stale| "the first holder is stale")?;
    say!("slow: token {}, reads {seen}, and is paused until {}", slow.fencing_token(), slow.lost().await);

    let fast = client.lock("accounts/1").await?;
    let token = fast.fencing_token();
    let (now, latest) = read(&storage, token).await?.map_err(|Stale| "the live holder is stale")?;
    say!("fast: token {token}, reads {now}");

    // It does not check its guard: a process can be stopped right after the check.
    let late = write(&storage, slow.fencing_token(), seen + 1, version).await?;
    say!("slow: resumes and writes {}: {}", seen + 1, if late.is_ok() { "accepted" } else { "refused" });

    write(&storage, token, now + 10, latest).await?.map_err(|Stale| "the live holder is stale")?;
    say!("fast: writes {}", now + 10);
    fast.release().await?;
    client.close(Duration::from_secs(5)).await?;
    if late.is_ok() { Err("an update is lost".into()) } else { Ok(()) }
}

/// Reads the balance, and raises the fence to this holder's token. Creates the object if there is none.
/// Returns the version for [`write()`] too.
async fn read(storage: &AmazonS3, token: FencingToken) -> StorageResult<(i64, UpdateVersion)> {
    loop {
        let (mut account, mode) = match storage.get(&Path::from(OBJECT)).await {
            Ok(object) => {
                let (e_tag, version) = (object.meta.e_tag.clone(), object.meta.version.clone());
                let account: Account = serde_json::from_slice(&object.bytes().await?)?;
                (account, PutMode::Update(UpdateVersion { e_tag, version }))
            }
            Err(object_store::Error::NotFound { .. }) => {
                (Account { balance: 100, fence: 0 }, PutMode::Create)
            }
            Err(error) => return Err(error.into()),
        };
        if account.fence > token.get() {
            return Ok(Err(Stale));
        }
        account.fence = token.get();
        // If another holder was faster, its token decides.
        if let Some(version) = put(storage, account, mode).await? {
            return Ok(Ok((account.balance, version)));
        }
    }
}

/// Writes the balance, unless another holder has changed the object since `version`. Returns the new
/// version. After an error, the write may have been done: read again.
async fn write(
    storage: &AmazonS3,
    token: FencingToken,
    balance: i64,
    version: UpdateVersion,
) -> StorageResult<UpdateVersion> {
    let account = Account { balance, fence: token.get() };
    Ok(put(storage, account, PutMode::Update(version)).await?.ok_or(Stale))
}

/// Returns the new version, or None if the object is not as `mode` demands.
async fn put(
    storage: &AmazonS3,
    account: Account,
    mode: PutMode,
) -> Result<Option<UpdateVersion>, Box<dyn Error>> {
    let content = serde_json::to_vec(&account)?;
    match storage.put_opts(&Path::from(OBJECT), content.into(), mode.into()).await {
        Ok(written) => Ok(Some(written.into())),
        Err(object_store::Error::Precondition { .. } | object_store::Error::AlreadyExists { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
