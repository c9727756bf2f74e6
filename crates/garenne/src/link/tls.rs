//! TLS for `amqps://`: whom to trust, and who we are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapin::tcp::RustlsConnector;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::address::TlsFiles;
use super::error::LinkError;

/// TLS settings for `amqps://` brokers.
///
/// Without a CA of your own, the system's trusted roots apply (`SSL_CERT_FILE` and `SSL_CERT_DIR`
/// override where those are). A CA given here is trusted *instead of* them. Files are read anew at
/// every connect, so renewed certificates take effect without a restart.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
}

impl Tls {
    /// The system's roots and no client certificate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts only the CA certificates in this PEM file.
    #[must_use]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }

    /// Presents a client certificate: a PEM file with the chain, and one with its private key
    /// (PKCS#8, PKCS#1 or SEC1).
    #[must_use]
    pub fn identity_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((chain.into(), key.into()));
        self
    }

    /// What the URL of one broker says takes precedence over what the system was given.
    pub(super) fn overridden_by(&self, files: &TlsFiles) -> Self {
        let ca = files.ca.clone().or_else(|| self.ca.clone());
        let from_url = files.cert.clone().map(|cert| {
            // A file that holds both certificate and key is common; then one name is enough.
            let key = files.key.clone().unwrap_or_else(|| cert.clone());
            (cert, key)
        });
        Self {
            ca,
            identity: from_url.or_else(|| self.identity.clone()),
        }
    }

    pub(super) fn connector(&self) -> Result<RustlsConnector, LinkError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| LinkError::configuration(format!("TLS cannot be set up: {e}")))?
            .with_root_certificates(self.roots()?);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let der = PrivateKeyDer::from_pem_file(key)
                    .map_err(|e| unreadable("private key", key, &e))?;
                builder
                    .with_client_auth_cert(certificates(chain)?, der)
                    .map_err(|e| {
                        LinkError::configuration(format!(
                            "client certificate `{}` and key `{}` cannot be used: {e}",
                            chain.display(),
                            key.display()
                        ))
                    })?
            }
        };
        Ok(RustlsConnector::from(Arc::new(config)))
    }

    fn roots(&self) -> Result<RootCertStore, LinkError> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots
                        .add(certificate)
                        .map_err(|e| unreadable("CA certificate", path, &e))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(LinkError::configuration(
                "no trusted certificate authority: this system has no roots installed; install `ca-certificates` \
                 or name the broker's CA file"
                    .to_owned(),
            ));
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LinkError> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let certificates = read().map_err(|e| unreadable("certificate", path, &e))?;
    if certificates.is_empty() {
        return Err(LinkError::configuration(format!(
            "`{}` holds no PEM certificate",
            path.display()
        )));
    }
    Ok(certificates)
}

fn unreadable(what: &str, path: &Path, error: &dyn std::fmt::Display) -> LinkError {
    LinkError::configuration(format!(
        "{what} file `{}` cannot be used: {error}",
        path.display()
    ))
}
