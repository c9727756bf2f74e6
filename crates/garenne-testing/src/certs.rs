//! A private certificate authority and what it signs.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// A CA, a server certificate for `localhost` and a client certificate, as PEM files.
#[derive(Debug)]
pub struct Certs {
    dir: TempDir,
}

impl Certs {
    /// Makes all of them anew; two sets never trust each other.
    ///
    /// # Panics
    ///
    /// When files cannot be written.
    #[must_use]
    pub fn generate() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("garenne-certs-")
            .tempdir()
            .expect("a temporary folder");
        let certs = Self { dir };
        let key = key_pair();
        let mut params = params("garenne test CA", &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params
            .self_signed(&key)
            .expect("a CA certificate can be made of valid parameters");
        certs.write("ca.pem", &ca.pem());
        let issuer = Issuer::new(params, key);
        for (name, hosts) in [
            ("server", ["localhost", "127.0.0.1"].as_slice()),
            ("client", &[]),
        ] {
            let key = key_pair();
            let signed = self::params(name, hosts).signed_by(&key, &issuer);
            certs.write(
                &format!("{name}.pem"),
                &signed.expect("a valid certificate can be signed").pem(),
            );
            certs.write(&format!("{name}-key.pem"), &key.serialize_pem());
        }
        certs
    }

    /// The CA's certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The client's certificate.
    #[must_use]
    pub fn client_chain(&self) -> PathBuf {
        self.path("client.pem")
    }

    /// The client's private key.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.path("client-key.pem")
    }

    pub(crate) fn server_chain(&self) -> PathBuf {
        self.path("server.pem")
    }

    pub(crate) fn server_key(&self) -> PathBuf {
        self.path("server-key.pem")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn write(&self, file: &str, pem: &str) {
        write(&self.path(file), pem);
    }
}

fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("these are valid host names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn key_pair() -> KeyPair {
    KeyPair::generate().expect("a key can be generated")
}

fn write(path: &Path, text: &str) {
    fs::write(path, text)
        .unwrap_or_else(|error| panic!("failed to write {}: {error}", path.display()));
}
