//! Whose word is taken for who a server is: the authorities that this machine trusts.
//!
//! A company that looks into its people's connections has its own authority in the system's list, and
//! nowhere else; so that list is taken, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name, as other
//! programs do. Where a system has no list, as small containers have none, Mozilla's is taken, which is
//! in the program. It stands apart from the client because only here is read what the system has.

use std::sync::Arc;

use ureq::tls::{Certificate, RootCerts};

use super::error::HubError;

/// What names other authorities than the system's.
const VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The authorities to trust.
pub(super) fn trusted() -> Result<RootCerts, HubError> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        let certificates = found.certs.iter();
        let certificates = certificates.map(|der| Certificate::from_der(der).to_owned());
        return Ok(RootCerts::Specific(Arc::new(certificates.collect())));
    }
    let set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match VARIABLES.iter().find(set) {
        None => Ok(RootCerts::WebPki),
        Some(variable) => {
            let why = found.errors.first().map(ToString::to_string);
            Err(HubError::Certificates {
                variable,
                why: why.unwrap_or_else(|| "it names no certificate".to_owned()),
            })
        }
    }
}
