//! Login: does the registry know this name and password?

use std::sync::Arc;

use hyper::Method;

use super::Client;
use super::credentials::Login;
use super::error::{Result, Why};
use super::remote::{Ask, Remote};

impl Client {
    /// Asks a registry (`docker.io`, `host:port`) whether it takes this name and password.
    ///
    /// # Errors
    /// It does not, or nobody answers.
    pub async fn log_in(&self, host: &str, login: &Login) -> Result<()> {
        let mut remote = Remote::new(host, Arc::clone(&self.connector), Arc::clone(&self.progress));
        remote.log_in_as(Some(login.clone()));
        // The first question is without a name, so that the password goes only where one is asked for.
        let answer = remote.ask("", &Ask { again: false, ..Ask::new(Method::GET, "/v2/", "") }).await;
        answer.map(drop).map_err(|mut error| {
            if matches!(&error.why, Why::Unauthorized(_) | Why::Status { status: 403, .. }) {
                error.why = Why::Unauthorized("unauthorized: incorrect username or password".to_owned());
            }
            error
        })
    }
}
