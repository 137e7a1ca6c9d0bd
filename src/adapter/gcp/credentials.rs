//! Who asks: the application default credentials, or nobody where the endpoint is plain HTTP on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use gcp_bigquery_client::auth::Authenticator;
use gcp_bigquery_client::error::BQError;
use gcp_bigquery_client::yup_oauth2::authenticator::{
    ApplicationDefaultCredentialsAuthenticator, ApplicationDefaultCredentialsTypes, Authenticator as Tokens,
};
use gcp_bigquery_client::yup_oauth2::{
    ApplicationDefaultCredentialsFlowOpts, AuthorizedUserAuthenticator, DefaultHyperClientBuilder,
    ExternalAccountAuthenticator, HyperClientBuilder, ServiceAccountAuthenticator,
};
use serde_json::Value as Json;

use super::failure::Failure;

const SCOPES: [&str; 1] = ["https://www.googleapis.com/auth/bigquery"];
const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const LOGGED_IN: &str = ".config/gcloud/application_default_credentials.json";

type Google = Tokens<<DefaultHyperClientBuilder as HyperClientBuilder>::Connector>;

/// For an emulator: nothing that is worth anything is sent.
#[derive(Clone)]
struct Nobody;

#[async_trait]
impl Authenticator for Nobody {
    async fn access_token(&self) -> Result<String, BQError> {
        Ok("none".to_owned())
    }
}

#[derive(Clone)]
struct Somebody(Google);

#[async_trait]
impl Authenticator for Somebody {
    async fn access_token(&self) -> Result<String, BQError> {
        let token = self.0.token(&SCOPES).await?;
        token.token().map(str::to_owned).ok_or(BQError::NoToken)
    }
}

/// For tests and emulators.
pub fn nobody() -> Arc<dyn Authenticator> {
    Arc::new(Nobody)
}

/// The variable's file, or that of `gcloud auth application-default login`, or the machine's own account.
pub async fn application_default() -> Result<Arc<dyn Authenticator>, Failure> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let logged_in = std::env::home_dir().map(|home| home.join(LOGGED_IN)).filter(|file| file.is_file());
    match named.or(logged_in) {
        Some(file) => of_file(&file).await,
        None => of_machine().await,
    }
    .map(|tokens| Arc::new(Somebody(tokens)) as Arc<dyn Authenticator>)
}

async fn of_file(file: &Path) -> Result<Google, Failure> {
    let wrong = |error: String| Failure::credentials(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let json: Json = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let kind = json["type"].as_str().unwrap_or_default().to_owned();
    fn read<T: serde::de::DeserializeOwned>(json: Json) -> Result<T, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }
    let built = match kind.as_str() {
        "service_account" => ServiceAccountAuthenticator::builder(read(json).map_err(wrong)?).build().await,
        "authorized_user" => AuthorizedUserAuthenticator::builder(read(json).map_err(wrong)?).build().await,
        "external_account" => ExternalAccountAuthenticator::builder(read(json).map_err(wrong)?).build().await,
        other => return Err(wrong(format!("credentials of the type `{other}` are not known here"))),
    };
    built.map_err(|error| wrong(error.to_string()))
}

/// Of a virtual machine or a container in Google Cloud.
async fn of_machine() -> Result<Google, Failure> {
    let options = ApplicationDefaultCredentialsFlowOpts::default();
    let built = match ApplicationDefaultCredentialsAuthenticator::builder(options).await {
        ApplicationDefaultCredentialsTypes::InstanceMetadata(builder) => builder.build().await,
        ApplicationDefaultCredentialsTypes::ServiceAccount(builder) => builder.build().await,
    };
    built.map_err(|error| Failure::credentials(error.to_string()))
}
