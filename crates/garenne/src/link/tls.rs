//! TLS for `amqps://`: the trusted CAs, and the client certificate.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use garenne_core::secret::quoted;
use lapin::tcp::RustlsConnector;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::address::TlsFiles;
use super::error::LinkError;

/// TLS settings for `amqps://` brokers.
///
/// Without a CA of your own, the system's trusted roots apply (`SSL_CERT_FILE` and `SSL_CERT_DIR` override
/// their location). A CA given here is trusted *instead of* them. Files are read anew at every connect, so
/// renewed certificates take effect without a restart.
#[derive(Clone, Default)]
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

    /// Presents a client certificate: a PEM file with the chain, and a PEM file with its private key (PKCS#8,
    /// PKCS#1 or SEC1).
    #[must_use]
    pub fn identity_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((chain.into(), key.into()));
        self
    }

    /// The TLS settings in the URL of a broker come before those of the system.
    pub(super) fn overridden_by(&self, files: &TlsFiles) -> Self {
        let ca = files.ca.clone().or_else(|| self.ca.clone());
        let from_url = files.cert.clone().map(|cert| {
            // Certificate and key are often in the same file; then its name is enough.
            let key = files.key.clone().unwrap_or_else(|| cert.clone());
            (cert, key)
        });
        Self {
            ca,
            identity: from_url.or_else(|| self.identity.clone()),
        }
    }

    /// Whether nothing is set.
    pub(crate) fn is_default(&self) -> bool {
        self.ca.is_none() && self.identity.is_none()
    }

    pub(super) fn connector(&self) -> Result<RustlsConnector, LinkError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| LinkError::configuration(format!("TLS cannot be set up: {e}")).because(e))?
            .with_root_certificates(self.roots()?);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let der = PrivateKeyDer::from_pem_file(key)
                    .map_err(|e| unreadable("private key", key, e))?;
                builder
                    .with_client_auth_cert(certificates(chain)?, der)
                    .map_err(|e| {
                        LinkError::configuration(format!(
                            "client certificate {} and key {} cannot be used: {e}",
                            named(chain),
                            named(key)
                        ))
                        .because(e)
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
                        .map_err(|e| unreadable("CA certificate", path, e))?;
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
    let certificates = read().map_err(|e| unreadable("certificate", path, e))?;
    if certificates.is_empty() {
        return Err(LinkError::configuration(format!(
            "certificate file {} holds no PEM certificate",
            named(path)
        )));
    }
    Ok(certificates)
}

fn unreadable(what: &str, path: &Path, error: impl Error + Send + Sync + 'static) -> LinkError {
    LinkError::configuration(format!(
        "{what} file {} cannot be used: {error}",
        named(path)
    ))
    .because(error)
}

/// The path of a file, if it can be a path: users sometimes put the key itself there.
fn named(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// Without values that cannot be paths.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.identity.as_ref();
        f.debug_struct("Tls")
            .field("ca", &self.ca.as_deref().map(named))
            .field("certificate", &identity.map(|(chain, _)| named(chain)))
            .field("key", &identity.map(|(_, key)| named(key)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_place_of_its_path_is_in_no_text() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEs3cret\n-----END PRIVATE KEY-----";
        let tls = Tls::new().ca_file(key).identity_files(key, key);
        assert!(!format!("{tls:?} {tls:#?}").contains("s3cret"));
        for tls in [
            Tls::new().ca_file(key),
            Tls::new().ca_file("MIIEs3cret"),
            Tls::new().identity_files("MIIEs3cret", key),
        ] {
            let error = tls.connector().err().map(|error| error.to_string());
            let error = error.expect("there is no such file");
            assert!(
                !error.contains("s3cret") && error.contains("not shown"),
                "{error}"
            );
        }
        let missing = Tls::new().ca_file("/nowhere/ca.pem").connector();
        let error = missing
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains("`/nowhere/ca.pem`"), "{error}");
    }
}
